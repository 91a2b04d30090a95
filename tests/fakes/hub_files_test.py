"""The way to the bytes of a file: resolve, the cache, the CDN; and every error on that way."""

import gzip
import hashlib
import json
import re
import time
from urllib.parse import parse_qs, urlsplit

import pytest

from conftest import CONFIG, SMALL
from hub_process import fetch, git_sha1

TINY = "/api/models/acme/tiny"
SMALL_PATH = "/acme/tiny/resolve/main/weights/small.gguf"


# Files

@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_regular_file_takes_a_relative_307_through_the_cache(hub, method):
    answer = hub.get("/acme/tiny/resolve/main/config.json", method=method)
    commit = hub.get(TINY).json()["sha"]
    location = answer.headers["Location"]
    assert answer.status == 307 and answer.headers["X-Repo-Commit"] == commit and "X-Linked-Size" not in answer.headers
    assert location.startswith(f"/api/resolve-cache/models/acme/tiny/{commit}/config.json?"
                               "%2Facme%2Ftiny%2Fresolve%2Fmain%2Fconfig.json=&etag=%22")
    assert int(answer.headers["Content-Length"]) == len(f"Temporary Redirect. Redirecting to {location}")
    file = hub.get(location, method=method)
    assert file.status == 200 and file.headers["X-Repo-Commit"] == commit
    assert file.headers["ETag"] == f'"{git_sha1(CONFIG)}"'
    assert file.headers["Accept-Ranges"] == "bytes" and file.headers["Content-Length"] == str(len(CONFIG))
    assert file.body == (CONFIG if method == "GET" else b"")


def cached(hub, path: str, **headers: str):
    return hub.get(hub.get(f"/acme/tiny/resolve/main/{path}").headers["Location"], **headers)


def test_regular_file_ranges(hub):
    part = cached(hub, "config.json", Range="bytes=3-9")
    assert part.status == 206 and part.body == CONFIG[3:10]
    assert part.headers["Content-Range"] == f"bytes 3-9/{len(CONFIG)}"
    assert cached(hub, "config.json", Range="bytes=-5").body == CONFIG[-5:]
    assert cached(hub, "config.json", Range=f"bytes={len(CONFIG) - 2}-").body == CONFIG[-2:]
    beyond = cached(hub, "config.json", Range=f"bytes={len(CONFIG)}-")
    assert beyond.status == 416 and beyond.headers["Content-Range"] == f"bytes */{len(CONFIG)}"


def test_text_is_compressed_when_asked_for_and_then_range_is_ignored(hub):
    packed = cached(hub, "config.json", Accept_Encoding="gzip, br", Range="bytes=0-3")
    assert packed.status == 200 and packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Length" not in packed.headers
    assert packed.headers["Transfer-Encoding"] == "chunked" and gzip.decompress(packed.body) == CONFIG
    assert "Content-Encoding" not in cached(hub, "blob.npy", Accept_Encoding="gzip").headers
    assert "Content-Encoding" not in cached(hub, "config.json", Accept_Encoding="gzip;q=0").headers


def test_names_are_quoted_and_empty_files_served(hub):
    assert hub.get(hub.get("/acme/tiny/resolve/main/name%20with%20%23.txt").headers["Location"]).body == b"odd\n"
    assert cached(hub, "empty.txt").body == b""


def test_cache_wants_the_exact_commit(hub):
    assert hub.get("/api/resolve-cache/models/acme/tiny/main/config.json").status == 400
    other = hub.get("/api/models/beta/twin").json()["sha"]
    assert hub.get(f"/api/resolve-cache/models/acme/tiny/{other}/config.json").status == 404


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_lfs_file_takes_an_absolute_302_to_the_cdn(hub, method):
    answer = hub.get(SMALL_PATH, method=method)
    sha256, commit = hashlib.sha256(SMALL).hexdigest(), hub.get(TINY).json()["sha"]
    headers = answer.headers
    assert answer.status == 302 and headers["X-Linked-Size"] == str(len(SMALL)) and headers["X-Repo-Commit"] == commit
    assert headers["X-Linked-Etag"] == headers["ETag"] == f'"{sha256}"' and headers["Accept-Ranges"] == "bytes"
    location = urlsplit(headers["Location"])
    assert f"http://{location.netloc}" == hub.cdn != hub.url
    query = parse_qs(location.query)
    assert {"Expires", "Policy", "Signature", "Key-Pair-Id"} <= query.keys()
    assert 3500 < int(query["Expires"][0]) - time.time() <= 3600
    xet = headers["X-Xet-Hash"]
    assert location.path.endswith("/" + xet) and re.fullmatch("[0-9a-f]{64}", xet)
    assert f'<{hub.url}/api/models/acme/tiny/xet-read-token/{commit}>; rel="xet-auth"' in headers["Link"]
    assert 'rel="xet-reconstruction-info"' in headers["Link"] and headers["Vary"] == "Origin"
    assert "X-Linked-Size" in headers["Access-Control-Expose-Headers"]


def test_cdn_serves_ranges_under_the_xet_hash(hub):
    resolved = hub.get(SMALL_PATH)
    url = resolved.headers["Location"]
    part = fetch(url, headers={"Range": "bytes=0-15"})
    assert part.status == 206 and part.body == SMALL[:16] and part.headers["Content-Length"] == "16"
    assert part.headers["Content-Range"] == f"bytes 0-15/{len(SMALL)}" and part.headers["Accept-Ranges"] == "bytes"
    assert part.headers["ETag"] == f'"{resolved.headers["X-Xet-Hash"]}"'
    assert part.headers["Cache-Control"] == "public,max-age=31536000"
    assert fetch(url).body == SMALL
    beyond = fetch(url, headers={"Range": f"bytes={len(SMALL)}-"})
    assert beyond.status == 416 and beyond.headers["Content-Range"] == f"bytes */{len(SMALL)}"


def test_cdn_refuses(hub):
    url = hub.signed_url(SMALL_PATH)
    assert fetch(url, headers={"Authorization": "Bearer hf_friend"}).status == 400
    assert fetch(url, "HEAD").status == 403
    assert fetch(url.replace("Signature=", "Signature=x")).status == 403
    expires = parse_qs(urlsplit(url).query)["Expires"][0]
    assert fetch(url.replace(f"Expires={expires}", f"Expires={int(expires) + 9}")).status == 403
    assert fetch(url.partition("?")[0]).status == 403
    other = hub.signed_url("/acme/tiny/resolve/main/table.dat")
    assert fetch(other.partition("?")[0] + "?" + url.partition("?")[2]).status == 403
    assert fetch(url).status == 200


def test_signed_url_expires(hub):
    hub.control("POST", "settings", {"url_lifetime": 2})
    url = hub.signed_url(SMALL_PATH)
    assert fetch(url).status == 200
    time.sleep(2.1)
    assert fetch(url).status == 403


def test_cdn_wants_a_range_for_large_files(hub):
    hub.control("POST", "settings", {"cdn_unranged_limit": len(SMALL) - 1})
    url = hub.signed_url(SMALL_PATH)
    assert fetch(url).status == 400 and fetch(url, headers={"Range": "bytes=0-"}).status == 206
    hub.control("POST", "settings", {"cdn_unranged_limit": len(SMALL)})
    assert fetch(url).status == 200


def test_synthetic_content_is_the_same_at_every_offset(hub):
    url = hub.signed_url("/beta/twin/resolve/main/model.safetensors")
    whole = fetch(url).body
    entry, = hub.get("/api/models/beta/twin/tree/main").json()
    assert len(whole) == 3_000_001 and hashlib.sha256(whole).hexdigest() == entry["lfs"]["oid"]
    for start, end in ((0, 0), (5, 40), (1048570, 1048600), (2097152, 3000000)):
        assert fetch(url, headers={"Range": f"bytes={start}-{end}"}).body == whole[start:end + 1]
    assert whole[:1 << 20] != whole[1 << 20:2 << 20]


# Errors

def check_error(answer, status: int, code: str | None, message: str, body: bytes | None = None) -> None:
    assert (answer.status, answer.headers["X-Error-Code"], answer.headers["X-Error-Message"]) == (status, code, message)
    assert answer.body == (body or json.dumps({"error": message}, separators=(",", ":")).encode())


@pytest.mark.parametrize("path", ["/api/models/acme/{}", "/acme/{}/resolve/main/a.txt",
                                  "/api/models/acme/{}/tree/main"])
@pytest.mark.parametrize("name", ["none", "secret"])
def test_missing_and_private_look_alike(hub, path, name):
    anonymous = hub.get(path.format(name))
    check_error(anonymous, 401, None, "Invalid username or password.")
    assert anonymous.headers["WWW-Authenticate"] == 'Bearer realm="Authentication required", charset="UTF-8"'
    check_error(hub.get(path.format(name), "hf_stranger"), 404, "RepoNotFound", "Repository not found")


def test_private_repo_opens_for_its_tokens(hub):
    assert hub.get("/acme/secret/resolve/main/a.txt", "hf_friend").status == 307


def test_bad_token(hub):
    check_error(hub.get(TINY, "hf_bad"), 401, None, "Invalid credentials in Authorization header")
    hub.control("POST", "settings", {"ignore_bad_token": True})
    assert hub.get(TINY, "hf_bad").status == 200


@pytest.mark.parametrize("path", ["/acme/gated/resolve/main/m.gguf", "/acme/gated/resolve/main/config.json",
                                  "/api/models/acme/gated/auth-check", "/api/models/acme/gated/commits/main"])
def test_gated(hub, path):
    anonymous = hub.get(path)
    check_error(anonymous, 401, "GatedRepo", "Access to model acme/gated is restricted. You must have access to it and "
                "be authenticated to access it. Please log in.")
    stranger = hub.get(path, "hf_stranger")
    check_error(stranger, 403, "GatedRepo", "Access to model acme/gated is restricted and you are not in the "
                "authorized list. Visit https://huggingface.co/acme/gated to ask for access.")
    if "/resolve/" in path:
        assert anonymous.headers["X-Repo-Commit"] == hub.get("/api/models/acme/gated").json()["sha"]
    assert hub.get(path, "hf_friend").status in (200, 302, 307)
    assert hub.get("/api/models/acme/gated/tree/main").status == 200


def test_cache_checks_access_too(hub):
    location = hub.get("/acme/gated/resolve/main/config.json", "hf_friend").headers["Location"]
    assert hub.get(location, "hf_friend").status == 200 and hub.get(location).status == 401


@pytest.mark.parametrize("path", [f"{TINY}/revision/nope", f"{TINY}/tree/nope", "/acme/tiny/resolve/nope/config.json"])
def test_missing_revision(hub, path):
    check_error(hub.get(path), 404, "RevisionNotFound", "Invalid rev id: nope")


@pytest.mark.parametrize("path", ["/acme/tiny/resolve/main/nope", f"{TINY}/tree/main/nope"])
def test_missing_file(hub, path):
    answer = hub.get(path)
    check_error(answer, 404, "EntryNotFound", "Entry not found", b"Entry not found")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.headers["X-Repo-Commit"] == hub.get(TINY).json()["sha"]
    head = hub.get(path, method="HEAD")
    assert head.status == 404 and head.headers["X-Error-Code"] == "EntryNotFound" and head.body == b""


def test_disabled(hub):
    check_error(hub.get("/acme/off/resolve/main/a.txt"), 403, None, "Access to this resource is disabled.")
    check_error(hub.get("/api/models/acme/off/tree/main"), 403, None, "Access to this resource is disabled.")


def test_unknown_page(hub):
    for path in ("/api/nothing", "/nothing/at/all/x", f"{TINY}/nothing", f"{TINY}/xet-read-token/main",
                 f"{TINY}/tree", f"{TINY}/paths-info/main"):
        assert hub.get(path).status == 404
