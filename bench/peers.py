"""Asks DuckDB or embedded ClickHouse the questions of the query set, over the same Parquet files or over their own tables.

Reads a JSON object on standard input and writes one on standard output:
  in   engine ("duckdb" | "clickhouse"), mode ("files" | "native"), threads, repeats, folder (for native tables),
       sets: {"spans": [paths], "lines": [paths]}, questions: [{"id", "over", "sql" with {t} for the table}]
  out  {"version", "bytes": {set: bytes on disk}, "answers": {id: {"cpu_ms": [...], "rows": n, "first": first cell} | {"error": "..."}}}

CPU time is that of this process, all threads, by getrusage. The first of each list is the first time the question was asked.
"""

import json
import os
import pathlib
import resource
import sys

ASKED = json.load(sys.stdin)


def cpu_ms():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return (used.ru_utime + used.ru_stime) * 1000


def folder_bytes(path):
    return sum(file.stat().st_size for file in pathlib.Path(path).rglob("*") if file.is_file())


class DuckDb:
    def __init__(self):
        import duckdb

        self.version = duckdb.__version__
        self.sizes = {}
        self.native = ASKED["mode"] == "native"
        self.connections = {}
        for name, files in ASKED["sets"].items():
            if self.native:
                path = f"{ASKED['folder']}/{name}.duckdb"
                fresh = not os.path.exists(path)
                connection = duckdb.connect(path + ".tmp" if fresh else path)
                if fresh:
                    listed = ", ".join(f"'{file}'" for file in files)
                    connection.execute(f"create table t as select * from read_parquet([{listed}], union_by_name=true) order by time")
                    connection.close()
                    os.rename(path + ".tmp", path)
                    connection = duckdb.connect(path)
                self.sizes[name] = os.path.getsize(path)
            else:
                connection = duckdb.connect()
            connection.execute(f"set threads = {ASKED['threads']}")
            self.connections[name] = connection

    def table(self, name):
        if self.native:
            return "t"
        listed = ", ".join(f"'{file}'" for file in ASKED["sets"][name])
        return f"read_parquet([{listed}], union_by_name=true)"

    def rows(self, name, sql):
        rows = self.connections[name].execute(sql).fetchall()
        return len(rows), str(rows[0][0]) if rows else ""


class ClickHouse:
    # With its query condition cache, repeats of one filter skip what is known to be empty, and nothing would be measured.
    SETTINGS = "max_threads = {threads}, use_query_condition_cache = 0"
    ORDERS = {
        "spans": "(\"service.name\", toStartOfFiveMinutes(\"time\"), \"time\")",
        "lines": "(\"time\")",
    }
    INDEXES = {
        "spans": "add index by_trace trace_id type bloom_filter(0.01) granularity 1",
        "lines": "add index by_token body type tokenbf_v1(32768, 3, 0) granularity 1",
    }

    def __init__(self):
        from chdb import session

        self.sizes = {}
        self.native = ASKED["mode"] == "native"
        self.session = session.Session(f"{ASKED['folder']}/clickhouse" if self.native else None)
        self.version = self.session.query("select version()", "TabSeparated").data().strip()
        self.settings = self.SETTINGS.format(threads=ASKED["threads"])
        self.folders = {}
        for name, files in ASKED["sets"].items():
            # One folder of links, so that one pattern names exactly these files.
            folder = pathlib.Path(f"{ASKED['folder']}/links-{name}")
            folder.mkdir(parents=True, exist_ok=True)
            for old in folder.iterdir():
                old.unlink()
            for number, file in enumerate(files):
                os.symlink(file, folder / f"{number:06}.parquet")
            self.folders[name] = folder
        if self.native:
            self.session.query("create database if not exists bench")
            for name in ASKED["sets"]:
                self.load(name)

    def load(self, name):
        done = pathlib.Path(f"{ASKED['folder']}/clickhouse-{name}.done")
        if not done.exists():
            self.session.query(f"drop table if exists bench.{name}")
            self.session.query(
                f"create table bench.{name} engine = MergeTree order by {self.ORDERS[name]} settings allow_nullable_key = 1 "
                f"as select * from {self.file(name)} limit 0 settings schema_inference_make_columns_nullable = 'auto'"
            )
            self.session.query(f"alter table bench.{name} {self.INDEXES[name]}")
            self.session.query(f"insert into bench.{name} select * from {self.file(name)} settings max_threads = 2")
            self.session.query(f"optimize table bench.{name} final")
            done.touch()
        found = self.session.query(f"select sum(bytes_on_disk) from system.parts where database = 'bench' and table = '{name}' and active")
        self.sizes[name] = int(found.data().strip() or 0)

    def file(self, name):
        return f"file('{self.folders[name]}/*.parquet', Parquet)"

    def table(self, name):
        return f"bench.{name}" if self.native else self.file(name)

    def rows(self, name, sql):
        lines = self.session.query(f"{sql} settings {self.settings}", "TabSeparated").bytes().splitlines()
        return len(lines), lines[0].split(b"\t")[0].decode() if lines else ""


def main():
    # The engines may print to standard output; the answer alone belongs there.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    engine = {"duckdb": DuckDb, "clickhouse": ClickHouse}[ASKED["engine"]]()
    answers = {}
    for question in ASKED["questions"]:
        sql = question["sql"].replace("{t}", engine.table(question["over"]))
        spent, rows, first = [], None, None
        try:
            for _ in range(ASKED["repeats"]):
                before = cpu_ms()
                rows, first = engine.rows(question["over"], sql)
                spent.append(round(cpu_ms() - before, 3))
            answers[question["id"]] = {"cpu_ms": spent, "rows": rows, "first": first}
        except Exception as error:  # one question that fails must not take the others with it
            answers[question["id"]] = {"error": str(error).splitlines()[0][:200]}
    json.dump({"version": engine.version, "bytes": engine.sizes, "answers": answers}, out)
    out.flush()


main()
