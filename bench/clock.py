"""One run of one command: its wall time, the CPU of all its processes, and the memory of its largest."""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time

TICKS = os.sysconf("SC_CLK_TCK")
# A process begins with the peak memory of the one that started it: GNU time's own is small, Python's is not.
GNU_TIME = shutil.which("time")


def busy():
    """CPU seconds that the whole machine has worked since it started."""
    with open("/proc/stat", encoding="ascii") as stat:
        user, nice, system, _, _, irq, softirq = map(int, stat.readline().split()[1:8])
    return (user + nice + system + irq + softirq) / TICKS


def wait_for_quiet(limit):
    """Waits until the machine is idle, `limit` seconds at most."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        before = busy()
        time.sleep(0.25)
        if busy() - before < 0.03:
            return


def environment(home):
    """What a tool may see: nothing of the user's."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR") if name in os.environ}
    return {**kept, "HOME": str(home), "XDG_RUNTIME_DIR": str(home), "TMPDIR": str(home), "NO_COLOR": "1"}


def run(command, directory, limit):
    """Runs `command` in `directory`. Its group of processes is ended after `limit` seconds."""
    memory, output = directory / "memory", directory / "output"
    memory.unlink(missing_ok=True)
    measured = [GNU_TIME, "-q", "-o", str(memory), "-f", "%M", *command] if GNU_TIME else command
    with open(output, "wb") as sink:
        begin = time.perf_counter()
        child = subprocess.Popen(
            measured,
            cwd=directory,
            env=environment(directory),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
        end = threading.Timer(limit, end_group, [child.pid])
        end.start()
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:
            end_group(child.pid)
            raise
        finally:
            end.cancel()
        wall = time.perf_counter() - begin
    child.returncode = os.waitstatus_to_exitcode(status)
    peak = int(memory.read_text().split()[-1]) if memory.exists() else usage.ru_maxrss
    return {
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime,
        "user": usage.ru_utime,
        "system": usage.ru_stime,
        "peak_mib": peak / 1024,
        "exit": child.returncode,
        "output": output.read_text(errors="replace")[-2000:] if child.returncode else "",
    }


def end_group(pid):
    """Ends what was started as the group `pid`."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
