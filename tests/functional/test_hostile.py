"""Hubs that mean harm: every case is refused with a clear error, and nothing is written outside the folder of its own task.

The cases follow incidents of others: digests used as paths (CVE-2024-37032, CVE-2026-103663), backslash names (CVE-2026-119979),
redirects to inside addresses (CVE-2026-45401, CVE-2026-85180), tokens sent to whoever asks (CVE-2025-51471), bombs
(GO-2025-3548), lies about sizes (CVE-2026-7482).
"""

import json

import pytest

from hub_process import HubProcess
from service import ROOT, Service, until

TINY = ROOT / "share/demo/tiny-chat.q8_0.gguf"
FILE = "m-Q8_0.gguf"
HEX = "a" * 64
BAD_ANSWER = ("HUB_BAD_RESPONSE",)
REPO = "evil/model"
INFO = f"/api/models/{REPO}"


@pytest.fixture(scope="module")
def evil():
    process = HubProcess("--token", "hf_secret=me")
    process.first = process.control("GET", "settings")
    yield process
    process.stop()


@pytest.fixture(scope="module")
def victim(evil, tmp_path_factory):
    home = tmp_path_factory.mktemp("victim") / "home"
    service = Service(home, HF_ENDPOINT=evil.url, OLLAMA_REGISTRY=evil.url, MODELSCOPE_ENDPOINT=evil.url, HF_TOKEN="hf_secret",
                      MODELSCOPE_API_TOKEN="hf_secret", LLM_MANAGER_HUGGINGFACE_CACHE_SECONDS="0")
    service.hub = evil
    yield service
    service.stop()


@pytest.fixture
def scene(evil, victim):
    """A fresh repository and no faults; afterwards nothing may be anywhere but where it belongs."""
    evil.control("POST", "settings", evil.first)
    evil.control("DELETE", "faults")
    evil.control("DELETE", "log")
    evil.add(REPO, {FILE: {"disk": str(TINY)}})
    before = written(victim)
    yield
    evil.control("DELETE", "faults")
    for download in victim.data("GET", "/api/v1/downloads")["items"]:
        victim.data("DELETE", f"/api/v1/downloads/{download['id']}")
    for model in victim.data("GET", "/api/v1/models")["items"]:
        victim.data("DELETE", f"/api/v1/models/{model['id']}")
    assert written(victim) == before, "files were left somewhere"
    assert not any(entry["authorization"] for entry in evil.log() if entry["host"] == "cdn"), "the token went to another host"
    assert victim.request("GET", "/readyz")[0] == 200


def written(service):
    """Every file around the data directory but the database and the log."""
    return {path.relative_to(service.home.parent).as_posix() for path in service.home.parent.rglob("*")
            if path.is_file() and not path.name.startswith(("llm-manager.db", "home.log"))}


def refused(service, ref, errors, **body):
    status, _, answer = service.request("POST", "/api/v1/downloads", {"ref": ref} | body)
    assert status >= 400, f"taken: {answer}"
    assert answer["error"] in errors and answer["message"] and "Traceback" not in answer["message"], answer
    assert "root:" not in json.dumps(answer)


def fails(service, ref, errors):
    """As `refused`, or begun and then ended with the error; never complete. The honest twin on ModelScope, from which the file would
    be fetched instead, is not there."""
    if ":" not in ref:
        service.hub.fault({"kind": "status", "status": 404}, path="/api/v1/models/*")
    status, _, answer = service.request("POST", "/api/v1/downloads", {"ref": ref})
    if status >= 400:
        assert answer["error"] in errors, answer
        return
    path = f"/api/v1/downloads/{answer['data']['id']}"
    done = until(lambda: next((d for d in [service.data("GET", path)] if d["status"] in ("completed", "failed")), None), "an end", 120)
    assert done["status"] == "failed" and done["error_code"] in errors, done
    outside = [path for path in written(service) if "/blobs/" in path or "/models/" in path]
    assert not outside, outside


# Names in a listing

NAMES = ["../../evil-Q8_0.gguf", "..\\..\\evil-Q8_0.gguf", "/etc/evil-Q8_0.gguf", "C:\\evil-Q8_0.gguf", "C:evil-Q8_0.gguf",
         "a/../../evil-Q8_0.gguf", "./evil-Q8_0.gguf", "a//evil-Q8_0.gguf", "nul/evil-Q8_0.gguf", "CON.gguf", "com1.x.gguf",
         " evil-Q8_0.gguf", "a /evil-Q8_0.gguf", "a./evil-Q8_0.gguf", "evil\n-Q8_0.gguf", "evil\u0000-Q8_0.gguf",
         "evil\u202e-Q8_0.gguf", "evil\u200b-Q8_0.gguf", "\\\\server\\share\\m.gguf", "x" * 300 + ".gguf", "a/" * 40 + "m.gguf",
         "m.gguf:stream.gguf", "\ufeffm.gguf", "evil\x7f.gguf"]


@pytest.mark.parametrize("name", NAMES)
def test_name_in_huggingfaces_listing(scene, evil, victim, name):
    evil.fault({"kind": "edit", "set": {"siblings.0.rfilename": name}}, path=INFO)
    refused(victim, REPO, ("UNSAFE_FILE", *BAD_ANSWER))


@pytest.mark.parametrize("name", NAMES)
def test_name_in_modelscopes_listing(scene, evil, victim, name):
    evil.fault({"kind": "edit", "set": {"Data.Files.0.Path": name}}, path="*/repo/files")
    refused(victim, f"modelscope:{REPO}", ("UNSAFE_FILE", *BAD_ANSWER))


@pytest.mark.parametrize("first, second", [("M-Q8_0.gguf", "m-q8_0.gguf"), ("a/Ä.gguf", "A/ä.gguf")])
def test_names_that_collide(scene, evil, victim, first, second):
    evil.add(REPO, {first: {"disk": str(TINY)}, second: {"disk": str(TINY)}})
    refused(victim, REPO, ("UNSAFE_FILE",), files=["*"])


@pytest.mark.parametrize("name", ["model.pkl", "model.bin", "model.pt", "run.py", "model.ckpt"])
def test_files_that_run_when_they_are_loaded(scene, evil, victim, name):
    evil.add(REPO, {name: {"text": "x" * 100}})
    refused(victim, REPO, ("UNSAFE_FILE", "UNSUPPORTED_FORMAT"), files=["*"])


# Numbers and digests in a listing

@pytest.mark.parametrize("size", [-1, -(2 ** 63), 2 ** 63, 2 ** 64 - 1, 2 ** 50 + 1, 1.5, 1e300, "10", True, [], {}])
def test_size_in_huggingfaces_listing(scene, evil, victim, size):
    evil.fault({"kind": "edit", "set": {"siblings.0.size": size, "siblings.0.lfs.size": size}}, path=INFO)
    refused(victim, REPO, BAD_ANSWER)


@pytest.mark.parametrize("size", [-1, 2 ** 63, 2 ** 50 + 1, 1.5, "10"])
def test_size_in_modelscopes_listing(scene, evil, victim, size):
    evil.fault({"kind": "edit", "set": {"Data.Files.0.Size": size}}, path="*/repo/files")
    refused(victim, f"modelscope:{REPO}", BAD_ANSWER)


@pytest.mark.parametrize("sha256", ["../../../etc/passwd", "", HEX[1:], HEX + "a", "g" * 64, "sha256:" + "../" * 21 + "x", 7, None])
def test_digest_in_huggingfaces_listing(scene, evil, victim, sha256):
    evil.fault({"kind": "edit", "set": {"siblings.0.lfs.sha256": sha256}}, path=INFO)
    refused(victim, REPO, BAD_ANSWER)


@pytest.mark.parametrize("commit", ["../../x", "main", "a" * 39, "A" * 40, 7, "refs/heads/../../x"])
def test_commit_that_is_none(scene, evil, victim, commit):
    evil.fault({"kind": "edit", "set": {"sha": commit}}, path=INFO)
    refused(victim, REPO, BAD_ANSWER)


@pytest.mark.parametrize("name", ["../../x", "a/b/c", "a/..", "", 7, "a\u0000/b"])
def test_repository_that_calls_itself_something_else(scene, evil, victim, name):
    evil.fault({"kind": "edit", "set": {"id": name}}, path=INFO)
    refused(victim, REPO, BAD_ANSWER)


# Answers without an end, and bombs

@pytest.mark.parametrize("action", [
    {"kind": "endless"}, {"kind": "gzip_bomb"}, {"kind": "malformed_json"}, {"kind": "captive_portal"}, {"kind": "many_files", "count": 1_000_000},
    {"kind": "answer", "text": "[" * 100_000}, {"kind": "answer", "text": '{"a":' * 100_000}, {"kind": "answer", "text": '{"id":"a/b","id":"c/d"}'},
    {"kind": "answer", "text": ""}, {"kind": "answer", "json": []}, {"kind": "answer", "json": None}, {"kind": "answer", "base64": "//79AAA="},
    {"kind": "answer", "status": 204}, {"kind": "answer", "status": 299, "text": "x"}, {"kind": "answer", "text": "x", "headers": {"X-Long": "y" * 70_000}},
], ids=lambda action: action["kind"] + action.get("text", "")[:8])
def test_answer_that_is_none(scene, evil, victim, action):
    evil.fault(action, path=INFO)
    refused(victim, REPO, BAD_ANSWER)


@pytest.mark.parametrize("link", ['<http://169.254.169.254/x?cursor=a>; rel="next"', '</api/other?cursor=a>; rel="next"', '<file:///etc/passwd>; rel="next"',
                                  '<{url}/api/models?cursor=>; rel="next"'])
def test_next_page_that_leads_elsewhere(scene, evil, victim, link):
    evil.fault({"kind": "edit", "headers": {"Link": link.format(url=evil.url)}}, path="/api/models")
    assert victim.error("GET", "/api/v1/hub/models?source=huggingface&q=x") == "HUB_BAD_RESPONSE"


# Redirects

TARGETS = ["http://169.254.169.254/latest/meta-data/", "https://169.254.169.254/", "https://10.0.0.1/x", "https://192.168.1.1/x", "https://[::1]/x",
           "https://[fd00:ec2::254]/x", "https://[::ffff:10.0.0.1]/x", "https://100.64.0.1/x", "https://localhost/x", "https://metadata.google.internal/x",
           "http://example.com/x", "https://example.com:8443/x", "ftp://example.com/x", "file:///etc/passwd", "gopher://example.com/x",
           "https://user:pw@example.com/x", "https://0x7f000001/x", "https://2130706433/x", "https://127.1/x", "//169.254.169.254/x", "https://", "\\\\x"]


@pytest.mark.parametrize("target", TARGETS)
def test_redirect_of_the_listing(scene, evil, victim, target):
    evil.fault({"kind": "redirect", "location": target}, path=INFO)
    refused(victim, REPO, ("URL_FORBIDDEN", *BAD_ANSWER))


@pytest.mark.parametrize("target", TARGETS)
def test_redirect_of_the_file(scene, evil, victim, target):
    evil.fault({"kind": "redirect", "location": target}, path=f"/{REPO}/resolve/*")
    fails(victim, REPO, ("URL_FORBIDDEN", *BAD_ANSWER))


@pytest.mark.parametrize("target", TARGETS[:8])
def test_redirect_of_an_ollama_blob(scene, evil, victim, target):
    evil.add_ollama("evil/blob:1b", [{"type": "model", "disk": str(TINY)}])
    evil.fault({"kind": "redirect", "location": target, "status": 307}, path="/v2/evil/blob/blobs/*")
    fails(victim, "ollama:evil/blob:1b", ("URL_FORBIDDEN", *BAD_ANSWER))


@pytest.mark.parametrize("path", [INFO, f"/{REPO}/resolve/*"])
def test_redirect_in_a_circle(scene, evil, victim, path):
    evil.fault({"kind": "redirect_loop"}, path=path)
    fails(victim, REPO, BAD_ANSWER)


# The bytes

@pytest.mark.parametrize("action, errors", [
    ({"kind": "content_range", "start": -5, "end": 10}, BAD_ANSWER),
    ({"kind": "content_range", "start": 7}, BAD_ANSWER), ({"kind": "content_range", "total": 1}, BAD_ANSWER),
    ({"kind": "content_range", "total": 2 ** 64}, BAD_ANSWER), ({"kind": "captive_portal"}, ("UNSAFE_FILE", "UNSUPPORTED_FORMAT", *BAD_ANSWER)),
    ({"kind": "pointer"}, ("UNSAFE_FILE", "UNSUPPORTED_FORMAT", *BAD_ANSWER)), ({"kind": "gzip_bomb"}, ("UNSAFE_FILE", "UNSUPPORTED_FORMAT", *BAD_ANSWER)),
    ({"kind": "answer", "json": {"error": "no"}}, ("UNSAFE_FILE", "UNSUPPORTED_FORMAT", *BAD_ANSWER)),
    ({"kind": "flip", "offset": 100_000}, ("DIGEST_MISMATCH",)), ({"kind": "flip", "offset": 0}, ("UNSAFE_FILE", "UNSUPPORTED_FORMAT", "DIGEST_MISMATCH")),
], ids=lambda value: value["kind"] if isinstance(value, dict) else "")
def test_bytes_that_are_not_the_file(scene, evil, victim, action, errors):
    evil.fault(action, host="cdn")
    fails(victim, REPO, (*errors, "HUB_UNREACHABLE"))


def test_file_without_an_end(scene, evil, victim):
    """The asked range and no byte more, or a refusal: what comes behind is never kept."""
    evil.fault({"kind": "endless"}, host="cdn")
    created = victim.data("POST", "/api/v1/downloads", {"ref": REPO})
    path = f"/api/v1/downloads/{created['id']}"
    done = until(lambda: next((d for d in [victim.data("GET", path)] if d["status"] in ("completed", "failed")), None), "an end", 120)
    if done["status"] == "completed":
        assert (victim.home / done["file_path"]).resolve().read_bytes() == TINY.read_bytes()
    else:
        assert done["error_code"] in ("HUB_BAD_RESPONSE", "HUB_UNREACHABLE"), done


@pytest.mark.parametrize("action, errors", [({"kind": "wrong_size"}, BAD_ANSWER), ({"kind": "wrong_size", "value": 10}, BAD_ANSWER),
                                            ({"kind": "wrong_sha256"}, ("DIGEST_MISMATCH",))], ids=lambda value: value["kind"] if isinstance(value, dict) else "")
def test_listing_that_lies_about_the_file(scene, evil, victim, action, errors):
    evil.fault(action, path=INFO)
    fails(victim, REPO, (*errors, "HUB_UNREACHABLE"))


# An Ollama registry

def manifest(**layer):
    return {"schemaVersion": 2, "layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": f"sha256:{HEX}", "size": 10} | layer]}


@pytest.mark.parametrize("digest", ["sha256:../../../../../../etc/cron.d/x", "sha256:" + "../" * 21 + "x", "sha256-" + HEX, HEX, "sha256:" + HEX[:-1] + "/",
                                    "sha256:" + HEX + "/../../x", "sha512:" + HEX * 2, "sha256:", "", "sha256:" + HEX[:-1] + "\u0000", "SHA256:" + HEX, 7, None,
                                    "sha256:%2e%2e%2f" + HEX[9:]])
def test_digest_of_a_layer(scene, evil, victim, digest):
    evil.add_ollama("evil/digest:1b", [], manifest=manifest(digest=digest))
    refused(victim, "ollama:evil/digest:1b", BAD_ANSWER)


@pytest.mark.parametrize("size", [-1, 2 ** 63, 2 ** 50 + 1, 1.5, "10", None])
def test_size_of_a_layer(scene, evil, victim, size):
    evil.add_ollama("evil/size:1b", [], manifest=manifest(size=size))
    refused(victim, "ollama:evil/size:1b", BAD_ANSWER)


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "<!DOCTYPE html>", '{"schemaVersion":1,"layers":[]}', '{"schemaVersion":2,"layers":{}}',
                                  '{"schemaVersion":2,"schemaVersion":2,"layers":[]}', '{"schemaVersion":2,"layers":[7]}', "[" * 100_000,
                                  json.dumps({"schemaVersion": 2, "layers": [manifest()["layers"][0]] * 20_000})], ids=lambda text: text[:24] or "empty")
def test_manifest_that_is_none(scene, evil, victim, text):
    evil.add_ollama("evil/manifest:1b", [], manifest=text)
    refused(victim, "ollama:evil/manifest:1b", BAD_ANSWER)


@pytest.mark.parametrize("realm", ["http://169.254.169.254/token", "https://evil.example/token", "{cdn}/token", "file:///etc/passwd", "", "//evil.example/token",
                                   "{url}@evil.example/token", "https://localhost/token"])
def test_realm_that_collects_tokens(scene, evil, victim, realm):
    evil.add_ollama("evil/realm:1b", [{"type": "model", "disk": str(TINY)}])
    challenge = f'Bearer realm="{realm.format(url=evil.url, cdn=evil.cdn)}",service="x",scope="y"'
    evil.fault({"kind": "answer", "status": 401, "json": {}, "headers": {"WWW-Authenticate": challenge}}, path="/v2/evil/realm/*")
    refused(victim, "ollama:evil/realm:1b", ("HUB_TOKEN_REJECTED", *BAD_ANSWER))
    assert not [entry for entry in evil.log() if entry["path"] == "/token"]


@pytest.mark.parametrize("body", [{"token": "a\r\nX-Evil: 1"}, {"token": "a b"}, {"token": 7}, {"token": ""}, {}, {"token": "x" * 100_000}])
def test_token_that_would_break_a_header(scene, evil, victim, body):
    evil.add_ollama("evil/token:1b", [{"type": "model", "disk": str(TINY)}], private=True)
    evil.fault({"kind": "answer", "json": body}, path="/token")
    refused(victim, "ollama:evil/token:1b", ("HUB_TOKEN_REJECTED", *BAD_ANSWER))


@pytest.mark.parametrize("action", [{"kind": "endless"}, {"kind": "gzip_bomb"}, {"kind": "captive_portal"}])
def test_manifest_without_an_end(scene, evil, victim, action):
    evil.add_ollama("evil/end:1b", [{"type": "model", "disk": str(TINY)}])
    evil.fault(action, path="/v2/evil/end/manifests/*")
    refused(victim, "ollama:evil/end:1b", BAD_ANSWER)


def test_layers_that_are_not_what_they_say(scene, evil, victim):
    evil.add_ollama("evil/content:1b", [{"type": "model", "disk": str(TINY), "digest": f"sha256:{HEX}"}])
    fails(victim, "ollama:evil/content:1b", ("DIGEST_MISMATCH",))
    evil.add_ollama("evil/text:1b", [{"type": "model", "disk": str(TINY)}, {"type": "system", "text": "x", "digest": f"sha256:{HEX}"}])
    refused(victim, "ollama:evil/text:1b", BAD_ANSWER)
    evil.add_ollama("evil/huge:1b", [{"type": "model", "disk": str(TINY)}, {"type": "system", "text": "x" * 300_000}])
    refused(victim, "ollama:evil/huge:1b", BAD_ANSWER)
    evil.add_ollama("evil/hole:1b", [{"type": "model", "disk": str(TINY)}], missing=[0])
    fails(victim, "ollama:evil/hole:1b", ("HUB_FILE_NOT_FOUND",))
    evil.add_ollama("evil/tensors:1b", [{"type": "tensor", "text": "x", "name": "../../x"}])
    refused(victim, "ollama:evil/tensors:1b", ("UNSUPPORTED_FORMAT", "EMPTY_REPOSITORY"))


def test_ollama_config_does_not_name_files(scene, evil, victim):
    evil.add_ollama("evil/config:1b", [{"type": "model", "disk": str(TINY)}], config={"model_format": "gguf", "file_type": "../../../x", "model_family": ["x"]})
    files = victim.data("GET", "/api/v1/hub/models/info?ref=ollama:evil/config:1b")["files"]
    assert [file["path"] for file in files] == ["config-1b.gguf"]


# ModelScope

@pytest.mark.parametrize("action", [{"kind": "endless"}, {"kind": "malformed_json"}, {"kind": "captive_portal"}, {"kind": "answer", "json": {"Data": None}},
                                    {"kind": "answer", "json": {"Code": 200, "Data": {"Files": 7}}}, {"kind": "answer", "json": {"Code": 200, "Data": {"Files": [7]}}}],
                         ids=lambda action: json.dumps(action)[:40])
def test_modelscope_answer_that_is_none(scene, evil, victim, action):
    evil.fault(action, path="*/repo/files")
    refused(victim, f"modelscope:{REPO}", BAD_ANSWER)


@pytest.mark.parametrize("sha256", ["../../x", HEX[1:], "sha256:" + HEX, 7, "g" * 64])
def test_digest_in_modelscopes_listing(scene, evil, victim, sha256):
    evil.fault({"kind": "edit", "set": {"Data.Files.0.Sha256": sha256}}, path="*/repo/files")
    refused(victim, f"modelscope:{REPO}", BAD_ANSWER)


@pytest.mark.parametrize("source", ["huggingface", "modelscope"])
def test_search_results_by_strangers(scene, evil, victim, source):
    """What a list can't be asked for is left out; what it says stays text."""
    path = "/api/models" if source == "huggingface" else "/openapi/v1/models"
    rows = [{"id": "../../x"}, {"id": "a/b/c"}, {"id": "ok/fine", "tags": ["<script>", "x" * 10_000, 7], "downloads": -5, "likes": "many"}]
    evil.fault({"kind": "answer", "json": rows if source == "huggingface" else {"success": True, "data": {"models": rows, "total_count": 3}}}, path=path)
    found = victim.data("GET", f"/api/v1/hub/models?source={source}&q=x")["items"]
    assert [(row["repo"], row["downloads"], row["likes"], row["tags"]) for row in found] == [("ok/fine", None, None, ["<script>"])]
