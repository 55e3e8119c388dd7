#!/usr/bin/env python3
"""Measures what a newcomer feels: time to ready, idle memory, weight of the page's script, first paint, stop time.

Usage: bench/house.py PATH_TO_CUPOLA. Prints one table; figures are medians of several runs. First paint needs
/usr/bin/chromium and node with playwright-core (e2e installs it) and is left out, and said so, without them.
"""

import gzip
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

RUNS = 5
IDLE_SECONDS = 5
HERE = pathlib.Path(__file__).parent


def start(binary, folder):
    command = [binary, "serve", "--data-dir", folder]
    for name in ("http", "otlp-grpc", "otlp-http", "xray"):
        command += [f"--{name}-listen", "127.0.0.1:0"]
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    line = process.stdout.readline()
    ready = time.monotonic() - began
    address = re.search(r"http=(\S+)", line)
    if not address:
        sys.exit(f"cupola did not start: {line!r}")
    return process, address.group(1), ready


def stop(process):
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=10)
    return time.monotonic() - began


def resident_megabytes(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024


def get(url):
    with urllib.request.urlopen(url) as answer:
        return answer.read()


def script_kilobytes(address):
    """Gzipped weight of every script the first page loads, preloads counted."""
    page = get(address + "/").decode()
    names = set(re.findall(r'(?:src|href)="(/?assets/[^"]+\.js)"', page))
    return sum(len(gzip.compress(get(f"{address}/{name.lstrip('/')}"), 6)) for name in names) / 1000, len(names)


def first_paint_ms(address):
    script = HERE / "first-paint.mjs"
    run = subprocess.run(["node", str(script), address + "/"], capture_output=True, text=True, timeout=120)
    return float(run.stdout) if run.returncode == 0 and run.stdout.strip() else None


def main():
    binary = sys.argv[1]
    readies, stops, memories, paints = [], [], [], []
    script = None
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory() as folder:
            process, address, ready = start(binary, folder)
            readies.append(ready * 1000)
            time.sleep(IDLE_SECONDS)
            memories.append(resident_megabytes(process))
            script = script_kilobytes(address)
            paint = first_paint_ms(address)
            if paint is not None:
                paints.append(paint)
            stops.append(stop(process) * 1000)
    rows = [
        ("start to ready, empty folder", f"{statistics.median(readies):.0f} ms", "300 ms"),
        ("idle memory", f"{statistics.median(memories):.1f} MB", "60 MB"),
        ("page script, gzipped", f"{script[0]:.1f} kB in {script[1]} files", "300 kB"),
        ("first paint", f"{statistics.median(paints):.0f} ms" if paints else "not measured", "300 ms"),
        ("stop", f"{statistics.median(stops):.0f} ms", "1,000 ms"),
    ]
    print(f"| what | median of {RUNS} | goal |\n|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
