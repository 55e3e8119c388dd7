"""sentry-cli as a build runs it: debug ids, source maps in chunks, releases and deploys; and what it is refused."""

import json
import os
import subprocess
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import pytest

from support import eventually, node_app, run
from test_rollbar_browser import NODE_APP, source_map

TOKEN = {"Authorization": "Bearer any"}


@pytest.fixture
def sentry_cli(server):
    (binary,) = Path(os.environ["CUPOLA_E2E_NODE"]).glob("node_modules/@sentry/cli-*/bin/sentry-cli*")
    binary.chmod(0o755)

    def call(*arguments, fails=False, folder=None):
        said = subprocess.run([binary, "--url", server.http, "--auth-token", "any", *arguments], capture_output=True, text=True,
                              env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]}, timeout=60, cwd=folder)
        assert (said.returncode != 0) == fails, said.stdout + said.stderr
        return said.stdout + said.stderr

    return call


def post(server, path, body):
    request = urllib.request.Request(f"{server.http}/api/0/{path}", json.dumps(body).encode(), TOKEN | {"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))


def built(folder: Path) -> Path:
    """What a bundler leaves: a script, and its map beside it."""
    folder.mkdir()
    (folder / "shop.js").write_text(NODE_APP + "\n//# sourceMappingURL=shop.js.map\n")
    (folder / "shop.js.map").write_text(source_map(NODE_APP, "module"))
    return folder


def test_an_error_is_told_in_its_source_after_an_upload(server, api, sentry_cli, tmp_path):
    marker = uuid.uuid4().hex
    # The id is made of what is in the file.
    build = built(tmp_path / "dist")
    (build / "shop.js").write_text((build / "shop.js").read_text().replace("\n//#", f"//{marker}\n//#"))
    sentry_cli("sourcemaps", "inject", str(build))
    run(node_app("sentry_bundle_app.cjs"), {"SENTRY_DSN": f"http://key@{server.http.removeprefix('http://')}/7", "MARKER": marker,
                                            "SCRIPT": str(build / "shop.js")})

    def the_error():
        (error,) = api.get("/api/errors", receiver="sentry", q=f'"sentry.tags.run":"{marker}"')["errors"]
        return error

    group = eventually(the_error)["group"]
    (occurrence,) = api.get(f"/api/errors/{group}/occurrences", q=f'"sentry.tags.run":"{marker}"')["occurrences"]
    frames = lambda: api.get(f"/api/errors/{group}/occurrences/{occurrence['id']}/frames")["traces"][0]["frames"][-2:]
    assert [frame.get("original") for frame in frames()] == [None, None]

    said = sentry_cli("sourcemaps", "upload", "--org", "any", "--project", "shop", str(build))
    assert "Uploaded files" in said, said
    told = [(frame["original"]["filename"], frame["original"]["lineno"]) for frame in frames()]
    assert told == [("webpack://shop/src/shop.ts", 7), ("webpack://shop/src/shop.ts", 2)]


def test_a_release_is_made_and_its_maps_are_found_by_address(api, sentry_cli, tmp_path):
    version = f"shop@{uuid.uuid4().hex}"
    of = ("--org", "any", "--project", "shop")
    sentry_cli("releases", *of, "new", version)
    sentry_cli("sourcemaps", "upload", *of, "--release", version, "--url-prefix", "~/js", str(built(tmp_path / "dist")))
    sentry_cli("releases", *of, "finalize", version)
    (kept,) = [one for one in api.get("/api/source-maps")["source_maps"] if one["version"] == version.removeprefix("shop@")]
    assert kept["minified_url"] == "//dynamichost/js/shop.js"


def committed(folder: Path) -> str:
    """A repository of two commits; tells the latest."""
    folder.mkdir()
    git = lambda *arguments: subprocess.run(["git", "-C", folder, *arguments], check=True, capture_output=True, text=True).stdout
    git("init", "--quiet")
    for number in range(2):
        (folder / "shop.py").write_text(f"total = {number}\n")
        git("add", "shop.py")
        git("-c", "user.name=Ann", "-c", "user.email=ann@shop.example", "commit", "--quiet", "-m", f"change {number}")
    git("remote", "add", "origin", "https://git.example/shop.git")
    return git("rev-parse", "HEAD").strip()


def test_a_deploy_is_announced_and_suspected_with_its_commit(server, api, sentry_cli, tmp_path):
    version = uuid.uuid4().hex
    release = f"shop@{version}"
    of = ("--org", "any", "--project", "shop")
    sentry_cli("releases", *of, "new", release)
    assert "production" in sentry_cli("deploys", "new", *of, "--release", release, "-e", "production", "--name", "nightly")
    assert "production" in sentry_cli("deploys", "list", *of, "--release", release)
    deploys = urllib.request.Request(f"{server.http}/api/1/deploys/", headers={"X-Rollbar-Access-Token": "any"})
    (deploy,) = [one for one in json.load(urllib.request.urlopen(deploys))["result"]["deploys"] if one["revision"] == version]
    assert (deploy["environment"], deploy["status"], deploy["comment"]) == ("production", "succeeded", "nightly")

    head = committed(tmp_path / "shop")
    sentry_cli("releases", *of, "set-commits", release, "--local", folder=tmp_path / "shop")
    known = urllib.request.Request(f"{server.http}/api/0/organizations/any/releases/{release}/", headers=TOKEN)
    assert json.load(urllib.request.urlopen(known))["lastCommit"] == {"id": head}

    item = {"environment": "production", "code_version": version, "body": {"message": {"body": f"broken by {version}"}}}
    headers = {"X-Rollbar-Access-Token": "any", "Content-Type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(f"{server.http}/api/1/item/", json.dumps({"data": item}).encode(), headers))

    def the_error():
        (error,) = api.get("/api/errors", q=version)["errors"]
        return error

    error = eventually(the_error)
    suspect = api.get(f"/api/errors/{error['group']}/suspects")["suspects"][0]
    assert (suspect["version"], suspect["revision"]) == (version, head)


def test_what_is_not_taken_is_refused_in_sentrys_form(server, sentry_cli):
    checksum = "0" * 40
    refused = post(server, "projects/any/shop/files/difs/assemble/", {checksum: {"name": "a.so", "chunks": []}})[checksum]
    assert (refused["state"], refused["missingChunks"]) == ("error", []) and "not taken" in refused["detail"]
    missing = post(server, "organizations/any/artifactbundle/assemble/", {"checksum": checksum, "chunks": [checksum], "projects": []})
    assert missing == {"state": "not_found", "missingChunks": [checksum]}
    assert "resource not found" in sentry_cli("monitors", "list", "--org", "any", fails=True)
    for path, headers, status, words in [("monitors/", TOKEN, 404, "not known here"), ("chunk-upload/", {}, 401, "credentials")]:
        with pytest.raises(urllib.error.HTTPError) as refusal:
            urllib.request.urlopen(urllib.request.Request(f"{server.http}/api/0/organizations/any/{path}", headers=headers))
        assert refusal.value.code == status and words in json.load(refusal.value)["detail"]
