"""The tools that are measured: where they are, which settings of each are tried, and how each is told what to do.

Owns the difference between `regsync` and regclient's tool of the same name. A tool gets a directory of its own for its
configuration, and an environment without the user's credentials.
"""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """Copy every tag of `repositories` from one registry to the other."""

    source: str
    target: str
    repositories: list
    directory: object

    def write(self, name, content):
        path = self.directory / name
        path.write_text(content)
        return str(path)


@dataclass(frozen=True)
class Peer:
    """A tool with one setting of its knobs. Where there is a round trip to wait for, other settings are its best."""

    name: str
    program: str
    version: str
    arguments: object
    near: bool = True
    far: bool = True

    def command(self, task):
        return self.arguments(self.program, task)


def regsync(program, task):
    mirrors = [
        {"source": f"{task.source}/{name}", "target": f"{task.target}/{name}", "tags": ["*"]}
        for name in task.repositories
    ]
    configuration = {"version": 1, "defaults": {"referrers": "none"}, "mirrors": mirrors}
    return [program, "apply", "-q", "-c", task.write("regsync.yaml", json.dumps(configuration))]


def regclient(parallel):
    def arguments(program, task):
        hosts = [
            {"registry": host, "tls": "disabled", "reqConcurrent": parallel} for host in (task.source, task.target)
        ]
        sync = [
            {"source": f"{task.source}/{name}", "target": f"{task.target}/{name}", "type": "repository"}
            for name in task.repositories
        ]
        defaults = {"skipDockerConfig": True, "parallel": parallel, "fastCheck": True}
        configuration = {"version": 1, "creds": hosts, "defaults": defaults, "sync": sync}
        return [program, "-v", "error", "once", "-c", task.write("rc.yaml", json.dumps(configuration))]

    return arguments


def crane(processes, jobs):
    def arguments(program, task):
        lines = [f"{task.source}/{name} {task.target}/{name}\n" for name in task.repositories]
        listed = task.write("crane.txt", "".join(lines))
        return ["xargs", "-a", listed, "-n", "2", "-P", str(processes), program, "cp", "-a", "-j", str(jobs)]

    return arguments


def skopeo(processes):
    """`skopeo sync` does one thing at a time; only more of it make it faster."""

    def arguments(program, task):
        top = task.repositories[0].partition("/")[0]
        lists = []
        for number in range(processes):
            images = "".join(f"    {name}: []\n" for name in task.repositories[number::processes])
            if images:
                text = f"{task.source}:\n  tls-verify: false\n  images:\n{images}"
                lists.append(task.write(f"skopeo-{number}.yaml", text))
        options = ["--all", "--src", "yaml", "--dest", "docker", "--dest-tls-verify=false"]
        command = [program, "--insecure-policy", "sync", *options]
        if len(lists) == 1:
            return [*command, *lists, f"{task.target}/{top}"]
        listed = task.write("skopeo.txt", "".join(f"{name} {task.target}/{top}\n" for name in lists))
        return ["xargs", "-a", listed, "-n", "2", "-P", str(processes), *command]

    return arguments


def ocync(program, task):
    def registry(address):
        return {"url": f"http://{address}", "auth_type": "anonymous"}

    configuration = {
        "global": {"cache_dir": str(task.directory / "ocync-cache"), "cache_ttl": "0"},
        "registries": {"source": registry(task.source), "target": registry(task.target)},
        "defaults": {"source": "source", "targets": ["target"], "artifacts": {"enabled": False}, "tags": {"glob": "*"}},
        "mappings": [{"from": name, "to": name} for name in task.repositories],
    }
    return [program, "-q", "sync", "-c", task.write("ocync.yaml", json.dumps(configuration))]


def said(command):
    """What a program prints of itself, or nothing."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
    except OSError:
        return ""
    return done.stdout + done.stderr if done.returncode == 0 else ""


def version_in(text):
    found = re.search(r"\d+\.\d+(\.\d+)?\S*", text)
    return found[0] if found else "?"


def on_path(name):
    """All programs of this name on PATH: two tools are called `regsync`."""
    directories = os.environ.get("PATH", "").split(os.pathsep)
    found = [shutil.which(name, path=directory) for directory in directories if directory]
    return list(dict.fromkeys(path for path in found if path))


def find_regclient():
    for program in [*on_path("rc-regsync"), *on_path("regsync")]:
        # Ours has no such command; regclient's says where it was built from.
        text = said([program, "version"])
        if "VCSTag" in text:
            return program, version_in(text)
    return None, None


def find(ours):
    """Every peer there is, ours first."""
    text = said([ours, "--version"])
    if not text.startswith("regsync "):
        raise SystemExit(f"{ours} is not regsync: build it (cargo build --release), or name it with --regsync")
    found = [Peer("regsync", ours, version_in(text), regsync)]
    program, version = find_regclient()
    if program:
        found.append(Peer("regclient, parallel 8", program, version, regclient(8), far=False))
        found.append(Peer("regclient, parallel 32", program, version, regclient(32), near=False))
    if program := shutil.which("crane"):
        version = version_in(said([program, "version"]))
        found.append(Peer("crane -j8", program, version, crane(1, 8), far=False))
        found.append(Peer("crane -j16, 4 at once", program, version, crane(4, 16), near=False))
    if program := shutil.which("skopeo"):
        version = version_in(said([program, "--version"]))
        found.append(Peer("skopeo sync", program, version, skopeo(1), far=False))
        found.append(Peer("skopeo sync, 20 at once", program, version, skopeo(20), near=False))
    if program := shutil.which("ocync"):
        found.append(Peer("ocync", program, version_in(said([program, "version"])), ocync))
    return found
