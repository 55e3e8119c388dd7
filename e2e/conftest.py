"""What the tests share: one server for all of them, and one run of the app that has four SDKs at once."""

import os
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import pytest
from cloudwatch import client
from support import ROOT, Hook, Program, Server, instrumented_app


def binary() -> Path:
    if "CUPOLA_BIN" in os.environ:
        return Path(os.environ["CUPOLA_BIN"]).resolve()
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).expanduser() / "debug" / "cupola"


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    path = binary()
    if not path.is_file():
        pytest.exit(f"no server at {path}: build it, or set CUPOLA_BIN", returncode=2)
    buckets = tmp_path_factory.mktemp("buckets")
    (buckets / "e2e-tasks").mkdir()
    server = Server(path, tmp_path_factory.mktemp("data"), "--buckets-dir", str(buckets))
    yield server
    server.stop()


@pytest.fixture
def api(server):
    return server.api


@pytest.fixture
def service() -> str:
    """A name that no other test uses: tests share a server."""
    return f"e2e-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def four_sdks(server) -> dict:
    """Requests to a Flask app with OpenTelemetry, X-Ray, CloudWatch Logs and Rollbar, and what each SDK recorded of them."""
    service = f"four-sdks-{uuid.uuid4().hex[:8]}"
    environment = server.environment(service) | {
        "OTEL_METRICS_EXPORTER": "none",
        # Lines go by way of CloudWatch only; they carry the trace id.
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_PYTHON_LOG_CORRELATION": "true",
        # The one line that ties the two tracers together: X-Ray's middleware puts its id into every response.
        "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE": "X-Amzn-Trace-Id",
    }
    app = Program(instrumented_app("four_sdks_app.py"), environment)
    address = app.line()["address"]
    paths = ["/api/home", "/api/search?term=caf%C3%A9", "/api/fail/7", "/api/home", "/api/report", "/api/fail/8", "/api/missing"]
    for path in paths:
        try:
            urllib.request.urlopen(address + path, timeout=30).read()
        except urllib.error.HTTPError as error:
            error.read()
    app.process.stdin.close()
    app.process.stdin = None
    truth = app.line()
    app.finish()
    return truth | {"service": service, "paths": paths}


@pytest.fixture
def logs(server):
    """CloudWatch Logs by boto3."""
    return client(server, "logs")


@pytest.fixture
def cloudwatch(server):
    """CloudWatch's metrics and alarms by boto3."""
    return client(server)


@pytest.fixture
def hook():
    """An HTTP endpoint on loopback, and what was posted there: headers and body."""
    with Hook() as hook:
        yield hook.url, hook.posted
