"""The PyPI client `honeycomb-api`, pointed here, keeps a query, runs it and reads its results; and what else it configures."""

import json
import time
import urllib.request
import uuid

import pytest
from support import eventually, python_app, run

honeycomb = pytest.importorskip("honeycomb")


@pytest.fixture
def client(server):
    with honeycomb.HoneycombClient(api_key="hcaik_any", base_url=server.http, sync=True, max_retries=0) as client:
        yield client


@pytest.fixture
def shop(server, api, service):
    """A dataset with the events of libhoney's program."""
    sent = run(python_app("libhoney_app.py"), server.environment(service))
    spans = sum(sent["traces"].values())

    def there():
        assert api.value(f"SELECT count(*) FROM spans WHERE service.name = '{service}'") == spans

    eventually(there)
    return service, spans


def test_a_query_is_kept_run_and_read(client, shop):
    dataset, spans = shop
    spec = honeycomb.QuerySpec(
        time_range=3_600,
        calculations=[{"op": "COUNT"}, {"op": "P99", "column": "duration_ms"}],
        filters=[{"column": "trace.trace_id", "op": "exists"}, {"column": "duration_ms", "op": "exists"}],
        breakdowns=["name"],
        orders=[{"column": "name"}],
    )
    query = client.queries.create(spec, dataset=dataset)
    assert client.queries.get(dataset, query.id).id == query.id
    result = client.query_results.run(dataset, query_id=query.id, poll_interval=0.1, timeout=30)
    rows = [row["data"] if "data" in row else row for row in result.data.model_dump()["results"]]
    assert [row["name"] for row in rows] == ["handler", "query", "request"]
    assert sum(row["COUNT"] for row in rows) == spans
    assert all(abs(row["P99(duration_ms)"] - 12.5) < 0.1 for row in rows)


def test_what_is_wrong_is_told_as_the_client_expects(client, shop):
    dataset, _ = shop
    with pytest.raises(honeycomb.HoneycombNotFoundError):
        client.queries.get(dataset, "nope")
    with pytest.raises(honeycomb.HoneycombNotFoundError):
        client.datasets.get("no-such-dataset")


def test_datasets_columns_and_boards(client, shop):
    dataset, _ = shop
    assert dataset in [one.slug for one in client.datasets.list()]
    names = [column.key_name for column in client.columns.list(dataset)]
    assert {"duration_ms", "trace.trace_id", "name"} <= set(names)
    derived = honeycomb.DerivedColumnCreate(alias="slow", expression="GTE($duration_ms, 10)")
    made = client.derived_columns.create(dataset, derived)
    assert [one.alias for one in client.derived_columns.list(dataset)] == ["slow"]
    query = client.queries.create(
        honeycomb.QuerySpec(time_range=3_600, calculations=[{"op": "COUNT"}], breakdowns=["slow"]), dataset=dataset
    )
    result = client.query_results.run(dataset, query_id=query.id, poll_interval=0.1, timeout=30)
    rows = [row["data"] if "data" in row else row for row in result.data.model_dump()["results"]]
    assert {row["slow"] for row in rows} == {True, False}
    client.derived_columns.delete(dataset, made.id)
    assert client.derived_columns.list(dataset) == []
    marker = client.markers.create(dataset, honeycomb.MarkerCreate(message="deployed", type="deploy", start_time=int(time.time())))
    assert [one.id for one in client.markers.list(dataset)] == [marker.id]
    board = client.boards.create(honeycomb.BoardCreate(name=f"of {dataset}", type="flexible"))
    assert client.boards.get(board.id).name == f"of {dataset}"
    client.boards.delete(board.id)
    assert board.id not in [one.id for one in client.boards.list()]


def test_services_that_call_one_another(server, client, service):
    """Two services of one trace, sent as a beeline would."""
    trace = uuid.uuid4().hex
    events = [
        {"trace.trace_id": trace, "trace.span_id": f"{number:016x}", "service.name": f"{service}-{name}", "name": name,
         "span.kind": kind, "duration_ms": 5, **({"trace.parent_id": f"{number - 1:016x}"} if number > 1 else {})}
        for number, (name, kind) in enumerate([("web", "server"), ("web", "client"), ("api", "server")], 1)
    ]
    body = json.dumps([{"data": event, "samplerate": 4} for event in events]).encode()
    headers = {"X-Honeycomb-Team": "any", "Content-Type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(f"{server.http}/1/batch/{service}", body, headers), timeout=30).read()
    asked = honeycomb.ServiceMapDependencyRequestCreate(time_range=3_600, filters=[{"name": f"{service}-api"}])
    found = client.service_map_dependencies.get(asked, poll_interval=0.1, timeout=30)
    told = [(one.parent_node.name, one.child_node.name, one.call_count) for one in found.dependencies]
    assert told == [(f"{service}-web", f"{service}-api", 4)]


def test_a_large_result_is_the_same_when_it_is_asked_for_again(client, server, service):
    """Some hundred steps of some hundred groups: more than is kept as it is."""
    now = int(time.time())
    events = [{"data": {"n": number, "group": number // 10}, "time": f"{now - number % 900}"} for number in range(4_500)]
    headers = {"X-Honeycomb-Team": "any", "Content-Type": "application/json"}
    body = json.dumps(events).encode()
    urllib.request.urlopen(urllib.request.Request(f"{server.http}/1/batch/{service}", body, headers), timeout=30).read()
    spec = honeycomb.QuerySpec(time_range=1_000, granularity=1, calculations=[{"op": "COUNT"}], breakdowns=["group"])
    query = client.queries.create(spec, dataset=service)
    made = client.query_results.run(service, query_id=query.id, disable_series=False, poll_interval=0.1, timeout=30)
    assert len(made.data.series) == 4_500 and len(made.data.results) == 450
    again = client.query_results.get(service, made.id)
    assert again.data.model_dump() == made.data.model_dump()


def test_keys_of_both_kinds(server):
    request = urllib.request.Request(f"{server.http}/2/auth", headers={"Authorization": "Bearer hcamk_any:secret"})
    answer = json.loads(urllib.request.urlopen(request, timeout=30).read())
    assert answer["included"][0]["attributes"]["slug"] == "cupola" and answer["data"]["id"] == "hcamk_any"
