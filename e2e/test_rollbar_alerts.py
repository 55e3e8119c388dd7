"""Rules of notification, scrubbing, grouping by rules: what people set, and what then happens to what an SDK sends."""

import email
import email.policy
import json
import socketserver
import threading
import time
import urllib.request
import uuid

import pytest
from conftest import binary
from support import Server, eventually
from test_rollbar import RollbarApi


class MailServer(socketserver.ThreadingTCPServer):
    """A mail server that takes everything, but asks the first sender to come again."""

    allow_reuse_address = daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), MailSession)
        self.address = f"127.0.0.1:{self.server_address[1]}"
        self.refused, self.mails = 0, []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class MailSession(socketserver.StreamRequestHandler):
    def answer(self, text: str):
        self.wfile.write(f"{text}\r\n".encode())

    def handle(self):
        self.answer("220 mail.test")
        recipients = []
        for line in self.rfile:
            verb = line.split(b" ")[0].strip().upper()
            if verb == b"RCPT" and self.server.refused == 0:
                self.server.refused += 1
                self.answer("451 4.7.1 come again")
            elif verb == b"RCPT":
                recipients.append(line.decode().split("<")[1].split(">")[0])
                self.answer("250 ok")
            elif verb == b"DATA":
                self.answer("354 go on")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.mails.append((recipients, email.message_from_bytes(b"".join(lines), policy=email.policy.default)))
                self.answer("250 taken")
            elif verb == b"QUIT":
                return self.answer("221 bye")
            else:
                self.answer("250 ok")


def item(message: str, environment: str, **more) -> dict:
    # A class of each test's own, so that no two tests have an item in common.
    kind = "Boom" + "".join(chr(ord("k") + int(letter)) if letter.isdigit() else letter for letter in environment if letter.isalnum())
    trace = {"frames": [{"filename": "/app/shop.py", "lineno": 3, "method": "buy"}], "exception": {"class": kind, "message": message}}
    return {"environment": environment, "body": {"trace": trace}, "level": "error", "uuid": str(uuid.uuid4())} | more


def post(http: str, data: dict, token: str = "0" * 32):
    body = json.dumps({"access_token": token, "data": data}).encode()
    return urllib.request.urlopen(urllib.request.Request(f"{http}/api/1/item/", body, {"Content-Type": "application/json"}))


def test_rules_tell_once(server, api, service, hook):
    url, posted = f"{hook[0]}?secret=s3cret", hook[1]

    def told() -> list[dict]:
        return [json.loads(body) for _, body in posted]

    rule = {"trigger": "new_item", "filters": [{"type": "environment", "operation": "eq", "value": service}]}
    api.send("PUT", "/api/notifications/channels/webhook", {"enabled": True, "config": {"url": url}})
    rules = api.send("POST", "/api/notifications/rules", {"channel": "webhook", **rule})["rules"]
    api.send("POST", "/api/notifications/rules", {"channel": "slack", "config": {"url": url}, **rule})
    repeat = {"channel": "webhook", "trigger": "exp_repeat_item", "filters": rule["filters"]}
    api.send("POST", "/api/notifications/rules", repeat)
    rate = {"type": "rate", "period": 300, "count": 5}
    api.send("POST", "/api/notifications/rules", {"channel": "webhook", "trigger": "occurrence_rate", "filters": [*rule["filters"], rate]})
    tested = api.send("POST", f"/api/notifications/rules/{rules[-1]['id']}/test")
    assert tested["state"] == "delivered" and "s3cret" not in json.dumps(tested)
    assert told()[0]["data"]["test"] is True
    posted.clear()
    time.sleep(2.5)  # The first look of the clock is behind us.
    for _ in range(12):
        post(server.http, item(f"of {service}", service))

    def all_were_told():
        names = sorted(str(one.get("event_name") or "slack") for one in told())
        assert names == ["exp_repeat_item", "item_velocity", "new_item", "slack"], names

    eventually(all_were_told, 30)
    new = next(one for one in told() if one.get("event_name") == "new_item")
    assert new["data"]["item"]["last_occurrence"]["body"]["trace"]["exception"]["class"].startswith("Boom")
    assert (new["data"]["item"]["level"], new["data"]["item"]["status"]) == (40, 1)
    for _ in range(3):
        post(server.http, item(f"again of {service}", service))
    time.sleep(5)
    all_were_told()
    rollbar = RollbarApi(server.http)
    counter = new["data"]["item"]["counter"]
    found = rollbar.get("/item/", counter=counter)
    api.send("POST", "/api/notifications/rules", {"channel": "webhook", "trigger": "reactivated_item", "filters": rule["filters"]})
    rollbar.send("PATCH", f"/item/{found['id']}", {"status": "resolved"})
    time.sleep(1.1)
    post(server.http, item(f"back of {service}", service))

    def it_is_back():
        assert [one for one in told() if one.get("event_name") == "reactivated_item"]

    eventually(it_is_back, 30)

    def the_log_says_so():
        log = api.get("/api/alerting/deliveries", origin="rollbar.rule")["deliveries"]
        assert len([delivery for delivery in log if delivery["state"] == "delivered"]) >= 5

    eventually(the_log_says_so)
    for told in api.get("/api/notifications")["rules"]:
        api.send("DELETE", f"/api/notifications/rules/{told['id']}")


def test_people_are_told_by_mail(tmp_path):
    mail = MailServer()
    server = Server(binary(), tmp_path, "--smtp-server", mail.address, "--smtp-security", "off", "--smtp-from", "Cupola <cupola@example.test>")
    try:
        api = server.api
        api.send("PUT", "/api/notifications/channels/email", {"enabled": True, "config": {"to": ["ann@example.test", "bob@example.test"]}})
        asked = [
            {"type": "level", "operation": "gte", "value": "error"},
            {"type": "path", "path": "custom.tenant", "operation": "eq", "value": "blue"},
            {"type": "filename", "operation": "within", "value": "shop"},
        ]
        told = api.send("POST", "/api/notifications/rules", {"channel": "email", "trigger": "new_item", "filters": asked})
        assert told["email_configured"] is True
        time.sleep(2.5)  # The first look of the clock is behind us.
        post(server.http, item("of red", "mail-a", custom={"tenant": "red"}))
        post(server.http, item("höher als 5", "mail-b", custom={"tenant": "blue"}, code_version="4.2", context="GET /cart"))

        def one_mail():
            assert mail.refused == 1 and len(mail.mails) == 1, mail.mails
            return mail.mails[0]

        recipients, message = eventually(one_mail, 60)
        assert recipients == ["ann@example.test", "bob@example.test"]
        assert message["Subject"].startswith("New error: #2 Boom") and message["Subject"].endswith("höher als 5")
        text = message.get_content().replace("\r\n", "\n")
        assert "Level: error\nEnvironment: mail-b\nOccurrences: 1\nVersion: 4.2\nContext: GET /cart\n" in text
        (found,) = RollbarApi(server.http).get("/items/", environment="mail-b")["items"]
        assert f"{server.http}/errors/{found['hash']}" in text

        def the_log_says_so():
            (delivery,) = api.get("/api/alerting/deliveries", origin="rollbar.rule")["deliveries"]
            assert (delivery["state"], delivery["attempts"]) == ("delivered", 2), delivery

        eventually(the_log_says_so)
        time.sleep(3)
        assert len(mail.mails) == 1, "once"
    finally:
        server.stop()
        mail.shutdown()


def test_errors_are_told_apart_by_rules_and_merged(server, api, service):
    rollbar = RollbarApi(server.http)

    def items(count: int):
        found = rollbar.get("/items/", environment=service)["items"]
        assert len(found) == count, found
        return found

    for tenant in ("blue", "red"):
        post(server.http, item("of somebody", service, custom={"tenant": tenant}, code_version="9.1"))
    (one,) = eventually(lambda: items(1))
    rules = api.send("POST", f"/api/error-items/{one['id']}/split", {"path": "custom.tenant"})
    assert rules["rules"][0]["fingerprint"] == "{{default_fingerprint}} {{custom.tenant}}"
    time.sleep(1.2)
    for tenant in ("blue", "red", "red"):
        post(server.http, item("of somebody", service, custom={"tenant": tenant}, code_version="9.1"))
    apart = eventually(lambda: items(3))
    assert sorted(found["total_occurrences"] for found in apart) == [1, 2, 2]
    red, blue = (next(found for found in apart if tenant in found["title"]) for tenant in ("[red]", "[blue]"))
    api.send("POST", "/api/errors/merge", {"into": red["counter"], "counters": [blue["counter"]]})
    assert rollbar.get(f"/item/{red['id']}")["total_occurrences"] == 3
    version = rollbar.get("/versions/9.1", environment=service)
    assert (version["item_stats"]["error"]["new"], version["total_occurrences"]) == (2, 5), "a group counts once"
    assert len(rollbar.get("/items/", environment=service)["items"]) == 2
    api.send("POST", f"/api/error-items/{red['id']}/unmerge", {})
    eventually(lambda: items(3))
    api.send("PUT", "/api/error-rules", {"rules": []})


def test_secrets_do_not_reach_the_disk(tmp_path):
    server = Server(binary(), tmp_path)
    try:
        secrets = {"password": "hunter2hunter2", "note": "card 4111 1111 1111 1111", "header": "Bearer abcdefghijklmnop1234"}
        token = "f00dfeedf00dfeedf00dfeedf00dfeed"
        post(server.http, item("a secret", "e2e", custom=secrets, request={"url": "http://shop/?token=qwertzuiop&x=1"}), token)
        hidden = [b"hunter2hunter2", b"4111 1111 1111 1111", b"abcdefghijklmnop1234", b"qwertzuiop", token.encode()]
        rollbar = RollbarApi(server.http)

        def the_occurrence():
            (found,) = rollbar.get("/instances/")["instances"]
            return found

        data = eventually(the_occurrence)["data"]
        assert data["custom"]["password"] == "*" * 14 and data["request"]["url"].endswith("&x=1")
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        found = [(path.name, secret) for path in files for secret in hidden if secret in path.read_bytes()]
        assert files and not found, found
        rules = {hit["rule"] for hit in server.api.get("/api/scrubbing/hits")["hits"]}
        assert {"key password", "card", "token", "query string"} <= rules
        settings = server.api.get("/api/scrubbing")
        server.api.send("PUT", "/api/scrubbing", settings | {"patterns": [r"order-\d+"]})
        post(server.http, item("an order-4711", "e2e"))

        def the_message():
            found = [one["data"]["body"]["trace"]["exception"]["message"] for one in rollbar.get("/instances/")["instances"]]
            assert found == ["an **********", "a secret"], found

        eventually(the_message)
    finally:
        server.stop()
