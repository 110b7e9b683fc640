"""What these tests share: counting checks, and a local edition on a data folder of its own."""

import contextlib
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

passed = 0


def check(what, condition, shown=""):
    global passed
    if not condition:
        sys.exit(f"FAILED: {what} {shown}")
    passed += 1
    print(f"ok: {what}")


def done():
    print(f"{passed} passed, 0 failed")


def until(what, ask, seconds=30, pause=0.1):
    """What `ask` answers as soon as that is something, which counts as a check."""
    end = time.monotonic() + seconds
    while not (answer := ask()):
        if time.monotonic() > end:
            sys.exit(f"FAILED: {what}: not within {seconds} s")
        time.sleep(pause)
    check(what, True)
    return answer


def run(*words, **options):
    return subprocess.run(words, capture_output=True, text=True, timeout=60, **options)


@dataclasses.dataclass
class Edition:
    process: subprocess.Popen
    origin: str
    data: pathlib.Path

    def secrets(self):
        return json.loads((self.data / "secrets.json").read_text())


@contextlib.contextmanager
def edition(program, **variables):
    """A running local edition with both stand-ins, and a page in place of the web app."""
    with tempfile.TemporaryDirectory() as folder:
        data, site = pathlib.Path(folder, "data"), pathlib.Path(folder, "site")
        site.mkdir()
        (site / "index.html").write_text("<!doctype html><title>No web app</title>")
        # The caller's own keys must not turn a test into a bill.
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "RUST_LOG") if name in os.environ}
        process = subprocess.Popen([program, "--port", "0", "--data", data, "--site", site], stdout=subprocess.PIPE, text=True,
                                   env=environment | variables)
        try:
            origin = process.stdout.readline().strip()
            check("the address is the one line on standard output", origin.startswith("http://localhost:"), origin)
            yield Edition(process, origin, data)
        finally:
            process.terminate()
            process.wait(timeout=30)
        check("it stops cleanly", process.returncode == 0, process.returncode)
        check("its credentials are gone", not (data / "endpoints.json").exists())
