"""Queries in Honeycomb's words, made up by a seeded die, answered here and by DuckDB over the same rows."""

import json
import random
import subprocess
import urllib.error
import urllib.request
from datetime import datetime

import pytest
from conftest import binary
from support import Server

duckdb = pytest.importorskip("duckdb")

# Its own: other tests have tables of the same name.
DATABASE = duckdb.connect()

START = 1_795_233_600
SPANS = 1_200
QUERIES = 120

ROUTES = ["/", "/cart", "/pay", "/user/{id}", "/50%_off"]
USERS = ["ann", "bob", "eve", "Zoë", ""]


def attribute(key, value):
    kind = {bool: "boolValue", int: "intValue", float: "doubleValue", str: "stringValue"}[type(value)]
    return {"key": key, "value": {kind: str(value) if kind == "intValue" else value}}


def span(number: int, dice: random.Random, weighted: bool) -> dict:
    attributes = [attribute("route", dice.choice(ROUTES)), attribute("status", dice.choice([200, 200, 200, 404, 500]))]
    attributes.append(attribute("cached", dice.random() < 0.3))
    if dice.random() < 0.7:
        attributes.append(attribute("user", dice.choice(USERS)))
    if dice.random() < 0.8:
        attributes.append(attribute("size", dice.randrange(-50, 5_000)))
    if dice.random() < 0.5:
        attributes.append(attribute("ratio", dice.randrange(1, 1_000) / 8))
    if weighted and dice.random() < 0.4:
        attributes.append(attribute("sampleRate", dice.choice([2, 5, 10])))
    start = START * 10**9 + dice.randrange(0, 600 * 10**9)
    return {
        "traceId": f"{number + 1:032x}", "spanId": f"{number + 1:016x}", "name": f"GET {number % 3}", "kind": 2,
        "startTimeUnixNano": str(start), "endTimeUnixNano": str(start + dice.randrange(1, 3_000) * 1_000_000),
        "attributes": attributes, "status": {"code": dice.choice([0, 0, 0, 2])},
    }


# What a field is in the exported columns.
COLUMNS = {
    "duration_ms": "(duration_ns / 1e6)", "size": '"size"', "ratio": '"ratio"', "route": '"route"', "status": '"status"',
    "cached": '"cached"', "user": '"user"', "name": '"name"', "service.name": '"service.name"',
    "error": "(CASE WHEN status_code = 'error' THEN true END)",
}
NUMBERS = ["duration_ms", "size", "ratio"]
GROUPS = ["route", "status", "cached", "user", "name", "service.name", "error"]
PERCENTILES = {"P10": 0.1, "P50": 0.5, "P90": 0.9, "P99": 0.99}


def a_filter(dice) -> tuple[dict, str]:
    column = dice.choice(["route", "status", "cached", "user", "size", "duration_ms", "error"])
    sql = COLUMNS[column]
    operator = dice.choice(["=", "!=", ">", ">=", "<", "<=", "starts-with", "does-not-contain", "exists", "does-not-exist", "in", "not-in"])
    one = {"column": column, "op": operator}
    if operator == "exists":
        return one, f"{sql} IS NOT NULL"
    if operator == "does-not-exist":
        return one, f"{sql} IS NULL"
    if column in ("cached", "error"):
        operator = one["op"] = dice.choice(["=", "!="])
        one["value"] = dice.random() < 0.5
        return one, f"coalesce({sql} {operator} {one['value']}, {operator == '!='})"
    if column in ("route", "user"):
        values = ROUTES if column == "route" else USERS
        if operator in ("in", "not-in"):
            one["value"] = dice.sample(values, 2)
            listed = ", ".join(f"'{value}'" for value in one["value"])
            return one, f"coalesce({sql} {'NOT ' if operator == 'not-in' else ''}IN ({listed}), {operator == 'not-in'})"
        one["value"] = value = dice.choice(values)
        if operator == "starts-with":
            return one, f"coalesce(starts_with({sql}, '{value}'), false)"
        if operator == "does-not-contain":
            return one, f"NOT coalesce(contains({sql}, '{value}'), false)"
        # As bytes: DuckDB's order of texts is that of bytes, like ours.
        return one, f"coalesce({sql} {operator} '{value}', {operator == '!='})"
    if operator in ("starts-with", "does-not-contain"):
        operator = one["op"] = ">="
    if operator in ("in", "not-in"):
        one["value"] = dice.sample([200, 404, 500, 7, 42], 2)
        listed = ", ".join(map(str, one["value"]))
        return one, f"coalesce({sql} {'NOT ' if operator == 'not-in' else ''}IN ({listed}), {operator == 'not-in'})"
    one["value"] = dice.choice([200, 404, 500]) if column == "status" else dice.randrange(0, 3_000)
    return one, f"coalesce({sql} {operator} {one['value']}, {operator == '!='})"


def calculation(dice, number: int) -> tuple[dict, str, str]:
    """The calculation, DuckDB's expression for it, and how near the two have to be."""
    operation = dice.choice(["COUNT", "SUM", "AVG", "MIN", "MAX", "COUNT_DISTINCT", *PERCENTILES])
    one = {"op": operation, "name": f"n{number}"}
    where = "true"
    if dice.random() < 0.3:
        filters = [a_filter(dice) for _ in range(dice.randrange(1, 3))]
        one["filters"] = [filter for filter, _ in filters]
        join = " AND "
        if dice.random() < 0.3:
            one["filter_combination"], join = "OR", " OR "
        where = "(" + join.join(sql for _, sql in filters) + ")"
    if operation == "COUNT":
        return one, f"coalesce(sum(sample_rate) FILTER ({where}), 0)", "exact"
    column = one["column"] = dice.choice(GROUPS if operation == "COUNT_DISTINCT" else NUMBERS)
    value = COLUMNS[column]
    if operation == "COUNT_DISTINCT":
        return one, f"count(DISTINCT {value}) FILTER ({where})", "exact"
    if operation in ("MIN", "MAX"):
        return one, f"{operation.lower()}({value}) FILTER ({where})", "exact"
    if operation == "SUM":
        return one, f"sum({value} * sample_rate) FILTER ({where})", "exact"
    if operation == "AVG":
        counted = f"sum(sample_rate) FILTER ({where} AND {value} IS NOT NULL)"
        return one, f"sum({value} * sample_rate) FILTER ({where}) / {counted}", "exact"
    # Each value as often as its weight says, then the one at that rank.
    share = PERCENTILES[operation]
    repeated = f"list({value} ORDER BY {value}) FILTER ({where} AND {value} IS NOT NULL)"
    return one, f"{repeated}|{share}", "near"


def question(dice):
    calculations = [calculation(dice, number) for number in range(dice.randrange(1, 4))]
    groups = dice.sample(GROUPS, dice.choice([0, 1, 1, 1, 2]))
    filters = [a_filter(dice) for _ in range(dice.choice([0, 0, 1, 2]))]
    query = {
        "calculations": [one for one, _, _ in calculations], "breakdowns": groups,
        "filters": [one for one, _ in filters], "start_time": START, "end_time": START + 600,
    }
    join = " AND "
    if len(filters) > 1 and dice.random() < 0.5:
        query["filter_combination"], join = "OR", " OR "
    if dice.random() < 0.5:
        query["granularity"] = 60
    return query, calculations, join.join(sql for _, sql in filters) or "true"


def expected(calculations, groups: list[str], where: str) -> dict:
    """What DuckDB says: the group's values, and each calculation's."""
    # A row is there as often as it stands for, so that ranks are those of all the events.
    keys = ", ".join(groups)
    exact = [sql for _, sql, how in calculations if how == "exact"]
    grouped = f"WHERE {where} " + (f"GROUP BY {keys}" if groups else "")
    # Counted as well, so that there is always something to select.
    plain = DATABASE.sql(f"SELECT {', '.join([*groups, *exact])}{', ' if groups or exact else ''}count(*) FROM spans {grouped}").fetchall()
    told = {row[: len(groups)]: list(row[len(groups) : -1]) for row in plain}
    near: list[dict] = []
    for _, sql, how in calculations:
        if how == "near":
            listed, share = sql.rsplit("|", 1)
            found = DATABASE.sql(
                f"SELECT {', '.join([*groups, listed])} FROM spans, range(sample_rate::BIGINT) {grouped}"
            ).fetchall()
            near.append({row[:-1]: ranked(row[-1], float(share)) for row in found})
    answers = {}
    for key, values in told.items():
        values, others = iter(values), iter(near)
        answers[key] = [next(values) if how == "exact" else next(others).get(key) for _, _, how in calculations]
    return answers


def ranked(values, share: float):
    return values[int(share * (len(values) - 1))] if values else None


def agree(ours, theirs, how: str) -> bool:
    if ours is None or theirs is None:
        return ours is theirs
    slack = 0.008 if how == "near" else 1e-9
    return abs(float(ours) - float(theirs)) <= slack * max(abs(float(theirs)), 1e-9) + (0.51 if how == "near" else 1e-9)


def call(server, path: str, body: dict):
    headers = {"X-Honeycomb-Team": "any", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{server.http}{path}", json.dumps(body).encode(), headers)
    try:
        return json.loads(urllib.request.urlopen(request, timeout=60).read())
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{json.dumps(body)}: {error.code} {error.read().decode()}") from None


def send(server, spans_of: dict[str, list[dict]]):
    for service, spans in spans_of.items():
        resource = {"attributes": [attribute("service.name", service)]}
        body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]}
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{server.otlp_http}/v1/traces", json.dumps(body).encode(), headers)
        urllib.request.urlopen(request, timeout=30).read()


def into_duckdb(tmp_path):
    """The rows as the server exports them."""
    command = [binary(), "export", "--data-dir", tmp_path / "data", "--to", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    parts = f"{tmp_path}/out/spans-*.parquet"
    DATABASE.sql(f"CREATE OR REPLACE TABLE spans AS SELECT * FROM read_parquet('{parts}', union_by_name = true)")


@pytest.mark.parametrize("weighted", [True, False])
def test_queries_are_answered_as_duckdb_answers_them(tmp_path, weighted):
    dice = random.Random(7 + weighted)
    server = Server(binary(), tmp_path / "data")
    try:
        send(server, {service: [span(number, dice, weighted) for number in range(SPANS // 2)] for service in ["shop", "pay"]})
        asked = []
        for _ in range(QUERIES):
            query, calculations, where = question(dice)
            kept = call(server, "/1/queries/__all__", query)
            options = {"query_id": kept["id"], "disable_total_by_aggregate": False, "limit": 1_000}
            asked.append((query, calculations, where, call(server, "/1/query_results/__all__", options)["data"]))
    finally:
        server.stop()
    into_duckdb(tmp_path)
    compared = 0
    for query, calculations, where, data in asked:
        groups = query["breakdowns"]
        columns = [COLUMNS[group] for group in groups]
        theirs = expected(calculations, columns, where)
        ours = {tuple(row["data"][group] for group in groups): row["data"] for row in data["results"]}
        if groups:
            assert set(ours) == set(theirs), query
        for key, values in theirs.items():
            for (one, _, how), value in zip(calculations, values, strict=True):
                assert agree(ours[key][one["name"]], value, how), (query, key, one, ours[key], value)
                compared += 1
        if groups:
            [total] = expected(calculations, [], where).values()
            for (one, _, how), value in zip(calculations, total, strict=True):
                assert agree(data["total_by_aggregate"][one["name"]], value, how), (query, one, value)
        if "granularity" in query:
            step = f"(epoch_ns(time) // 60000000000 - {START // 60})"
            theirs = expected(calculations, [step, *columns], where)
            ours = {}
            for point in data["series"]:
                seconds = datetime.fromisoformat(point["time"]).timestamp() - START
                ours[(int(seconds) // 60, *(point["data"][group] for group in groups))] = point["data"]
            assert set(ours) == set(theirs), query
            for key, values in theirs.items():
                for (one, _, how), value in zip(calculations, values, strict=True):
                    assert agree(ours[key][one["name"]], value, how), (query, key, one, ours[key], value)
                    compared += 1
    assert compared > 1_000, compared


SELECTIONS = 30


@pytest.mark.parametrize("weighted", [True, False])
def test_what_is_different_is_counted_as_duckdb_counts_it(tmp_path, weighted):
    """BubbleUp over selections made up by the die: every share that is told, of every field, and who is in which half."""
    dice = random.Random(70 + weighted)
    server = Server(binary(), tmp_path / "data")
    try:
        send(server, {service: [span(number, dice, weighted) for number in range(SPANS // 2)] for service in ["shop", "pay"]})
        asked = []
        for _ in range(SELECTIONS):
            filters = [a_filter(dice) for _ in range(dice.choice([0, 0, 1]))]
            query = {"filters": [one for one, _ in filters], "start_time": START, "end_time": START + 600}
            chosen = [a_filter(dice) for _ in range(dice.choice([1, 1, 2]))]
            selection = {"filters": [one for one, _ in chosen]}
            inside = [sql for _, sql in chosen]
            if dice.random() < 0.5:
                low = dice.randrange(0, 2_000)
                selection |= {"column": "duration_ms", "low": low, "high": low + 800}
                inside.append(f"(duration_ns / 1e6 >= {low} AND duration_ns / 1e6 < {low + 800})")
            if dice.random() < 0.5:
                selection |= {"start": (START + 60) * 1_000, "end": (START + 400) * 1_000}
                inside.append(f"(epoch_ns(time) >= {(START + 60) * 10**9} AND epoch_ns(time) < {(START + 400) * 10**9})")
            where = " AND ".join(sql for _, sql in filters) or "true"
            told = call(server, "/api/explore/bubble-up", {"query": query, "selection": selection, "limit": 200})
            asked.append((query, selection, where, " AND ".join(inside), told))
    finally:
        server.stop()
    into_duckdb(tmp_path)
    compared = 0
    for query, selection, where, inside, told in asked:
        halves = {"selection": f"({where}) AND coalesce({inside}, false)", "baseline": f"({where}) AND NOT coalesce({inside}, false)"}
        for half, condition in halves.items():
            rows, weight = DATABASE.sql(f"SELECT count(*), coalesce(sum(sample_rate), 0) FROM spans WHERE {condition}").fetchall()[0]
            assert (told[half]["rows"], told[half]["weight"]) == (rows, weight), (query, selection)
            fields = {field["column"]: field for field in told["fields"] if field["source"] not in ("event", "trace")}
            for column in ["route", "user", "name", "service.name", "status", "cached", "size", "ratio", "duration_ms"]:
                if column not in fields:
                    continue
                field, sql = fields[column], COLUMNS[column]

                def share(more: str) -> float:
                    counted = f"SELECT coalesce(sum(sample_rate), 0) FROM spans WHERE {condition} AND ({more})"
                    return DATABASE.sql(counted).fetchall()[0][0] / weight if weight else 0.0

                assert field[f"{half}_null_share"] == pytest.approx(share(f"{sql} IS NULL")), (query, selection, column)
                for value in field["values"] or []:
                    wanted = share(f"{sql}::VARCHAR = '{value['value']}'")
                    assert value[f"{half}_share"] == pytest.approx(wanted), (query, selection, column, value)
                    compared += 1
                if field["histogram"]:
                    # Ranges without rows are not told: what all of them hold is compared, and no value lies outside of them.
                    told_share = sum(field["histogram"][half]) + field[f"{half}_null_share"]
                    assert told_share == pytest.approx(1.0) or len(field["histogram"]["edges"]) > 8 or not weight, (query, column)
                    compared += 1
    assert compared > 500, compared
