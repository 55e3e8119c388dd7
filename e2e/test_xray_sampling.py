"""Sampling rules edited here change what a running SDK keeps, within the time in which it polls."""

import pytest
from support import Program, aws_program, eventually, python_app
from support import HERE

# An SDK reports every ten seconds and hears then that rules changed; ADOT also waits up to five seconds by chance.
POLL_SECONDS_MAX = 40


@pytest.fixture
def default_rule(api):
    """Whatever a test does to the default is undone."""
    yield
    api.send("PUT", "/api/sampling-rules/Default", {"fixed_rate": 1, "reservoir_size": 1})


def edit_and_watch(program: Program, api, service: str):
    keeps = lambda: program.ask("20")["kept"]  # noqa: E731

    def check(expected):
        assert keeps() == expected

    eventually(lambda: check(20), POLL_SECONDS_MAX)
    api.send("PUT", "/api/sampling-rules/Default", {"fixed_rate": 0, "reservoir_size": 0})
    eventually(lambda: check(0), POLL_SECONDS_MAX)
    # A rule for this service alone goes before the default.
    name = service[-20:]
    api.send("POST", "/api/sampling-rules", {"name": name, "priority": 10, "fixed_rate": 1, "reservoir_size": 5, "service_name": service[:-1] + "?"})
    eventually(lambda: check(20), POLL_SECONDS_MAX)

    def is_counted():
        # An SDK reports what it has decided since; without anything it is silent.
        keeps()
        (rule,) = [rule for rule in api.get("/api/sampling-rules")["rules"] if rule["name"] == name]
        # The X-Ray SDK does not count what it keeps on credit among what it samples, ADOT does.
        assert rule["clients"] == 1 and 20 <= rule["sampled"] <= rule["requests"] <= rule["sampled"] + rule["borrowed"]
        assert sum(minute["requests"] for minute in rule["effect"]) == rule["requests"]

    eventually(is_counted, POLL_SECONDS_MAX)
    api.send("DELETE", f"/api/sampling-rules/{name}", {})
    program.process.stdin.close()
    program.process.stdin = None
    program.finish()


def test_the_x_ray_sdk_follows_the_rules(server, api, service, default_rule):
    edit_and_watch(Program(python_app("sampling_xray_app.py"), server.environment(service)), api, service)


def test_adot_follows_the_rules(server, api, service, default_rule):
    environment = server.environment(service) | {
        "OTEL_PYTHON_DISTRO": "aws_distro",
        "OTEL_PYTHON_CONFIGURATOR": "aws_configurator",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_TRACES_SAMPLER": "xray",
        "OTEL_TRACES_SAMPLER_ARG": f"endpoint=http://{server.xray},polling_interval=10",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{server.otlp_http}/v1/traces",
        "OTEL_AWS_APPLICATION_SIGNALS_ENABLED": "false",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }
    command = [aws_program("opentelemetry-instrument"), aws_program("python"), HERE / "apps" / "sampling_adot_app.py"]
    edit_and_watch(Program(command, environment), api, service)
    rows = api.sql(f"SELECT count(*) AS n FROM spans WHERE service.name = '{service}' AND kind = 'server'")
    assert rows[0]["n"] >= 40, "what was kept was exported"
