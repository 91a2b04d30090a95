"""The stand-in as an Ollama registry and as ModelScope: what their clients see, good and bad."""

import hashlib
import json
from urllib.parse import urlsplit

import pytest

from conftest import SMALL
from hub_process import fetch

SHA256 = hashlib.sha256(SMALL).hexdigest()


@pytest.fixture
def model(hub, root):
    return hub.add_ollama("library/tiny:1b", [{"type": "model", "disk": str(root / "acme/tiny/weights/small.gguf")},
                                              {"type": "system", "text": "Be brief."}])


def test_manifest_as_it_is_hashed(hub, model):
    answer = hub.get("/v2/library/tiny/manifests/1b")
    assert answer.status == 200 and hashlib.sha256(answer.body).hexdigest() == model["manifest"]
    manifest = answer.json()
    assert manifest["layers"][0] == {"mediaType": "application/vnd.ollama.image.model", "digest": f"sha256:{SHA256}", "size": len(SMALL)}
    assert hub.get("/v2/library/tiny/manifests/2b").status == 404
    assert hub.get("/v2/library/tiny/manifests/1b", method="HEAD").status == 405
    assert hub.get("/v2/library/tiny/tags/list").status == 404 and hub.get("/v2/_catalog").status == 404


def test_blob_is_elsewhere_signed_for_twenty_minutes(hub, model):
    path = f"/v2/library/tiny/blobs/sha256:{SHA256}"
    head = hub.get(path, method="HEAD")
    assert (head.status, head.headers["Content-Length"]) == (200, str(len(SMALL)))
    answer = hub.get(path)
    location = answer.headers["Location"]
    assert answer.status == 307 and location.startswith(hub.cdn) and "X-Amz-Expires=1200" in location
    part = fetch(location, headers={"Range": "bytes=10-19"})
    assert (part.status, part.body) == (206, SMALL[10:20])
    assert fetch(location, headers={"Authorization": "Bearer x"}).status == 400
    assert fetch(location.replace("X-Amz-Expires=1200", "X-Amz-Expires=9999")).status == 403
    hub.control("POST", "settings", {"registry_url_lifetime": 0})
    assert fetch(hub.get(path).headers["Location"]).status == 403
    assert hub.get("/v2/library/tiny/blobs/sha256:" + "0" * 64).status == 404


def test_blob_of_a_mirror(hub, model):
    hub.control("POST", "settings", {"registry_blobs": "direct"})
    path = f"/v2/library/tiny/blobs/sha256:{SHA256}"
    answer = hub.get(path)
    assert (answer.status, answer.headers["Location"], answer.body) == (200, path, SMALL)
    assert hub.get(path, Range="bytes=0-1").status == 206


def test_challenge_and_token(hub, model):
    hub.control("POST", "settings", {"registry_private": True})
    path = "/v2/library/tiny/manifests/1b"
    refused = hub.get(path)
    assert refused.status == 401 and refused.headers["WWW-Authenticate"].startswith(f'Bearer realm="{hub.url.replace("localhost", "localhost")}/token"')
    token = hub.get("/token?scope=x").json()["token"]
    assert hub.get(path, token=token).status == 200 and hub.get(path, token="other").status == 401
    hub.control("POST", "settings", {"registry_realm": "https://elsewhere.example/token"})
    assert 'realm="https://elsewhere.example/token"' in hub.get(path).headers["WWW-Authenticate"]


def test_hostile_manifest_missing_blob_and_repeated_layer(hub):
    hub.add_ollama("library/evil:1b", [], manifest={"schemaVersion": 2, "layers": [{"digest": "sha256:../../x", "size": 1}]})
    assert hub.get("/v2/library/evil/manifests/1b").json()["layers"][0]["digest"] == "sha256:../../x"
    made = hub.add_ollama("library/holes:1b", [{"type": "model", "text": "GGUF"}, {"type": "model", "text": "GGUF"}], missing=[0])
    assert made["digests"][0] == made["digests"][1]
    assert hub.get(f"/v2/library/holes/blobs/{made['digests'][0]}").status == 404
    hub.add_ollama("library/broken:1b", [], manifest="{not json")
    assert hub.get("/v2/library/broken/manifests/1b").body == b"{not json"


def test_repositories_as_hf_co_names_them(hub):
    manifest = hub.get("/v2/acme/tiny/manifests/small").json()
    assert manifest["layers"][0]["digest"] == f"sha256:{SHA256}"
    assert fetch(hub.get(f"/v2/acme/tiny/blobs/sha256:{SHA256}").headers["Location"]).body == SMALL


def test_modelscope_lists_and_describes(hub):
    found = hub.get("/openapi/v1/models?search=tiny&page_number=1&page_size=10").json()
    assert found["success"] and found["data"]["total_count"] == 1 and found["data"]["models"][0]["id"] == "acme/tiny"
    assert hub.get("/openapi/v1/models?page_number=400&page_size=10").status == 400
    assert hub.get("/openapi/v1/models/acme/tiny").json()["data"]["license"] == "mit"
    assert hub.get("/openapi/v1/models/acme/secret").json()["Success"] is False
    files = hub.get("/api/v1/models/acme/tiny/repo/files?Revision=master&Recursive=True").json()["Data"]["Files"]
    by_path = {row["Path"]: row for row in files}
    assert by_path["weights/small.gguf"]["Sha256"] == SHA256 and by_path["config.json"]["Sha256"] and by_path["weights"]["Type"] == "tree"
    top = hub.get("/api/v1/models/acme/tiny/repo/files?Revision=master").json()["Data"]["Files"]
    assert "weights/small.gguf" not in {row["Path"] for row in top}
    assert hub.get("/api/v1/models/acme/tiny/repo/files?Revision=nowhere").status == 404


def test_modelscope_answers_a_range_with_200(hub):
    path = "/api/v1/models/acme/tiny/repo?Revision=master&FilePath=weights/small.gguf"
    answer = hub.get(path, Range="bytes=100-199")
    assert (answer.status, answer.body, answer.headers["Content-Range"]) == (200, SMALL[100:200], f"bytes 100-199/{len(SMALL)}")
    hub.control("POST", "settings", {"modelscope_ranges": "206"})
    assert hub.get(path, Range="bytes=100-199").status == 206
    assert hub.get("/models/acme/tiny/resolve/master/weights/small.gguf").body == SMALL
    hub.control("POST", "settings", {"modelscope_redirect": True})
    assert hub.get(path).status == 302 and urlsplit(hub.get(path).headers["Location"]).netloc == urlsplit(hub.cdn).netloc


def test_modelscope_token_in_header_or_cookie(hub):
    path = "/api/v1/models/acme/gated/repo/files?Revision=master"
    assert hub.get(path).status == 403 and hub.get(path, token="hf_friend").status == 200
    assert hub.get(path, Cookie="m_session_id=hf_friend").status == 200


def test_collapse_under_connections_and_bytes(hub):
    import threading
    import time
    url = hub.signed_url("/acme/tiny/resolve/main/weights/small.gguf")
    hub.fault({"kind": "rate", "bytes_per_second": 2_000_000}, host="cdn")  # long enough for the two to meet
    hub.fault({"kind": "collapse", "connections": 1, "bytes_per_second": 100_000}, host="cdn")
    started = time.monotonic()
    assert fetch(url).body == SMALL
    alone = time.monotonic() - started
    threads = [threading.Thread(target=fetch, args=(url,)) for _ in range(2)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - started > max(1.0, 2 * alone)


def test_one_connection(hub):
    import threading
    import time
    url = hub.signed_url("/acme/tiny/resolve/main/weights/small.gguf")
    hub.fault({"kind": "one_connection"}, host="cdn")
    hub.fault({"kind": "rate", "bytes_per_second": 200_000}, host="cdn")
    answers = []
    first = threading.Thread(target=lambda: answers.append(fetch(url)))
    first.start()
    time.sleep(0.3)
    assert fetch(url).status == 403
    first.join()
    assert answers[0].body == SMALL
    end = time.monotonic() + 5  # the hub learns a moment after the client that an exchange is over
    while fetch(url).status != 200:
        assert time.monotonic() < end


def test_trickle_answer_edit_and_many_files(hub):
    import time
    url = hub.signed_url("/acme/tiny/resolve/main/weights/small.gguf")
    hub.fault({"kind": "trickle", "after": 290_000, "bytes_per_second": 20_000}, host="cdn")
    started = time.monotonic()
    assert fetch(url).body == SMALL and time.monotonic() - started > 0.3
    hub.fault({"kind": "edit", "set": {"siblings.0.size": -1}, "drop": ["sha"]}, path="/api/models/acme/tiny")
    info = hub.get("/api/models/acme/tiny?blobs=true").json()
    assert info["siblings"][0]["size"] == -1 and "sha" not in info
    hub.control("DELETE", "faults")
    hub.fault({"kind": "many_files", "count": 1500}, path="/api/models/acme/tiny")
    assert len(hub.get("/api/models/acme/tiny?blobs=true").json()["siblings"]) == 1500
    hub.control("DELETE", "faults")
    hub.fault({"kind": "answer", "status": 201, "json": {"a": 1}, "headers": {"X-A": "b"}}, path="/api/whoami-v2")
    answer = hub.get("/api/whoami-v2")
    assert (answer.status, answer.json(), answer.headers["X-A"]) == (201, {"a": 1}, "b")
