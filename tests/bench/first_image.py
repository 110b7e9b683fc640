"""How long from "accepted" to "complete" for one 1024x1024 image, with a provider that doesn't wait; start and idle memory.

Usage: first_image.py PATH-OF-A-RELEASE-BUILD-OF-THE-LOCAL-EDITION [runs]

Build it with `cargo build -p local --profile box`. The targets: median at most 400 ms; ready within 2 s on existing data; at most
150 MB when idle. Prints medians with minimum and maximum, and exits 1 when a target is missed.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid


def start(edition, data):
    began = time.monotonic()
    environment = {**os.environ, "STAND_IN_DELAY_MS": "0", "LIMIT_DAILY_OUTPUTS": "100000", "LIMIT_MONTHLY_UNITS": "100000", "LIMIT_HOURLY_REQUESTS": "100000"}
    process = subprocess.Popen([edition, "--port", "0", "--data", data], stdout=subprocess.PIPE, text=True, env=environment)
    origin = process.stdout.readline().strip()
    return process, origin, time.monotonic() - began


def memory_mb(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def call(origin, token, method, path, body=None):
    request = urllib.request.Request(origin + path, data=body and json.dumps(body).encode(), method=method)
    request.add_header("Authorization", f"Bearer {token}")
    if body:
        request.add_header("Content-Type", "application/json")
        request.add_header("Idempotency-Key", str(uuid.uuid4()))
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def one(origin, token, number):
    body = {"model": "flux-2", "inputs": {"prompt": f"a benchmark of hills, number {number}"}, "parameters": {"aspect": "1:1", "seed": number}}
    generation = call(origin, token, "POST", "/api/v1/generations", body)
    accepted = time.monotonic()
    while generation["state"] in ("queued", "running", "storing"):
        time.sleep(0.005)
        generation = call(origin, token, "GET", f"/api/v1/generations/{generation['id']}")
    took = time.monotonic() - accepted
    if generation["state"] != "complete" or generation["assets"][0]["media"]["width"] != 1024:
        sys.exit(f"not an image of 1024 pixels: {generation}")
    return took * 1000


def spread(values, unit):
    return f"median {statistics.median(values):.0f} {unit} (min {min(values):.0f}, max {max(values):.0f}, {len(values)} runs)"


def main(edition, runs):
    missed = []
    with tempfile.TemporaryDirectory() as data:
        process, origin, first = start(edition, data)
        token = subprocess.run([edition, "token", "bench@example.com", "--data", data], capture_output=True, text=True, check=True).stdout.strip()
        one(origin, token, 0)
        took = [one(origin, token, number + 1) for number in range(runs)]
        print(f"accepted to complete: {spread(took, 'ms')}")
        if statistics.median(took) > 400:
            missed.append("latency")
        process.terminate()
        process.wait(30)
        starts, idle = [], []
        for _ in range(5):
            process, origin, ready = start(edition, data)
            time.sleep(2)
            starts.append(ready * 1000)
            idle.append(memory_mb(process))
            process.terminate()
            process.wait(30)
        print(f"ready, new data: {first * 1000:.0f} ms; on existing data: {spread(starts, 'ms')}")
        print(f"idle memory: {spread(idle, 'MB')}")
        missed += ["start"] * (max(starts) > 2000) + ["memory"] * (max(idle) > 150)
    if missed:
        sys.exit(f"missed: {', '.join(missed)}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 30)
