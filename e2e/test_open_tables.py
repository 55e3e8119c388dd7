"""The published Delta tables, read by delta-rs, DuckDB and Spark as their users would, say what our own API says."""

import json
import subprocess
import urllib.request

import pytest
from conftest import binary
from support import Server, eventually

deltalake = pytest.importorskip("deltalake")
duckdb = pytest.importorskip("duckdb")
pyarrow = pytest.importorskip("pyarrow")

START = 1_767_323_045_678_901_234
SPANS_A_REQUEST = 200


def span(number: int) -> dict:
    attributes = [
        {"key": "http.route", "value": {"stringValue": f"/api/{number % 7}"}},
        {"key": "attempt", "value": {"intValue": str(number % 3)}},
        {"key": "cached", "value": {"boolValue": number % 2 == 0}},
        {"key": "ratio", "value": {"doubleValue": number / 8}},
        # A name that Delta does not allow: left out of the tables, not of ours.
        {"key": "a b", "value": {"intValue": "1"}},
    ]
    # One request in five has no user.
    if number % 5:
        attributes.append({"key": "user.id", "value": {"stringValue": f"user-{number % 11} é"}})
    return {
        "traceId": f"{number // 4 + 1:032x}", "spanId": f"{number + 1:016x}", "name": f"GET /{number % 7}", "kind": 2,
        "startTimeUnixNano": str(START + number), "endTimeUnixNano": str(START + number + 1_000 * number),
        "attributes": attributes, "status": {"code": number % 3},
    }


def send(server, first: int, attribute=None):
    spans = [span(number) for number in range(first, first + SPANS_A_REQUEST)]
    for extra in spans if attribute else []:
        extra["attributes"].append({"key": "changing", "value": attribute})
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    body = json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]}).encode()
    request = urllib.request.Request(f"{server.otlp_http}/v1/traces", body, {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=30).read()


def settle(server):
    headers = {"X-Requested-By": "test", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{server.http}/api/store/settle", b"", headers, method="POST")
    urllib.request.urlopen(request, timeout=60).read()


def published(folder, rows: int):
    """The table, once a version of it has so many rows."""

    def look():
        table = deltalake.DeltaTable(str(folder))
        found = table.to_pyarrow_dataset().count_rows()
        assert found == rows, f"{found} of {rows} rows published"
        return table

    def there():
        try:
            return look()
        except deltalake.exceptions.TableNotFoundError as error:
            raise AssertionError(str(error)) from None

    return eventually(there, 45)


COLUMNS = ["time", "span_id", "trace_id", "name", "duration_ns", "status_code", "http.route", "attempt", "cached", "ratio", "user.id"]


def ours(server) -> list[tuple]:
    quoted = ", ".join(f'"{name}"' for name in COLUMNS[3:])
    rows = server.api.sql(f"SELECT CAST(time AS BIGINT) AS time, span_id, trace_id, {quoted} FROM spans ORDER BY time")
    # Whole numbers that JSON cannot hold exactly come as texts.
    return [(int(time), *rest) for time, *rest in (row.values() for row in rows)]


def as_ours(rows) -> list[tuple]:
    """Ids as our API prints them."""
    return [tuple(bytes(value).hex() if isinstance(value, (bytes, bytearray)) else value for value in row) for row in rows]


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A server with three requests in its parts; its folder."""
    folder = tmp_path_factory.mktemp("open") / "data"
    server = Server(binary(), folder)
    for request in range(3):
        send(server, request * SPANS_A_REQUEST)
        settle(server)
    yield server, folder
    if server.process.poll() is None:
        server.stop()


def test_delta_rs_reads_what_our_api_says(shop):
    server, folder = shop
    table = published(folder / "delta" / "default" / "spans", 3 * SPANS_A_REQUEST)
    expected = ours(server)
    assert len(expected) == 3 * SPANS_A_REQUEST
    rows = table.to_pyarrow_dataset().to_table(columns=COLUMNS).sort_by("time").to_pylist()
    assert as_ours(tuple(row[name] for name in COLUMNS) for row in rows) == expected
    names = [field.name for field in table.schema().fields]
    assert "a b" not in names and "a b" in table.metadata().configuration["cupola.columnsLeftOut"]
    # Bounds of `time` in the log: a reader passes over files that cannot match.
    query = f"SELECT count(*) AS n FROM spans WHERE time >= {START + 500}"
    answer = pyarrow.table(deltalake.QueryBuilder().register("spans", table).execute(query).read_all())
    assert answer.to_pylist() == [{"n": 3 * SPANS_A_REQUEST - 500}]


def test_duckdb_reads_the_table_and_its_files(shop):
    server, folder = shop
    table = published(folder / "delta" / "default" / "spans", 3 * SPANS_A_REQUEST)
    spans = table.to_pyarrow_dataset()
    expected = server.api.sql(
        "SELECT http.route AS route, count(*) AS n, count(user.id) AS users, sum(duration_ns) AS total FROM spans GROUP BY 1 ORDER BY 1"
    )
    question = """SELECT "http.route", count(*), count("user.id"), sum(duration_ns)::BIGINT FROM {} GROUP BY 1 ORDER BY 1"""
    wanted = [tuple(row.values()) for row in expected]
    assert duckdb.sql(question.format("spans")).fetchall() == wanted
    files = f"read_parquet({table.file_uris()!r}, union_by_name = true)"
    assert duckdb.sql(question.format(files)).fetchall() == wanted
    # There, `time` is what it is in the files: nanoseconds and all.
    assert duckdb.sql(f"SELECT epoch_ns(min(time)) FROM {files}").fetchall() == [(START,)]
    trace = server.api.value("SELECT trace_id FROM spans ORDER BY time LIMIT 1")
    assert duckdb.sql(f"SELECT count(*) FROM spans WHERE hex(trace_id) = upper('{trace}')").fetchall() == [(4,)]
    assert duckdb.sql("SELECT count(*) FROM spans WHERE \"http.route\" = '/api/3' AND attempt > 1").fetchall() == [
        (server.api.value("SELECT count(*) FROM spans WHERE http.route = '/api/3' AND attempt > 1"),)
    ]


def test_spark_reads_the_files_with_the_schema_of_the_table(shop):
    """Spark's own Delta reader is a Java archive that is not on PyPI: its Parquet reader under the table's schema is what
    that reader uses."""
    sql = pytest.importorskip("pyspark.sql")
    server, folder = shop
    table = published(folder / "delta" / "default" / "spans", 3 * SPANS_A_REQUEST)
    spark = (
        sql.SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "1").getOrCreate()
    )
    try:
        schema = sql.types.StructType.fromJson(json.loads(table.schema().to_json()))
        spans = spark.read.schema(schema).parquet(*table.file_uris())
        rows = spans.select(*[f"`{name}`" for name in COLUMNS]).orderBy("time").collect()
        assert as_ours(rows) == ours(server)
        assert spans.filter(f"time >= {START + 500} and `http.route` = '/api/3'").count() == server.api.value(
            f"SELECT count(*) FROM spans WHERE CAST(time AS BIGINT) >= {START + 500} AND http.route = '/api/3'"
        )
    finally:
        spark.stop()


def test_versions_follow_and_the_folder_goes_out_and_in(shop, tmp_path):
    server, folder = shop
    place = folder / "delta" / "default" / "spans"
    before = published(place, 3 * SPANS_A_REQUEST)
    send(server, 3 * SPANS_A_REQUEST, {"intValue": "1"})
    settle(server)
    send(server, 4 * SPANS_A_REQUEST, {"stringValue": "one"})
    settle(server)
    after = published(place, 5 * SPANS_A_REQUEST)
    assert after.version() > before.version()
    # What a reader has begun with stays readable for a while.
    assert before.to_pyarrow_dataset().count_rows() == 3 * SPANS_A_REQUEST
    expected = ours(server)
    server.stop()

    def cupola(*arguments) -> str:
        done = subprocess.run([binary(), *arguments], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    cupola("export", "--data-dir", folder, "--to", tmp_path / "out")
    exported = duckdb.sql(f"SELECT count(*), count(DISTINCT changing) FROM read_parquet('{tmp_path}/out/spans-*.parquet')")
    assert exported.fetchall() == [(5 * SPANS_A_REQUEST, 2)]
    for _ in range(2):
        cupola("import", "--data-dir", tmp_path / "in", "--from", tmp_path / "out")
    other = Server(binary(), tmp_path / "in")
    try:
        assert ours(other) == expected
    finally:
        other.stop()
