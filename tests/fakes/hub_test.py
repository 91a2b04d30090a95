"""The fake hub as a program and as an API: listings, repositories, rate limits, control, speed.

Its files and errors are in hub_files_test.py, what it does wrong on purpose is in hub_faults_test.py.
"""

import hashlib
import http.client
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from conftest import CONFIG, SMALL
from hub_process import HubProcess, fetch, git_sha1

TINY = "/api/models/acme/tiny"
SMALL_PATH = "/acme/tiny/resolve/main/weights/small.gguf"


def next_link(answer) -> str | None:
    match = re.fullmatch(r'<(http://[^>]+)>; rel="next"', answer.headers.get("Link", ""))
    return match and match[1]


def all_pages(hub, path: str) -> list[list]:
    pages, url = [], urljoin(hub.url, path)
    while url:
        answer = fetch(url)
        assert answer.status == 200
        pages.append(answer.json())
        url = next_link(answer)
    return pages


def ids(hub, query: str, token: str | None = None) -> list[str]:
    return [row["id"] for row in hub.get(f"/api/models?{query}", token).json()]


# Program

@pytest.mark.parametrize("by_module", [True, False])
def test_starts_either_way_and_prints_both_addresses(by_module, tmp_path):
    fakes = Path(__file__).resolve().parent
    command = [sys.executable, "-m", "hub"] if by_module else [sys.executable, str(fakes / "hub")]
    environment = os.environ | ({"PYTHONPATH": str(fakes)} if by_module else {})
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment) as process:
        ready = json.loads(process.stdout.readline())
        process.terminate()
    assert ready.keys() == {"hub", "cdn"} and urlsplit(ready["hub"]).netloc != urlsplit(ready["cdn"]).netloc


def test_commit_follows_from_contents_alone(hub, root):
    sha = hub.get(TINY).json()["sha"]
    other = HubProcess("--root", str(root))
    try:
        assert re.fullmatch("[0-9a-f]{40}", sha) and other.get(TINY).json()["sha"] == sha
        assert other.get(f"{TINY}/revision/v1").json()["sha"] != sha
    finally:
        other.stop()


def test_connections_are_kept_alive_and_64_are_served_at_once(hub):
    connections = [http.client.HTTPConnection("127.0.0.1", urlsplit(hub.url).port, timeout=10) for _ in range(64)]
    for _ in range(2):
        for connection in connections:
            connection.request("GET", TINY)
        for connection in connections:
            response = connection.getresponse()
            assert response.status == 200 and json.loads(response.read())["id"] == "acme/tiny"
            assert connection.sock is not None
    for connection in connections:
        connection.close()


# Listing

def test_list_filters(hub):
    assert ids(hub, "search=TINY") == ["acme/tiny"]
    assert ids(hub, "search=acme&search=tin") == ["acme/tiny"]
    assert ids(hub, "author=beta") == ["beta/twin"] and ids(hub, "author=bet") == []
    assert sorted(ids(hub, "filter=license:mit")) == ["acme/gated", "acme/tiny"]
    assert ids(hub, "filter=license:mit&filter=text-generation-inference") == ["acme/tiny"]
    assert ids(hub, "filter=safetensors") == ["beta/twin"]
    assert ids(hub, "pipeline_tag=text-generation") == ["acme/tiny"]
    assert ids(hub, "gated=true") == ["acme/gated"]


def test_list_hides_private_repos_from_strangers(hub):
    assert "acme/secret" not in ids(hub, "") and "acme/secret" not in ids(hub, "", "hf_stranger")
    assert "acme/secret" in ids(hub, "", "hf_friend")


@pytest.mark.parametrize("key, first", [("downloads", "beta/twin"), ("likes", "acme/tiny"),
                                        ("trendingScore", "beta/twin"), ("lastModified", "acme/tiny"),
                                        ("createdAt", "beta/twin")])
def test_list_sorts(hub, key, first):
    down = ids(hub, f"sort={key}&direction=-1")
    assert down[0] == first and ids(hub, f"sort={key}") == down
    assert ids(hub, f"sort={key}&direction=1")[-1] == first


def test_list_pages_by_absolute_links(hub):
    pages = all_pages(hub, "/api/models?limit=2&sort=downloads")
    assert [len(page) for page in pages] == [2, 2]
    assert [row["id"] for page in pages for row in page] == ids(hub, "sort=downloads")
    hub.control("POST", "settings", {"list_page": 1})
    assert len(all_pages(hub, "/api/models?limit=3")) == 4


def test_list_rows(hub):
    row = next(row for row in hub.get("/api/models").json() if row["id"] == "acme/tiny")
    assert row.keys() == {"_id", "id", "likes", "trendingScore", "private", "downloads", "tags", "pipeline_tag",
                          "createdAt", "modelId"}
    full = next(row for row in hub.get("/api/models?full=true").json() if row["id"] == "acme/tiny")
    assert {"rfilename": "config.json"} in full["siblings"] and full["sha"] == hub.get(TINY).json()["sha"]
    assert hub.get("/api/models?cardData=true&search=tiny").json()[0]["cardData"] == {"license": "mit"}


def test_expand_brings_only_what_it_names(hub):
    row, = hub.get("/api/models?search=tiny&expand=gguf&expand=downloads").json()
    assert row.keys() == {"_id", "id", "gguf", "downloads"}
    assert row["gguf"] == {"totalFileSize": len(SMALL), "total": 1000, "architecture": "llama", "context_length": 2048}
    info = hub.get(f"{TINY}?expand=sha").json()
    assert info.keys() == {"_id", "id", "sha"}


@pytest.mark.parametrize("query", ["expand=nonsense", "sort=nonsense", "limit=0", "limit=x", "cursor=x"])
def test_bad_parameters(hub, query):
    answer = hub.get(f"/api/models?{query}")
    assert answer.status == 400 and answer.json()["error"]
    if query.startswith("expand"):
        assert "usedStorage" in answer.json()["error"]


def test_unsupported_parameters_are_refused(hub):
    assert hub.get("/api/models?num_parameters=min:6B").status == 501


# One repository

def test_info(hub):
    info = hub.get(TINY).json()
    assert (info["id"], info["author"], info["gated"], info["disabled"]) == ("acme/tiny", "acme", False, False)
    assert re.fullmatch("[0-9a-f]{24}", info["_id"]) and {"gguf", "license:mit"} <= set(info["tags"])
    assert {"rfilename": "weights/small.gguf"} in info["siblings"]
    names = [entry["rfilename"] for entry in info["siblings"]]
    assert not any("repo.json" in name or ".revisions" in name for name in names)
    assert hub.get("/api/models/acme/off").json()["disabled"] is True
    assert hub.get("/api/models/acme/gated").json()["gated"] == "manual"


def test_info_with_blobs(hub):
    siblings = {entry["rfilename"]: entry for entry in hub.get(f"{TINY}?blobs=true").json()["siblings"]}
    assert siblings["config.json"] == {"rfilename": "config.json", "size": len(CONFIG), "blobId": git_sha1(CONFIG)}
    sha256 = hashlib.sha256(SMALL).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {len(SMALL)}\n".encode()
    assert siblings["weights/small.gguf"] == {
        "rfilename": "weights/small.gguf", "size": len(SMALL), "blobId": git_sha1(pointer),
        "lfs": {"sha256": sha256, "size": len(SMALL), "pointerSize": len(pointer)}}
    assert "lfs" in siblings["table.dat"]  # by the repository's own pattern


def test_revisions_and_refs(hub):
    info = hub.get(TINY).json()
    tag = hub.get(f"{TINY}/revision/v1").json()
    assert tag["siblings"] == [{"rfilename": "config.json"}]
    assert hub.get(f"{TINY}/revision/{tag['sha']}").json()["sha"] == tag["sha"]
    assert hub.get(f"{TINY}/revision/refs%2Fpr%2F1").json()["siblings"] == [{"rfilename": "pr.txt"}]
    refs = hub.get(f"{TINY}/refs").json()
    assert "pullRequests" not in refs
    assert refs["branches"] == [{"name": "main", "ref": "refs/heads/main", "targetCommit": info["sha"]},
                                {"name": "dev", "ref": "refs/heads/dev", "targetCommit": info["sha"]}]
    assert refs["tags"] == [{"name": "v1", "ref": "refs/tags/v1", "targetCommit": tag["sha"]}]
    assert [entry["name"] for entry in refs["converts"]] == ["parquet"]
    prs = hub.get(f"{TINY}/refs?include_prs=1").json()["pullRequests"]
    assert [entry["ref"] for entry in prs] == ["refs/pr/1"]


def test_tree(hub):
    top = {entry["path"]: entry for entry in hub.get(f"{TINY}/tree/main").json()}
    assert top["weights"]["type"] == "directory" and top["weights"]["size"] == 0
    assert "weights/small.gguf" not in top and top["config.json"]["oid"] == git_sha1(CONFIG)
    everything = {entry["path"]: entry for entry in hub.get(f"{TINY}/tree/main?recursive=true").json()}
    small = everything["weights/small.gguf"]
    assert small["lfs"]["oid"] == hashlib.sha256(SMALL).hexdigest() and small["size"] == len(SMALL)
    assert re.fullmatch("[0-9a-f]{64}", small["xetHash"]) and small["xetHash"] != small["lfs"]["oid"]
    below = [entry["path"] for entry in hub.get(f"{TINY}/tree/main/weights").json()]
    assert below == ["weights/deep", "weights/small.gguf"]
    expanded = hub.get(f"{TINY}/tree/main?expand=true").json()[0]
    assert expanded["lastCommit"].keys() == {"id", "title", "date"}
    assert expanded["securityFileStatus"]["status"] == "safe"


def test_tree_hashes_are_gits(hub, root, tmp_path):
    def git(*arguments: str) -> str:
        command = ["git", *arguments]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    (tmp_path / "note.txt").write_bytes((root / "acme/tiny/weights/deep/note.txt").read_bytes())
    git("add", "note.txt")
    entry, = (entry for entry in hub.get(f"{TINY}/tree/main/weights").json() if entry["type"] == "directory")
    assert entry["oid"] == git("write-tree")


def test_tree_pages(hub):
    hub.control("POST", "settings", {"tree_page": 4, "tree_page_expanded": 3})
    plain = all_pages(hub, f"{TINY}/tree/main?recursive=true")
    assert [len(page) for page in plain] == [4, 4, 1]
    expanded = all_pages(hub, f"{TINY}/tree/main?recursive=true&expand=true")
    assert [len(page) for page in expanded] == [3, 3, 3]
    assert [entry["path"] for page in expanded for entry in page] == [entry["path"] for page in plain for entry in page]


def test_paths_info_leaves_missing_paths_out(hub):
    answer = fetch(f"{hub.url}{TINY}/paths-info/main", "POST", {"Content-Type": "application/x-www-form-urlencoded"},
                   b"paths=config.json&paths=nope&paths=weights&expand=true")
    assert [entry["path"] for entry in answer.json()] == ["config.json", "weights"]
    assert "lastCommit" in answer.json()[0]


def test_commits_whoami_tags_telemetry(hub):
    assert hub.get(f"{TINY}/commits/main").json()[0]["id"] == hub.get(TINY).json()["sha"]
    assert hub.get("/api/whoami-v2", "hf_stranger").json()["name"] == "bob"
    assert hub.get("/api/whoami-v2").status == 401
    tags = hub.get("/api/models-tags-by-type").json()
    assert {"id": "license:mit", "label": "mit", "type": "license"} in tags["license"]
    assert [tag["id"] for tag in tags["pipeline_tag"]] == ["text-generation"]
    assert hub.get("/api/telemetry/x", method="HEAD").status == 200


def test_renamed_repos_move_relatively_with_their_query(hub):
    tree, file = "tree/main?recursive=true", "resolve/main/config.json?download=true"
    for old, new in (("/api/models/old/tiny?blobs=true", "/api/models/acme/tiny?blobs=true"),
                     (f"/api/models/old/tiny/{tree}", f"/api/models/acme/tiny/{tree}"),
                     (f"/old/tiny/{file}", f"/acme/tiny/{file}"),
                     ("/legacy/resolve/main/model.safetensors", "/beta/twin/resolve/main/model.safetensors"),
                     ("/api/models/legacy", "/api/models/beta/twin")):
        answer = hub.get(old)
        assert (answer.status, answer.headers["Location"]) == (307, new)


# Rate limits

def test_every_hub_answer_tells_its_limit(hub):
    for path, bucket in ((TINY, "api"), (SMALL_PATH, "resolvers"), ("/acme/tiny/resolve/main/nope", "resolvers"),
                         ("/api/models/acme/none", "api"), ("/api/resolve-cache/models/a/b/main/c", "resolvers"),
                         ("/x", "pages")):
        headers = hub.get(path).headers
        assert re.fullmatch(rf'"{bucket}";r=\d+;t=\d+', headers["RateLimit"])
        assert re.fullmatch(rf'"fixed window";"{bucket}";q=\d+;w=300', headers["RateLimit-Policy"])
        assert headers["X-Request-Id"]
    assert "RateLimit" not in fetch(hub.signed_url(SMALL_PATH)).headers


def test_a_window_runs_out_and_comes_back(hub):
    hub.control("POST", "settings", {"quotas": {"resolvers": 2}, "window": 2})
    assert [hub.get(SMALL_PATH).status for _ in range(3)] == [302, 302, 429]
    limited = hub.get(SMALL_PATH)
    wait = int(limited.headers["Retry-After"])
    assert limited.headers["RateLimit"] == f'"resolvers";r=0;t={wait}' and 0 < wait <= 2
    assert hub.get(TINY).status == 200  # another bucket
    assert hub.get(SMALL_PATH, "hf_stranger").status == 302  # another client
    time.sleep(wait + 0.1)
    assert hub.get(SMALL_PATH).status == 302


# Control

def test_repos_come_and_go_at_run_time(hub):
    spec = {"id": "new/one", "files": {"a.txt": {"text": "a"}, "m.bin": {"size": 2_000_000, "seed": 4, "prefix": "PK"}}}
    refs = hub.control("POST", "repos", spec)["refs"]
    assert hub.get("/api/models/new/one").json()["sha"] == refs["refs/heads/main"]
    assert fetch(hub.signed_url("/new/one/resolve/main/m.bin"), headers={"Range": "bytes=0-1"}).body == b"PK"
    hub.control("POST", "repos", {"id": "new/alias", "rename_to": "new/one"})
    assert hub.get("/api/models/new/alias").headers["Location"] == "/api/models/new/one"
    for name in ("new/alias", "new/one"):
        hub.control("DELETE", f"repos/models/{name}")
        assert hub.get(f"/api/models/{name}").status == 401


@pytest.mark.parametrize("name, value", [("repos", {"id": "a/b", "typo": 1}), ("repos", {}), ("settings", {"typo": 1}),
                                         ("settings", {"window": "x"}), ("settings", {"quotas": {"typo": 1}})])
def test_control_refuses_nonsense(hub, name, value):
    with pytest.raises(ValueError):
        hub.control("POST", name, value)


def test_log_tells_what_came_but_no_token(hub):
    url = hub.signed_url(SMALL_PATH, "hf_friend")
    fetch(url, headers={"Range": "bytes=1-4"})
    resolve, cdn = hub.log()
    assert (resolve["host"], resolve["method"], resolve["path"], resolve["authorization"], resolve["status"]) == (
        "hub", "GET", SMALL_PATH, True, 302)
    assert (cdn["host"], cdn["file"], cdn["range"], cdn["authorization"], cdn["status"], cdn["sent"], cdn["done"]) == (
        "cdn", "/acme/tiny/weights/small.gguf", "bytes=1-4", False, 206, 4, True)
    assert "hf_friend" not in json.dumps(hub.log())
    hub.control("DELETE", "log")
    assert hub.log() == []


# Speed

def drain(url: str, length: int, done: list[str] | None = None) -> None:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    connection.request("GET", f"{parts.path}?{parts.query}", headers={"Range": f"bytes=0-{length - 1}"})
    response, buffer, got = connection.getresponse(), bytearray(4 << 20), 0
    while count := response.readinto(buffer):
        got += count
    assert got == length
    connection.close()
    if done is not None:
        done.append(url)


@pytest.mark.parametrize("source", ["disk", "synthetic"])
def test_one_connection_costs_little(hub, tmp_path, source):
    length = 400_000_000
    (tmp_path / "m.bin").write_bytes(b"x" * length)
    entry = {"disk": str(tmp_path / "m.bin")} if source == "disk" else {"size": length, "seed": 1}
    hub.control("POST", "repos", {"id": "speed/one", "files": {"m.bin": entry}})
    url = hub.signed_url("/speed/one/resolve/main/m.bin")
    costs = []
    for _ in range(3):
        before = hub.cpu_seconds()
        drain(url, length)
        costs.append((hub.cpu_seconds() - before) / (length / 1e9))
    hub.control("DELETE", "repos/models/speed/one")
    print(f"{source}: {min(costs):.2f} CPU-s/GB")
    assert min(costs) < 1


def test_64_downloads_at_once(hub):
    url, done = hub.signed_url("/beta/twin/resolve/main/model.safetensors"), []
    threads = [threading.Thread(target=drain, args=(url, 3_000_001, done)) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 64
