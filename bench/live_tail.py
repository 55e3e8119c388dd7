#!/usr/bin/env python3
"""Measures CloudWatch's live tail while lines come in: how long after its sending a line is told, and how it is sampled.

Usage: bench/live_tail.py PATH_TO_CUPOLA [LINES_A_SECOND [SECONDS]]. Prints one table: `live tail at 50,000 lines/s`. A line holds the
moment it was sent, so each one that is told says how late it is. Updates come once a second, so a line waits half a second on
average and a whole one at most; what is told beyond that second is the server's delay.
"""

import http.client
import json
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from urllib.parse import urlsplit

GROUP = "/bench/tail"
STREAMS = 5
EVENTS_MAX = 500


def start(binary, folder):
    command = [binary, "serve", "--data-dir", folder]
    for name in ("http", "otlp-grpc", "otlp-http", "xray"):
        command += [f"--{name}-listen", "127.0.0.1:0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    for line in process.stdout:
        if "http=" in line:
            return process, next(word[5:] for word in line.split() if word.startswith("http="))
    sys.exit("cupola did not start")


def connection(address):
    where = urlsplit(address)
    return http.client.HTTPConnection(where.hostname, where.port, timeout=30)


def ask(client, operation, body):
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"Logs_20140328.{operation}"}
    client.request("POST", "/", body if isinstance(body, bytes) else json.dumps(body), headers)
    return client.getresponse()


def answered(client, operation, body):
    answer = ask(client, operation, body)
    text = answer.read()
    if answer.status != 200:
        sys.exit(f"{operation}: {answer.status} {text.decode()}")
    return json.loads(text) if text else {}


def messages(answer):
    """Frames of an event stream: the lengths, headers that are not needed here, the payload."""
    while True:
        head = answer.read(12)
        if len(head) < 12:
            return
        total, headers, _ = struct.unpack(">III", head)
        rest = answer.read(total - 12)
        payload = rest[headers:-4]
        if payload:
            yield json.loads(payload)


def listen(address, stop, delays, counts):
    client = connection(address)
    group = f"arn:aws:logs:us-east-1:000000000000:log-group:{GROUP}"
    answer = ask(client, "StartLiveTail", {"logGroupIdentifiers": [group]})
    for message in messages(answer):
        now = time.time()
        results = message.get("sessionResults")
        if results is not None:
            newest = [float(each["message"].split(" ", 1)[0]) for each in results]
            counts.append((len(results), message["sessionMetadata"]["sampled"]))
            if newest:
                # The newest line of an update tells how far behind the update is, whatever was picked.
                delays.append((now - max(newest), now - min(newest)))
        if stop.is_set():
            client.close()
            return


def send(address, stream, rate, seconds, sent, late):
    client = connection(address)
    answered(client, "CreateLogStream", {"logGroupName": GROUP, "logStreamName": stream})
    chunk = max(rate // 5, 1)
    began = time.monotonic()
    for number in range(seconds * 5):
        wait = began + number / 5 - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        else:
            late.append(-wait)
        now = time.time()
        event = f'{{"timestamp":{int(now * 1000)},"message":"{now:.6f} GET /cart/{number} 200 in 12 ms for user 4711, agent okhttp"}}'
        body = f'{{"logGroupName":"{GROUP}","logStreamName":"{stream}","logEvents":[{",".join([event] * chunk)}]}}'
        answered(client, "PutLogEvents", body.encode())
        sent.append(chunk)


def main():
    binary = sys.argv[1]
    rate = int(sys.argv[2]) if len(sys.argv) > 2 else 50_000
    seconds = int(sys.argv[3]) if len(sys.argv) > 3 else 20
    with tempfile.TemporaryDirectory() as folder:
        process, address = start(binary, folder)
        try:
            answered(connection(address), "CreateLogGroup", {"logGroupName": GROUP})
            stop, delays, counts, sent, late = threading.Event(), [], [], [], []
            listener = threading.Thread(target=listen, args=(address, stop, delays, counts), daemon=True)
            listener.start()
            time.sleep(1)
            began = time.monotonic()
            senders = [threading.Thread(target=send, args=(address, f"s{at}", rate // STREAMS, seconds, sent, late)) for at in range(STREAMS)]
            for sender in senders:
                sender.start()
            for sender in senders:
                sender.join()
            took = time.monotonic() - began
            time.sleep(2)
            stop.set()
            listener.join(5)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=20)
    full = [count for count, _ in counts if count]
    newest = sorted(delay for delay, _ in delays)
    print(f"| live tail at {rate:,} lines/s | figure |")
    print("|---|--:|")
    print(f"| lines sent a second | {sum(sent) / took:,.0f} |")
    print(f"| newest line of an update is behind, median | {statistics.median(newest) * 1000:.0f} ms |")
    print(f"| the same, worst | {newest[-1] * 1000:.0f} ms |")
    print(f"| oldest line of an update is behind, worst | {max(oldest for _, oldest in delays) * 1000:.0f} ms |")
    print(f"| updates with lines, sampled | {len(full)}, {sum(sampled for _, sampled in counts)} |")
    print(f"| lines of an update, at most | {max(full)} |")
    print(f"| within a second | {'yes' if newest[-1] < 1 else 'no'} |")
    if late and max(late) > 1:
        print(f"\nThe senders were up to {max(late):.1f} s late: this machine does not send as fast.")


if __name__ == "__main__":
    main()
