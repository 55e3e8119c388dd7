"""libhoney for Python, batches by HTTP."""

from support import eventually, python_app, run


def test_events_become_spans_and_records(server, api, service):
    sent = run(python_app("libhoney_app.py"), server.environment(service))
    assert sent["answers"] == [202] * (sum(sent["traces"].values()) + sent["logs"])
    of_service = f"receiver = 'honeycomb' AND service.name = '{service}'"

    def everything_is_there():
        rows = api.sql(f"SELECT trace_id, count(*) AS n FROM spans WHERE {of_service} GROUP BY trace_id")
        assert {row["trace_id"]: row["n"] for row in rows} == sent["traces"]
        logs = api.sql(f"SELECT count(*) AS n, sum(sample_rate) AS stand_for FROM logs WHERE {of_service}")
        assert logs == [{"n": sent["logs"], "stand_for": sent["logs"] - 1 + 10}]

    eventually(everything_is_there)
    for trace_id in sent["traces"]:
        spans = api.get(f"/api/traces/{trace_id}")["spans"]
        assert [(span["name"], span["depth"], span["duration_ns"]) for span in spans] == [
            ("request", 0, 12_500_000), ("handler", 1, 12_500_000), ("query", 2, 12_500_000),
        ]
    (summary,) = [one for one in api.get("/api/services")["services"] if one["name"] == service]
    assert summary["receivers"] == ["honeycomb"]
