"""Starting the server and client programs, asking the API, and waiting until something holds."""

import http.server
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent

# Lines of the server's log at WARN or above that a test provokes on purpose.
EXPECTED_WARNINGS: list[re.Pattern] = []

START_SECONDS_MAX = 30
# Draining, flushing and closing are promised within a second; a loaded machine gets some slack.
STOP_SECONDS_MAX = 5
PROGRAM_SECONDS_MAX = 90


class Server:
    """The binary on free ports, with an empty folder."""

    def __init__(self, binary: Path, data_dir: Path, *arguments: str):
        free = "127.0.0.1:0"
        self.process = subprocess.Popen(
            [binary, "serve", "--data-dir", data_dir, "--http-listen", free, "--otlp-grpc-listen", free,
             "--otlp-http-listen", free, "--xray-listen", free, *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        )
        self.log: list[str] = []
        self._said: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stderr, self.log), daemon=True),
            threading.Thread(target=self._read, args=(self.process.stdout, self._said), daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        addresses = self._addresses()
        self.http = addresses["http"]
        self.otlp_grpc = addresses["otlp_grpc"]
        self.otlp_http = addresses["otlp_http"]
        self.xray = addresses["xray"]
        self.api = Api(self.http)

    @staticmethod
    def _read(stream, lines):
        lines.extend(iter(stream.readline, ""))

    def _addresses(self) -> dict[str, str]:
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline and self.process.poll() is None:
            for line in self._said:
                if line.startswith("cupola ready "):
                    return dict(pair.split("=", 1) for pair in line.split()[2:])
            time.sleep(0.02)
        self.process.kill()
        raise AssertionError("the server did not start\n" + "".join(self._said + self.log))

    def stop(self):
        """Ends the server as a service manager does, and judges how it took that and what it logged."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"the server did not end within {STOP_SECONDS_MAX} s\n" + "".join(self.log[-20:]))
        for reader in self._readers:
            reader.join(2)
        assert code == 0, f"the server ended with {code} after {time.monotonic() - began:.1f} s\n" + "".join(self.log[-20:])
        unexpected = [line for line in self.log if is_warning(line)]
        assert not unexpected, "the server logged what nobody expected:\n" + "".join(unexpected)

    def environment(self, service: str) -> dict[str, str]:
        """What a user exports to point every SDK here; nothing else tells the programs about us."""
        return {
            "OTEL_SERVICE_NAME": service,
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.otlp_http,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "AWS_ENDPOINT_URL": self.http,
            "AWS_XRAY_DAEMON_ADDRESS": self.xray,
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE0000000",
            "AWS_SECRET_ACCESS_KEY": "examplesecret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "ROLLBAR_ENDPOINT": f"{self.http}/api/1/",
            "HONEYCOMB_API": self.http,
            "E2E_SERVICE": service,
        }


def is_warning(line: str) -> bool:
    plain = re.sub(r"\x1b\[[0-9;]*m", "", line)
    if not re.search(r"\b(WARN|ERROR)\b|panicked at", plain):
        return False
    return not any(pattern.search(plain) for pattern in EXPECTED_WARNINGS)


class Api:
    """The server's own API."""

    def __init__(self, http: str):
        self.http = http

    def get(self, path: str, **params):
        query = urllib.parse.urlencode({key: value for key, value in params.items() if value is not None})
        return self._ask(urllib.request.Request(f"{self.http}{path}?{query}" if query else f"{self.http}{path}"))

    def sql(self, query: str) -> list[dict]:
        body = json.dumps({"query": query, "format": "json"}).encode()
        request = urllib.request.Request(f"{self.http}/api/sql", body, {"Content-Type": "application/json"})
        answer = self._ask(request)
        names = [column["name"] for column in answer["columns"]]
        return [dict(zip(names, row, strict=True)) for row in answer["rows"]]

    def send(self, method: str, path: str, body=None):
        """Changes something; the answer, if there is one."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.http}{path}", data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
            return json.loads(text) if text else None

    def value(self, query: str):
        """The only value of a query that has one."""
        (row,) = self.sql(query)
        (value,) = row.values()
        return value

    def _ask(self, request):
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            raise AssertionError(f"{request.get_method()} {request.full_url}: {error.code} {text}") from None


def eventually(check, seconds: float = 15):
    """Calls `check` until it no longer fails, and returns what it returns; the last failure is the test's."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return check()
        except (AssertionError, LookupError, ValueError):
            if time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def reads(http: str, path: str, **expected: list[str]) -> None:
    """Whether a person reads these texts on a page, by the parts that they stand in."""
    question = {"url": f"{http}{path}", "expected": expected}
    assert run([*node_app("read_page.mjs"), json.dumps(question)], {}) == {"passed": True}


class Hook:
    """An HTTP endpoint on loopback that takes what is posted or put there: headers, with the path among them as `:path`, and body.

    `answer`, of the request and its body, says with which status."""

    def __init__(self, answer=lambda request, body: 200):
        self.posted = posted = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                posted.append((dict(self.headers) | {":path": self.path}, body))
                self.send_response(answer(self, body))
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_PUT = do_POST

            def log_message(self, *_):
                pass

        self.listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http = f"http://127.0.0.1:{self.listener.server_port}"
        self.url = f"{self.http}/hook"

    def __enter__(self):
        threading.Thread(target=self.listener.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown()


class Program:
    """A client program in a process of its own, which sees only the environment a user would set."""

    def __init__(self, command: list, environment: dict[str, str]):
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "TMPDIR") if key in os.environ}
        kept["PYTHONPATH"] = str(HERE / "apps")
        kept |= {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        if "CUPOLA_E2E_NODE" in os.environ:
            kept["NODE_PATH"] = os.environ["CUPOLA_E2E_NODE"] + "/node_modules"
            kept["CUPOLA_E2E_NODE"] = os.environ["CUPOLA_E2E_NODE"]
        self.name = " ".join(str(part) for part in command)
        self.process = subprocess.Popen(
            [str(part) for part in command], env=kept | environment, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )

    def line(self) -> dict:
        """The next line of JSON that the program prints."""
        for line in iter(self.process.stdout.readline, ""):
            if line.startswith("{"):
                return json.loads(line)
        _, errors = self.process.communicate(timeout=PROGRAM_SECONDS_MAX)
        raise AssertionError(f"{self.name} said nothing and ended with {self.process.returncode}\n{errors[-6000:]}")

    def ask(self, line: str) -> dict:
        """What the program answers to one line."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.line()

    def finish(self) -> tuple[str, str]:
        """Waits for the end; everything the program printed."""
        try:
            out, errors = self.process.communicate(timeout=PROGRAM_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, errors = self.process.communicate()
            raise AssertionError(f"{self.name} did not end\n{out[-3000:]}\n{errors[-6000:]}") from None
        assert self.process.returncode == 0, f"{self.name} ended with {self.process.returncode}\n{out[-3000:]}\n{errors[-6000:]}"
        return out, errors


def run(command: list, environment: dict[str, str]) -> dict:
    """Runs a program to its end; the last line of JSON it printed is what it says it has sent."""
    out, errors = Program(command, environment).finish()
    said = [line for line in out.splitlines() if line.startswith("{")]
    assert said, f"{command} said nothing\n{errors[-6000:]}"
    return json.loads(said[-1])


def python_app(name: str) -> list:
    return [sys.executable, HERE / "apps" / name]


def instrumented_app(name: str) -> list:
    """The same under OpenTelemetry's zero-code agent."""
    return [Path(sys.executable).with_name("opentelemetry-instrument"), *python_app(name)]


def aws_program(name: str) -> Path:
    """Of the environment that has AWS's own clients."""
    return Path(os.environ["CUPOLA_E2E_AWS"]) / "bin" / name


def node_app(name: str, *flags: str) -> list:
    return ["node", *flags, HERE / "node" / name]
