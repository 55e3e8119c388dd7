"""pyrollbar: items become log records, and errors group as people expect."""

import json

from support import eventually, python_app, run


def test_items_arrive_and_group(server, api, service):
    sent = run(python_app("rollbar_app.py"), server.environment(service))
    uuids = sent["uuids"]
    assert all(uuid for kind in uuids.values() for uuid in kind), "the SDK was told that an item was not kept"

    def everything_is_there():
        errors = api.get("/api/errors", receiver="rollbar", q=f'"{sent["run"]}"', limit=100)["errors"]
        assert sum(error["count"] for error in errors) == sent["items"]
        return errors

    errors = eventually(everything_is_there)
    by_type = {error["type"]: error for error in errors if error["type"]}
    repeated = by_type["ValueError"]
    assert repeated["count"] == 2 and repeated["people"] == 1
    details = api.get(f"/api/errors/{repeated['group']}")
    assert len(details["occurrences"]) == 2
    payloads = json.dumps([occurrence.get("source") for occurrence in details["occurrences"]])
    told = {uuid for uuid in uuids["repeated"] if uuid in payloads}
    assert told == set(uuids["repeated"]) or json.dumps(details["latest"]).count(uuids["repeated"][1]) > 0
    stacktrace = details["latest"]["exception"]["stacktrace"]
    assert "charge" in stacktrace and "ValueError" in stacktrace
    levels = {error["level"] for error in errors if "message of" in error["message"]}
    assert levels == {"debug", "info", "warning", "error", "critical"}
