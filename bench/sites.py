"""The two registries, each perhaps behind a proxy: started, emptied, counted and ended.

Owns every server that the benchmark starts, and ends each by its process id. All listen on 127.0.0.1, on ports that are
new each time, so that nothing a tool remembers of a former run helps it.
"""

import collections
import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

from images import AGENT, Registry

PROGRAMS = ["docker-registry", "registry"]
PROXY = pathlib.Path(__file__).resolve().with_name("proxy.py")
TICKS = os.sysconf("SC_CLK_TCK")
ACCESS = re.compile(r'"(\w+) (/v2/\S*) HTTP/[\d.]+" (\d{3}) .*"([^"]*)"\s*$')
SETTINGS = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: {silent}}}}}
storage:
  filesystem: {{rootdirectory: "{files}"}}
  cache: {{blobdescriptor: inmemory}}
  maintenance: {{uploadpurging: {{enabled: false}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


def find_program(wanted=None):
    """The registry to use: distribution's, under one of its names."""
    for name in [wanted] if wanted else PROGRAMS:
        if found := shutil.which(name):
            return found
    raise SystemExit(f"no registry on PATH (looked for {wanted or ' and '.join(PROGRAMS)})")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Site:
    """One side: a registry with its files below `directory`, and what stands before it."""

    def __init__(self, directory, program):
        self.directory, self.program = directory, program
        self.files, self.log = directory / "files", directory / "log"
        self.registry = self.proxy = self.port = None
        directory.mkdir(parents=True)

    @contextlib.contextmanager
    def up(self, proxy=None, logged=False):
        """Runs the registry, behind a proxy if there are arguments for one. Yields the address for the tools."""
        try:
            self.start_registry(logged)
            port = self.start_proxy(proxy) if proxy is not None else self.port
            yield f"127.0.0.1:{port}"
        finally:
            self.stop()

    @property
    def direct(self):
        """The registry's own address."""
        return f"127.0.0.1:{self.port}"

    def empty(self):
        shutil.rmtree(self.files, ignore_errors=True)

    def copy_of(self, other):
        self.empty()
        shutil.copytree(other.files, self.files)

    def start_registry(self, logged):
        self.port = free_port()
        settings = self.directory / "registry.yml"
        settings.write_text(SETTINGS.format(silent=str(not logged).lower(), files=self.files, port=self.port))
        quiet = {**os.environ, "OTEL_TRACES_EXPORTER": "none"}
        with open(self.log, "wb") as log:
            command = [self.program, "serve", str(settings)]
            self.registry = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=quiet)
        for _ in range(500):
            try:
                if Registry(self.direct).call("GET", "/v2/")[0] == 200:
                    return
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)
            if self.registry.poll() is not None:
                break
        raise SystemExit(f"{self.program} did not start: {self.log.read_text(errors='replace')[-500:]}")

    def start_proxy(self, arguments):
        command = [sys.executable, "-B", str(PROXY), "--to", str(self.port), *arguments]
        self.proxy = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        return int(self.proxy.stdout.readline())

    def stop_proxy(self):
        """What the proxy has counted."""
        if self.proxy is None:
            return {}
        proxy, self.proxy = self.proxy, None
        proxy.send_signal(signal.SIGTERM)
        said, _ = proxy.communicate(timeout=30)
        return json.loads(said) if said.strip() else {}

    def stop(self):
        self.stop_proxy()
        if self.registry is not None:
            registry, self.registry = self.registry, None
            registry.send_signal(signal.SIGTERM)
            try:
                registry.wait(timeout=10)
            except subprocess.TimeoutExpired:
                registry.kill()
                registry.wait()

    def cpu(self):
        """CPU seconds of registry and proxy up to now."""
        return sum(cpu_of(process.pid) for process in (self.registry, self.proxy) if process is not None)

    def requests(self):
        """How many requests of each kind the access log names; the benchmark's own are left out."""
        counts = collections.Counter()
        for line in self.log.read_text(errors="replace").splitlines():
            if (found := ACCESS.search(line)) and found[4] != AGENT:
                counts[f"{found[1]} {kind(found[2])} {found[3]}"] += 1
        return dict(sorted(counts.items()))


def cpu_of(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def kind(path):
    """What a path of the distribution API is about."""
    if "/blobs/uploads/" in path:
        return "mount" if "mount=" in path else "upload"
    found = re.search(r"/(blob|manifest|tags|referrers)s?/", path)
    return found[1] if found else "entry"
