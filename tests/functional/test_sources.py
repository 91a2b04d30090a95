"""Every source of models beside HuggingFace: found, described, downloaded, refused."""

import hashlib
import http.client
import json
import shutil
import subprocess
import time

import pytest

from service import KEY, PROGRAM, ROOT, until

TINY = ROOT / "share/demo/tiny-chat.q8_0.gguf"
SHA256 = "b90a95e80d3a26f2f68410c87a2fe0023ce1c4d8c2887d19dddd9fa0ee4e280e"
MODEL = {"type": "model", "disk": str(TINY)}


def info(service, ref):
    return service.data("GET", f"/api/v1/hub/models/info?ref={ref}")


def stored(service):
    return sorted(path.name for path in (service.home / "blobs").rglob("*") if path.is_file())


@pytest.fixture
def all_hubs(make_service, hub):
    """The service, with the stand-in as every hub."""
    return make_service(HF_ENDPOINT=hub.url, OLLAMA_REGISTRY=hub.url, MODELSCOPE_ENDPOINT=hub.url)


# Ollama

def test_ollama_model_with_its_texts(all_hubs, hub):
    made = hub.add_ollama("library/tiny:1b", [
        MODEL, {"type": "template", "text": "{{ .Prompt }}"}, {"type": "system", "text": "Be brief."},
        {"type": "params", "text": '{"stop": ["<|end|>"], "temperature": 0.5}'}, {"type": "license", "text": "MIT"},
        {"type": "license", "text": "MIT, again"}], config={"model_format": "gguf", "model_family": "llama",
                                                            "model_families": ["llama"], "model_type": "1M", "file_type": "Q8_0"})
    described = info(all_hubs, "ollama:tiny:1b")
    assert described["ref"] == f"ollama:library/tiny:1b@{made['manifest']}:Q8_0"
    assert described["metadata"] == {"template": "{{ .Prompt }}", "system": "Be brief.", "families": ["llama"], "parameters": "1M",
                                     "params": {"stop": ["<|end|>"], "temperature": 0.5}, "stock_compatible": True}
    assert {file["path"] for file in described["files"]} == {"tiny-1b-Q8_0.gguf", "template", "system", "params.json", "license", "license-2"}
    done = all_hubs.pull("ollama:tiny:1b")
    assert (done["status"], done["files"][0]["sha256"]) == ("completed", SHA256)
    model = all_hubs.data("GET", f"/api/v1/models/{done['model_id']}")
    assert model["metadata"]["source"]["system"] == "Be brief." and model["architecture"] == "llama"
    assert (all_hubs.home / done["file_path"]).resolve().read_bytes() == TINY.read_bytes()
    # The bytes came from the other host, without our header.
    fetched = [entry for entry in hub.log() if entry["host"] == "cdn" and entry["sent"] > 1000]
    assert fetched and not any(entry["authorization"] for entry in hub.log())
    assert all_hubs.request("POST", "/api/v1/downloads", {"ref": "ollama:library/tiny:1b"})[0] == 200


def test_ollama_deploys_where_llama_server_can_read_it(all_hubs, hub):
    hub.add_ollama("library/tiny:latest", [MODEL])
    all_hubs.pull("ollama:tiny")
    assert all_hubs.deploy("ollama:tiny", name="tiny")["status"] == "running"


def test_ollama_marks_what_stock_llama_cpp_can_not_load(all_hubs, hub):
    hub.add_ollama("library/gemma3:1b", [MODEL], config={"model_format": "gguf", "model_family": "gemma3"})
    hub.add_ollama("library/unknown:1b", [MODEL], config={})
    assert info(all_hubs, "ollama:gemma3:1b")["stock_compatible"] is False
    assert info(all_hubs, "ollama:unknown:1b")["stock_compatible"] is None


def test_ollama_family_that_llama_server_can_not_load_says_so(all_hubs, hub):
    """On the download, on the model and before a deployment; who names the engine may try all the same."""
    hub.add_ollama("library/gemma3:1b", [MODEL], config={"model_format": "gguf", "model_family": "gemma3"})
    done = all_hubs.pull("ollama:gemma3:1b")
    assert done["stock_compatible"] is False
    assert all_hubs.data("GET", f"/api/v1/models/{done['model_id']}")["stock_compatible"] is False
    for path in ("/api/v1/deployments", "/api/v1/deployments/plan"):
        status, _, answer = all_hubs.request("POST", path, {"ref": "ollama:gemma3:1b"})
        assert (status, answer["error"]) == (422, "UNSUPPORTED_FORMAT") and "hf.co" in answer["message"], answer
    status, _, answer = all_hubs.request("POST", "/api/v1/deployments", {"ref": "ollama:gemma3:1b"}, Accept_Language="zh")
    assert "Ollama" in answer["message"] and "无法加载" in answer["message"]
    # These bytes are the demo model's, which it can load.
    assert all_hubs.deploy("ollama:gemma3:1b", engine="llama-server", name="tried")["status"] == "running"
    shown = subprocess.run([PROGRAM, "show", "gemma3:1b"], env=all_hubs.environment | {"LLM_MANAGER_URL": f"http://127.0.0.1:{all_hubs.port}",
                                                                                       "LLM_MANAGER_API_KEY": KEY}, capture_output=True, text=True)
    assert "can't load" in shown.stdout, shown.stdout + shown.stderr


def test_ollama_token_is_asked_of_the_registry_alone(all_hubs, hub):
    hub.add_ollama("library/private:1b", [MODEL], private=True)
    assert all_hubs.pull("ollama:private:1b")["status"] == "completed"
    log = hub.log()
    assert any(entry["path"] == "/token" for entry in log)
    assert all(entry["path"].startswith("/v2/library/private/") for entry in log if entry["authorization"])
    hub.control("POST", "settings", {"registry_realm": f"{hub.cdn}/token"})
    hub.add_ollama("library/other:1b", [MODEL], private=True)
    status, _, answer = all_hubs.request("GET", "/api/v1/hub/models/info?ref=ollama:other:1b")
    assert answer["error"] == "HUB_BAD_RESPONSE" and "not the registry" in answer["message"], answer
    assert not any(entry["host"] == "cdn" and entry["path"] == "/token" for entry in hub.log())


def test_ollama_blobs_of_a_mirror_without_redirects(all_hubs, hub):
    hub.control("POST", "settings", {"registry_blobs": "direct", "registry_private": True})
    hub.add_ollama("library/tiny:1b", [MODEL])
    assert all_hubs.pull("ollama:tiny:1b")["files"][0]["sha256"] == SHA256


def test_ollama_hf_names_and_one_blob_for_both(all_hubs, hub):
    assert all_hubs.pull("ollama:hf.co/acme/tiny-GGUF:Q8_0")["status"] == "completed"
    fetched = sum(entry["sent"] for entry in hub.log() if entry["host"] == "cdn")
    assert all_hubs.pull("hf.co/acme/tiny-GGUF")["status"] == "completed"
    assert stored(all_hubs) == [SHA256]
    assert sum(entry["sent"] for entry in hub.log() if entry["host"] == "cdn") == fetched, "what is in the store was fetched again"
    assert len(all_hubs.data("GET", "/api/v1/models")["items"]) == 2


def test_damaged_blob_is_replaced_by_another_download_of_it(all_hubs, hub):
    all_hubs.pull("ollama:hf.co/acme/tiny-GGUF:Q8_0")
    blob = all_hubs.home / "blobs/sha256" / SHA256[:2] / SHA256
    blob.chmod(0o600)
    with open(blob, "r+b") as file:
        file.seek(500_000)
        file.write(b"damage")
    assert all_hubs.pull("hf.co/acme/tiny-GGUF")["status"] == "completed"
    assert blob.read_bytes() == TINY.read_bytes()


@pytest.mark.parametrize("ref, error", [("ollama:nothing:1b", "HUB_REPO_NOT_FOUND"), ("ollama:a..b", "VALIDATION_FAILED"),
                                        ("ollama:tiny:1b@" + "0" * 64, "HUB_REVISION_NOT_FOUND")])
def test_ollama_says_what_is_not_there(all_hubs, hub, ref, error):
    hub.add_ollama("library/tiny:1b", [MODEL])
    assert all_hubs.error("POST", "/api/v1/downloads", {"ref": ref}) == error


def test_ollama_tag_that_moves_is_another_model(make_service, hub):
    service = make_service(OLLAMA_REGISTRY=hub.url, LLM_MANAGER_HUGGINGFACE_CACHE_SECONDS="0")
    hub.add_ollama("library/tiny:1b", [MODEL])
    first = service.pull("ollama:tiny:1b")
    hub.add_ollama("library/tiny:1b", [MODEL, {"type": "system", "text": "new"}])
    second = service.pull("ollama:tiny:1b")
    assert first["ref"] != second["ref"] and stored(service) == [SHA256]


def test_ollama_has_no_search_and_says_so(all_hubs):
    status, _, answer = all_hubs.request("GET", "/api/v1/hub/models?source=ollama&q=tiny")
    assert (status, answer["error"]) == (422, "VALIDATION_FAILED") and "no search" in answer["message"]
    sources = all_hubs.request("GET", "/api/v1/hub/models?q=tiny")[2]["details"]["sources"]
    assert {row["source"]: row["status"] for row in sources}["ollama"] == "unsupported"


# ModelScope

@pytest.mark.parametrize("ranges", ["200", "206"])
def test_modelscope_model(all_hubs, hub, ranges):
    hub.control("POST", "settings", {"modelscope_ranges": ranges})
    described = info(all_hubs, "modelscope:acme/tiny-GGUF")
    assert described["source"] == "modelscope" and described["card"] == "# Tiny\n" and len(described["revision"]) == 40
    assert {file["path"]: file["sha256"] for file in described["files"]}["tiny-chat-Q8_0.gguf"] == SHA256
    done = all_hubs.pull("modelscope:acme/tiny-GGUF")
    assert (done["status"], done["files"][0]["sha256"]) == ("completed", SHA256)
    assert done["ref"] == f"modelscope:acme/tiny-GGUF@{described['revision']}:Q8_0"


def test_modelscope_by_way_of_its_storage_and_a_token(make_service, hub):
    hub.control("POST", "settings", {"modelscope_redirect": True, "tokens": {"ms-key": "me"}})
    service = make_service(MODELSCOPE_ENDPOINT=hub.url, MODELSCOPE_API_TOKEN="ms-key")
    assert service.pull("modelscope:acme/tiny-GGUF")["status"] == "completed"
    assert not any(entry["authorization"] for entry in hub.log() if entry["host"] == "cdn")
    assert any(entry["authorization"] for entry in hub.log() if entry["host"] == "hub")


@pytest.mark.parametrize("ref, error", [("modelscope:acme/missing", "HUB_REPO_NOT_FOUND"), ("modelscope:acme/gated", "HUB_GATED"),
                                        ("modelscope:acme/tiny-GGUF@nowhere", "HUB_REPO_NOT_FOUND"), ("modelscope:acme", "VALIDATION_FAILED")])
def test_modelscope_says_what_is_not_there(all_hubs, ref, error):
    assert all_hubs.error("POST", "/api/v1/downloads", {"ref": ref}) == error


def test_modelscope_refusals_in_the_body_and_limits(make_service, hub):
    service = make_service(MODELSCOPE_ENDPOINT=hub.url, LLM_MANAGER_HUGGINGFACE_CACHE_SECONDS="0")
    hub.fault({"kind": "answer", "json": {"Code": 10010205001, "Success": False, "Message": "no such model"}}, path="*/repo/files")
    status, _, answer = service.request("GET", "/api/v1/hub/models/info?ref=modelscope:acme/tiny-GGUF")
    assert answer["error"] == "HUB_REPO_NOT_FOUND" and "no such model" in answer["message"]
    hub.control("DELETE", "faults")
    hub.fault({"kind": "status", "status": 429, "retry_after": 7}, path="/openapi/*")
    status, headers, answer = service.request("GET", "/api/v1/hub/models?source=modelscope&q=x")
    assert (answer["error"], headers["Retry-After"]) == ("HUB_RATE_LIMITED", "7")


# Plain addresses

@pytest.fixture
def web(hub):
    """Addresses of files on a host that the operator allows."""
    hub.add("web/site", {"m-Q8_0.gguf": {"disk": str(TINY)}, "page.html": {"text": "<html>"}})
    return f"{hub.url}/web/site/resolve/main"


def test_url_with_and_without_a_digest(make_service, hub, web):
    service = make_service(LLM_MANAGER_NETWORK_ALLOWED_HOSTS="127.0.0.1")
    done = service.pull(f"{web}/m-Q8_0.gguf#sha256={SHA256}")
    assert (done["status"], done["ref"]) == ("completed", f"url:{web}/m-Q8_0.gguf@{SHA256}:Q8_0")
    other = service.pull(f"{web}/m-Q8_0.gguf")
    assert other["status"] == "completed" and other["ref"] != done["ref"]
    assert service.request("POST", "/api/v1/downloads", {"ref": other["ref"]})[0] == 200
    wrong = service.pull(f"{web}/m-Q8_0.gguf#sha256=" + "0" * 64)
    assert (wrong["status"], wrong["error_code"]) == ("failed", "DIGEST_MISMATCH")


def test_url_with_the_digest_as_a_field(make_service, hub, web):
    service = make_service(LLM_MANAGER_NETWORK_ALLOWED_HOSTS="127.0.0.1")
    ref = f"{web}/m-Q8_0.gguf"

    def ask(**body):
        return service.request("POST", "/api/v1/downloads", {"ref": ref} | body)

    status, _, answer = ask(sha256=SHA256.upper())
    assert status == 202 and answer["data"]["ref"] == f"url:{ref}@{SHA256}:Q8_0"
    assert service.pull(f"{ref}#sha256={SHA256}")["status"] in ("completed", "ready"), "the same model"
    wrong = ask(sha256="0" * 64)[2]["data"]
    path = f"/api/v1/downloads/{wrong['id']}"
    failed = until(lambda: next((d for d in [service.data("GET", path)] if d["status"] in ("completed", "failed")), None), "an end")
    assert (failed["status"], failed["error_code"]) == ("failed", "DIGEST_MISMATCH") and "digest" in failed["error_message"]
    for body in ({"sha256": "abc"}, {"sha256": 7}, {"ref": f"{ref}#sha256={SHA256}", "sha256": "0" * 64},
                 {"ref": "demo:tiny-chat", "sha256": SHA256}):
        status, _, answer = ask(**body)
        assert (status, answer["error"]) == (422, "VALIDATION_FAILED") and "sha256" in answer["details"], answer


def test_what_is_complete_is_found_by_the_id_that_it_answers(make_service, hub):
    service = make_service(HF_ENDPOINT=hub.url)
    first = service.pull("acme/tiny-GGUF")
    status, _, answer = service.request("POST", "/api/v1/downloads", {"ref": "acme/tiny-GGUF"})
    assert status == 200 and answer["data"]["id"] == first["model_id"]
    assert service.data("GET", f"/api/v1/downloads/{answer['data']['id']}") == service.data("GET", f"/api/v1/downloads/{first['id']}")
    assert service.error("GET", "/api/v1/downloads/0199c0de-0000-7000-8000-000000000001") == "DOWNLOAD_NOT_FOUND"


def test_gate_says_what_to_do(make_service, hub):
    service = make_service(HF_ENDPOINT=hub.url)
    status, _, answer = service.request("POST", "/api/v1/downloads", {"ref": "acme/gated"})
    assert (status, answer["error"]) == (403, "HUB_GATED")
    assert f"accept its licence at {hub.url}/acme/gated" in answer["message"] and "HF_TOKEN" in answer["message"]
    answer = service.request("POST", "/api/v1/downloads", {"ref": "acme/gated"}, Accept_Language="zh")[2]
    assert "HF_TOKEN" in answer["message"] and "acme/gated" in answer["message"] and not answer["message"].isascii()


@pytest.mark.parametrize("ref, error", [
    ("http://127.0.0.1:9/m.gguf", "URL_FORBIDDEN"), ("https://127.0.0.1/m.gguf", "URL_FORBIDDEN"),
    ("https://localhost/m.gguf", "URL_FORBIDDEN"), ("https://[::1]/m.gguf", "URL_FORBIDDEN"),
    ("https://169.254.169.254/latest/m.gguf", "URL_FORBIDDEN"), ("https://10.0.0.1/m.gguf", "URL_FORBIDDEN"),
    ("https://host.internal/m.gguf", "URL_FORBIDDEN"), ("https://example.com:8443/m.gguf", "URL_FORBIDDEN"),
    ("http://example.com/m.gguf", "URL_FORBIDDEN"), ("https://user:pw@example.com/m.gguf", "VALIDATION_FAILED"),
    ("ftp://example.com/m.gguf", "VALIDATION_FAILED"), ("file:///etc/passwd", "VALIDATION_FAILED")])
def test_url_guard(shared_service, ref, error):
    assert shared_service.error("POST", "/api/v1/downloads", {"ref": ref}) == error


def test_url_of_something_else(make_service, hub, web):
    service = make_service(LLM_MANAGER_NETWORK_ALLOWED_HOSTS="127.0.0.1")
    assert service.error("POST", "/api/v1/downloads", {"ref": f"{web}/page.html"}) == "UNSUPPORTED_FORMAT"
    assert service.error("POST", "/api/v1/downloads", {"ref": f"{web}/missing.gguf"}) == "HUB_FILE_NOT_FOUND"
    hub.fault({"kind": "redirect", "location": "https://169.254.169.254/m-Q8_0.gguf"}, path="*/m-Q8_0.gguf")
    assert service.error("POST", "/api/v1/downloads", {"ref": f"{web}/m-Q8_0.gguf"}) == "URL_FORBIDDEN"


def test_url_whose_content_changes_is_not_mixed(make_service, hub, web):
    service = make_service(LLM_MANAGER_NETWORK_ALLOWED_HOSTS="127.0.0.1")
    hub.fault({"kind": "rate", "bytes_per_second": 300_000}, host="cdn", method="GET")
    created = service.data("POST", "/api/v1/downloads", {"ref": f"{web}/m-Q8_0.gguf"})
    path = f"/api/v1/downloads/{created['id']}"
    until(lambda: service.data("GET", path)["download_size"] > 100_000, "some bytes have come")
    service.data("POST", path + "/pause")
    hub.control("DELETE", "faults")
    hub.add("web/site", {"m-Q8_0.gguf": {"size": TINY.stat().st_size, "seed": 5, "prefix": "GGUF"}})
    service.data("POST", path + "/resume")
    done = until(lambda: next((d for d in [service.data("GET", path)] if d["status"] in ("completed", "failed")), None), "an end")
    assert (done["status"], done["error_code"]) == ("failed", "HUB_REVISION_NOT_FOUND")


# Files of this machine

def test_local_file_and_folder(make_service, tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    shutil.copy(TINY, folder / "tiny-Q8_0.gguf")
    shutil.copytree(ROOT / "tests/data/tiny-model/hf-repo", folder / "weights")
    service = make_service(LLM_MANAGER_LOCAL_ROOTS=str(folder))
    done = service.pull(f"local:{folder}/tiny-Q8_0.gguf")
    files = service.data("GET", f"/api/v1/models/{done['model_id']}/files")["items"]
    assert [file["sha256"] for file in files] == [SHA256]
    assert service.pull(f"local:{folder}/weights")["status"] == "completed"
    (tmp_path / "secret.gguf").write_bytes(b"GGUF")
    (folder / "out.gguf").symlink_to(tmp_path / "secret.gguf")
    for ref, error in ((f"local:{tmp_path}/secret.gguf", "URL_FORBIDDEN"), (f"local:{folder}/out.gguf", "UNSAFE_FILE"),
                       (f"local:{folder}/../secret.gguf", "VALIDATION_FAILED"), (f"local:{folder}/missing.gguf", "HUB_FILE_NOT_FOUND"),
                       ("local:/etc/passwd", "URL_FORBIDDEN"), ("local:/dev/random", "URL_FORBIDDEN")):
        assert service.error("POST", "/api/v1/downloads", {"ref": ref}) == error, ref


def test_local_is_closed_by_default(shared_service):
    status, _, answer = shared_service.request("POST", "/api/v1/downloads", {"ref": "local:/tmp/m.gguf"})
    assert answer["error"] == "URL_FORBIDDEN" and "local.roots" in answer["message"]


# HuggingFace: what the way doesn't show

def test_huggingface_token_of_the_users_own_tools(make_service, hub, tmp_path):
    hub.add("acme/mine", {"m-Q8_0.gguf": {"disk": str(TINY)}}, gated="manual", tokens=["hf_mine"])
    (tmp_path / "token").write_text("hf_mine\n")
    assert make_service("with", HF_ENDPOINT=hub.url, HF_TOKEN_PATH=str(tmp_path / "token")).pull("acme/mine")["status"] == "completed"
    without = make_service("without", HF_ENDPOINT=hub.url, HF_TOKEN_PATH=str(tmp_path / "token"), HF_HUB_DISABLE_IMPLICIT_TOKEN="1")
    assert without.error("POST", "/api/v1/downloads", {"ref": "acme/mine"}) == "HUB_GATED"
    assert not any(entry["authorization"] for entry in hub.log() if entry["host"] == "cdn")


# All at once

def search(service, query):
    status, _, answer = service.request("GET", f"/api/v1/hub/models?{query}")
    assert status == 200, answer
    return answer["data"], {row["source"]: row for row in answer["details"]["sources"]}


def test_search_over_all_sources(all_hubs):
    data, sources = search(all_hubs, "q=tiny")
    found = {(row["source"], row["repo"]) for row in data["items"]}
    assert found == {("huggingface", "acme/tiny-GGUF"), ("modelscope", "acme/tiny-GGUF"), ("demo", "tiny-chat")}
    assert {name for name, row in sources.items() if row["status"] == "ok"} == {"huggingface", "modelscope", "demo"}
    assert search(all_hubs, "source=all&q=tiny")[0] == data
    assert {row["source"] for row in search(all_hubs, "source=modelscope&q=tiny")[0]["items"]} == {"modelscope"}


def test_search_pages_show_everything_once(all_hubs, hub):
    for number in range(7):
        hub.add(f"many/model-{number}", {"m-Q8_0.gguf": {"text": "GGUF"}}, downloads=100 - number)
    seen, cursor = [], ""
    for _ in range(20):
        data, _ = search(all_hubs, "q=model-&limit=3&cursor=" + cursor if cursor else "q=model-&limit=3")
        assert len(data["items"]) <= 3
        seen += [(row["source"], row["repo"], row["downloads"]) for row in data["items"]]
        cursor = data["next_cursor"]
        if not cursor:
            break
    assert not cursor and len(seen) == len(set(seen)) == 14
    assert [downloads for _, _, downloads in seen] == sorted((row[2] for row in seen), reverse=True)
    assert all_hubs.error("GET", "/api/v1/hub/models?cursor=nonsense") == "VALIDATION_FAILED"


def test_search_reports_a_slow_source_and_does_not_wait(make_service, hub):
    service = make_service(HF_ENDPOINT=hub.url, MODELSCOPE_ENDPOINT=hub.url, LLM_MANAGER_HUBS_SEARCH_PATIENCE_MS="1500")
    hub.fault({"kind": "latency", "seconds": 4}, path="/openapi/*")
    started = time.monotonic()
    data, sources = search(service, "q=tiny")
    assert time.monotonic() - started < 3.5
    assert (sources["modelscope"]["status"], sources["huggingface"]["status"]) == ("slow", "ok") and sources["modelscope"]["message"]
    assert {row["source"] for row in data["items"]} == {"huggingface", "demo"}
    # What came too late is there the next time.
    until(lambda: search(service, "q=tiny")[1]["modelscope"]["status"] == "ok", "the late answer is in the cache")
    assert len([entry for entry in hub.log() if entry["path"] == "/openapi/v1/models"]) == 1


def test_search_reports_a_failing_source(make_service, hub):
    service = make_service(HF_ENDPOINT=hub.url, MODELSCOPE_ENDPOINT=hub.url)
    hub.fault({"kind": "captive_portal"}, path="/openapi/*")
    data, sources = search(service, "q=tiny")
    assert (sources["modelscope"]["status"], sources["modelscope"]["error"]) == ("failed", "HUB_BAD_RESPONSE")
    assert ("huggingface", "acme/tiny-GGUF") in {(row["source"], row["repo"]) for row in data["items"]}


def test_search_from_the_cache_is_quick(all_hubs):
    """Over HTTP on a connection that stays open: a fraction of a millisecond; the bound leaves room for a busy machine."""
    search(all_hubs, "q=tiny")
    connection = http.client.HTTPConnection("127.0.0.1", all_hubs.port)
    times = []
    for _ in range(200):
        started = time.perf_counter()
        connection.request("GET", "/api/v1/hub/models?q=tiny", headers={"X-API-Key": KEY})
        response = connection.getresponse()
        assert response.status == 200 and response.read()
        times.append((time.perf_counter() - started) * 1000)
    connection.close()
    times.sort()
    print(f"cached search: {times[100]:.2f} ms median, {times[190]:.2f} ms of 95 %")
    assert times[100] < 10


def test_cold_searches_ask_all_sources_side_by_side(make_service, hub):
    """Each hub takes a second: together they take one, not two."""
    service = make_service(HF_ENDPOINT=hub.url, MODELSCOPE_ENDPOINT=hub.url)
    hub.fault({"kind": "latency", "seconds": 1}, path="/openapi/*")
    hub.fault({"kind": "latency", "seconds": 1}, path="/api/models")
    started = time.monotonic()
    _, sources = search(service, "q=tiny")
    took = time.monotonic() - started
    assert {name: row["status"] for name, row in sources.items() if name in ("huggingface", "modelscope")} == \
        {"huggingface": "ok", "modelscope": "ok"}
    print(f"cold search over two hubs that take 1 s each: {took:.2f} s")
    assert 1 <= took < 1.9


@pytest.mark.parametrize("query", ["q=", "q=&source=demo", "category=", "q=%20&limit=0", "source=nowhere", "source=all&format=bin"])
def test_search_refuses_what_means_nothing(shared_service, query):
    assert shared_service.error("GET", f"/api/v1/hub/models?{query}") == "VALIDATION_FAILED"


def test_list_of_local_models_refuses_an_empty_text(shared_service):
    assert shared_service.error("GET", "/api/v1/models?q=") == "VALIDATION_FAILED"


def test_categories(all_hubs):
    everything = all_hubs.data("GET", "/api/v1/hub/categories")["items"]
    assert "text-generation" in {row["id"] for row in everything}
    assert len(everything) == len({row["id"] for row in everything})
    assert all_hubs.data("GET", "/api/v1/hub/categories?source=ollama")["items"] == []
    assert [row["id"] for row in all_hubs.data("GET", "/api/v1/hub/categories?source=demo")["items"]] == ["text-generation"]
