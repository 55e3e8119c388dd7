"""Rollbar's MCP server, told our address by `ROLLBAR_API_BASE`: what it asks is answered."""

import json
import os
import uuid

import pytest
from support import Program, eventually, python_app, run
from test_rollbar import RollbarApi


class Mcp:
    """A client of the protocol, by lines of JSON on standard input and output."""

    def __init__(self, http: str):
        program = f"{os.environ['CUPOLA_E2E_NODE']}/node_modules/@rollbar/mcp-server/build/index.js"
        environment = {"ROLLBAR_ACCESS_TOKEN": "0" * 32, "ROLLBAR_API_BASE": f"{http}/api/1"}
        self.program, self.last = Program(["node", program], environment), 0
        hello = {"protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "e2e", "version": "1"}}
        assert self.ask("initialize", hello)["serverInfo"]["name"]
        self.program.process.stdin.write('{"jsonrpc":"2.0","method":"notifications/initialized"}\n')

    def ask(self, method: str, params: dict):
        self.last += 1
        answer = self.program.ask(json.dumps({"jsonrpc": "2.0", "id": self.last, "method": method, "params": params}))
        while answer.get("id") != self.last:
            answer = self.program.line()
        assert "result" in answer, answer
        return answer["result"]

    def call(self, tool: str, **arguments) -> str:
        answer = self.ask("tools/call", {"name": tool, "arguments": arguments})
        text = "".join(part.get("text", "") for part in answer["content"])
        assert not answer.get("isError"), f"{tool}: {text}"
        return text


@pytest.fixture
def mcp(server):
    mcp = Mcp(server.http)
    yield mcp
    mcp.program.process.kill()
    mcp.program.process.wait()


def test_tools_are_answered(server, service, mcp):
    tools = {tool["name"] for tool in mcp.ask("tools/list", {})["tools"]}
    assert {"get-item-details", "list-items", "get-top-items", "get-deployments", "get-version", "update-item"} <= tools
    run(python_app("rollbar_app.py"), server.environment(service))
    rollbar = RollbarApi(server.http)

    def the_item():
        (item,) = rollbar.get("/items/", query='"ValueError: cannot charge"', environment="e2e")["items"]
        return item

    item = eventually(the_item)
    details = mcp.call("get-item-details", counter=item["counter"])
    assert "cannot charge" in details and "ValueError" in details
    assert "cannot charge" in mcp.call("list-items", environment="e2e", query="cannot charge")
    assert "cannot charge" in mcp.call("list-occurrences", counter=item["counter"], limit=2)
    assert "cannot charge" in mcp.call("get-top-items", environment="e2e")
    deploy = {"environment": "e2e", "revision": uuid.uuid4().hex, "local_username": "ada"}
    rollbar.send("POST", "/deploy/", deploy)
    eventually(lambda: check(deploy["revision"] in mcp.call("get-deployments", limit=20)))
    assert "item_stats" in mcp.call("get-version", version="1.2.3", environment="e2e")
    mcp.call("update-item", itemId=item["id"], status="muted")
    assert rollbar.get(f"/item/{item['id']}")["status"] == "muted"
    mcp.call("update-item", itemId=item["id"], status="active")


def check(holds: bool):
    assert holds
