"""The page in a real browser: from the list of traces to a trace, its log line, its error, and back."""

import json
import urllib.request

from support import eventually, node_app, run
from test_four_sdks import check_request


def test_a_person_follows_one_request(server, api, four_sdks, tmp_path):
    with urllib.request.urlopen(server.http) as answer:
        text = answer.read().decode()
    assert "<script" in text, "the server has no page: build it in web/ with `npm run build`"
    failed = next(request for request in four_sdks["requests"] if "/fail/" in request["path"])
    eventually(lambda: check_request(api, failed))
    question = {"http": server.http, "service": four_sdks["service"], "failed": failed, "pictures": str(tmp_path)}
    said = run([*node_app("test_page.mjs"), json.dumps(question)], {})
    assert said == {"passed": True}
