"""What is configured by Honeycomb's API, call by call: every file of `fixtures/api/honeycomb` is a story whose answers are exact.

A block `http` is a call, the block `json` behind it its status and answer. In both, `<word>` is a text that has that name:
`<dataset>` and `<base>` (the server's address) are there at the beginning, another names what stands in
its place in the first answer that has it. `<time>` is any moment in RFC 3339, `<number>` any number, `<text>` any text; a
list that begins with `<among>` holds what follows, and maybe more. `UPDATE_EXPECT=1` writes the answers.
"""

import json
import os
import re
import urllib.error
import urllib.request

import pytest
from support import ROOT

CASES = sorted((ROOT / "fixtures" / "api" / "honeycomb").glob("*.md"))
CALL = re.compile(r"```http\n(?P<call>.*?)```\n(?:```json (?P<status>.*?)\n(?P<answer>.*?)```\n)?", re.S)
ANY = {
    "<time>": lambda value: isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", value),
    "<number>": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "<text>": lambda value: isinstance(value, str),
}
JSON_API = "application/vnd.api+json"


def filled(text: str, names: dict) -> str:
    return re.sub(r"<(\w+)>", lambda found: str(names.get(found[1], found[0])), text)


def asked(server, call: str, names: dict):
    """The status, the kind of content where it is not the usual one, and the answer."""
    head, _, body = filled(call, names).partition("\n\n")
    method, path = (lines := head.splitlines())[0].split()
    is_second = path.startswith("/2/")
    headers = {"authorization": "Bearer hcamk_any:secret", "content-type": JSON_API} if is_second else {"x-honeycomb-team": "any", "content-type": "application/json"}
    headers |= {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines[1:])}
    headers = {name: value for name, value in headers.items() if value}
    request = urllib.request.Request(server.http + path, body.strip().encode() or None, headers, method=method)
    try:
        answer = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    text, kind = answer.read().decode(), answer.headers.get("content-type", "")
    usual = JSON_API if is_second else "application/json"
    status = f"{answer.status} {kind}" if text and kind != usual else str(answer.status)
    return status, json.loads(text) if text else None


def learn(wanted, found, names: dict):
    """Gives names to what stands in their places."""
    if isinstance(wanted, str) and wanted not in ANY and (name := re.fullmatch(r"<(\w+)>", wanted)):
        names.setdefault(name[1], found)
    elif isinstance(wanted, dict) and isinstance(found, dict):
        for member in wanted.keys() & found.keys():
            learn(wanted[member], found[member], names)
    elif isinstance(wanted, list) and isinstance(found, list) and wanted[:1] != ["<among>"]:
        for one, other in zip(wanted, found):
            learn(one, other, names)


def differences(wanted, found, names: dict, place: str = "$") -> list[str]:
    if isinstance(wanted, str) and (held := ANY.get(wanted)):
        return [] if held(found) else [f"{place}: {found!r} is no {wanted}"]
    if isinstance(wanted, str):
        wanted = filled(wanted, names)
    if isinstance(wanted, dict) and isinstance(found, dict):
        wanted = {filled(member, names): value for member, value in wanted.items()}
        told = [f"{place}.{member}: {'missing' if member in wanted else 'unexpected'}" for member in wanted.keys() ^ found.keys()]
        return told + [fault for member in wanted.keys() & found.keys() for fault in differences(wanted[member], found[member], names, f"{place}.{member}")]
    if isinstance(wanted, list) and isinstance(found, list):
        if wanted[:1] == ["<among>"]:
            absent = [one for one in wanted[1:] if all(differences(one, other, names) for other in found)]
            return [f"{place}: {one} is not among {found}" for one in absent]
        if len(wanted) == len(found):
            return [fault for at, (one, other) in enumerate(zip(wanted, found)) for fault in differences(one, other, names, f"{place}[{at}]")]
    return [] if wanted == found and type(wanted) is type(found) else [f"{place}: expected {wanted!r}, found {found!r}"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_calls_are_answered_as_written(server, service, case):
    names = {"dataset": service, "base": server.http}
    story = case.read_text()
    wrong = []

    def told(block: re.Match) -> str:
        status, answer = asked(server, block["call"], names)
        if "UPDATE_EXPECT" in os.environ:
            return written(block, status, answer, names)
        wanted = json.loads(block["answer"]) if block["answer"].strip() else None
        learn(wanted, answer, names)
        found = differences(wanted, answer, names) if status == block["status"] else [f"{status} {answer}, expected {block['status']}"]
        wrong.extend(f"{block['call'].splitlines()[0]}: {fault}" for fault in found)
        return block[0]

    told_story = CALL.sub(told, story)
    assert not wrong, "\n".join(wrong)
    if "UPDATE_EXPECT" in os.environ:
        case.write_text(told_story)


def written(block: re.Match, status: str, answer, names: dict) -> str:
    """The call with the answer it got, names in the place of what differs from run to run."""
    before = json.loads(block["answer"]) if block["answer"] and block["answer"].strip() else None
    learn(before, answer, names)
    text = json.dumps(redrawn(before, answer, names), indent=2, ensure_ascii=False) + "\n" if answer is not None else ""
    for name, value in sorted(names.items(), key=lambda pair: -len(str(pair[1]))):
        text = text.replace(json.dumps(value, ensure_ascii=False).strip('"'), f"<{name}>")
    text = re.sub(r'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"', '"<time>"', text)
    return f"```http\n{block['call']}```\n```json {status}\n{text}```\n"


def redrawn(before, answer, names: dict):
    """An answer with what stood for anything before, and of a list with `<among>` what was told before."""
    if isinstance(before, str) and before in ANY and ANY[before](answer):
        return before
    if isinstance(answer, dict):
        told = before if isinstance(before, dict) else {}
        redone = {member: redrawn(told.get(member), value, names) for member, value in answer.items()}
        # What a fault is called is another each time.
        return redone | {"id": "<text>"} if {"id", "code", "detail"} <= answer.keys() else redone
    if isinstance(answer, list):
        told = before if isinstance(before, list) else []
        if told[:1] == ["<among>"]:
            same = lambda one, other: all(filled(one[member], names) == other.get(member) for member in ("id", "name") if member in one)
            return ["<among>", *(redrawn(one, other, names) for one in told[1:] for other in answer if same(one, other))]
        return [redrawn(told[at] if at < len(told) else None, one, names) for at, one in enumerate(answer)]
    return answer
