"""Explore, Boards, Schema and SQL in a real browser."""

import json

from support import eventually, node_app, run
from test_four_sdks import check_request


def test_a_person_explores(server, api, four_sdks, tmp_path):
    failed = next(request for request in four_sdks["requests"] if "/fail/" in request["path"])
    eventually(lambda: check_request(api, failed))
    question = {"http": server.http, "service": four_sdks["service"], "pictures": str(tmp_path)}
    said = run([*node_app("test_explore.mjs"), json.dumps(question)], {})
    assert said == {"passed": True}
