#!/usr/bin/env python3
"""Measures lists of error items over HTTP among many: each item has one occurrence, sent as Rollbar's clients send it.

Usage: bench/error_list.py PATH_TO_CUPOLA [ITEMS]. Prints one table: milliseconds of each question, median and worst of twenty.
"""

import http.client
import json
import signal
import socket
import statistics
import sys
import tempfile
import threading
import time
from urllib.parse import urlsplit

from live_tail import connection, start

CONNECTIONS = 8
AHEAD = 50
ASKED = 20
LEVELS = ["critical", "error", "warning", "info"]

QUESTIONS = [
    ("Rollbar's list", "/api/1/items/"),
    ("... a status and a level", "/api/1/items/?status=active&level=critical"),
    ("... an environment, by occurrences", "/api/1/items/?environment=staging&sort=occurrences"),
    ("... words of the title", "/api/1/items/?query=%22number%2077%22"),
    ("... page 500", "/api/1/items/?page=500"),
    ("one item by its counter", "/api/1/item/?counter=4711"),
    ("the page's list, an hour", "/api/errors?start={hour}&end={now}&status=active"),
    ("... by count", "/api/errors?start={hour}&end={now}&status=active&sort=count"),
    ("... one level, unassigned", "/api/errors?start={hour}&end={now}&level=critical&assigned=unassigned"),
    ("... searched", "/api/errors?start={hour}&end={now}&q=number%2077"),
]


def item(number):
    frame = {"filename": f"/srv/shop/module_{number}.py", "lineno": 7, "method": f"call_{number}"}
    trace = {"frames": [frame], "exception": {"class": f"Error{number}", "message": f"number {number}"}}
    data = {"environment": "staging" if number % 5 == 0 else "production", "level": LEVELS[number % 4], "language": "python",
            "timestamp": int(time.time()), "code_version": str(number % 50), "body": {"trace": trace}, "server": {"root": "/srv/shop"}}
    body = json.dumps({"data": data}).encode()
    head = f"POST /api/1/item/ HTTP/1.1\r\nHost: bench\r\nX-Rollbar-Access-Token: any\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def send(address, numbers):
    """Requests one behind the other without waiting for each answer."""
    where = urlsplit(address)
    with socket.create_connection((where.hostname, where.port)) as client:
        for first in range(0, len(numbers), AHEAD):
            part = numbers[first : first + AHEAD]
            client.sendall(b"".join(map(item, part)))
            told = b""
            while told.count(b'{"err":0') < len(part):
                more = client.recv(65536)
                if not more or b"HTTP/1.1 4" in more or b"HTTP/1.1 5" in more:
                    sys.exit(f"an item was refused: {more[:500]}")
                told += more


def ask(client, path):
    began = time.perf_counter()
    client.request("GET", path, headers={"X-Rollbar-Access-Token": "any"})
    answer = client.getresponse()
    text = answer.read()
    if answer.status != 200:
        sys.exit(f"{path}: {answer.status} {text[:500]}")
    return (time.perf_counter() - began) * 1e3, json.loads(text)


def main():
    binary, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        process, address = start(binary, folder)
        try:
            senders = [threading.Thread(target=send, args=(address, range(n, count, CONNECTIONS))) for n in range(CONNECTIONS)]
            began = time.time()
            for sender in senders:
                sender.start()
            for sender in senders:
                sender.join()
            client: http.client.HTTPConnection = connection(address)
            total = 0
            while total < count and time.time() - began < 1800:
                total = ask(client, "/api/1/items/?limit=1")[1]["result"]["total_count"]
            print(f"{total:,} items, sent and written in {time.time() - began:.0f} s\n")
            print("| question | median ms | worst ms |\n|---|---|---|")
            times = {"hour": int((time.time() - 3600) * 1e9), "now": int(time.time() * 1e9)}
            for name, path in QUESTIONS:
                path = path.format(**times)
                ask(client, path)
                took = [ask(client, path)[0] for _ in range(ASKED)]
                print(f"| {name} | {statistics.median(took):.1f} | {max(took):.1f} |", flush=True)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


main()
