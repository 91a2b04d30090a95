"""The whole way from a hub to an answer, and what happens when a part of it dies on the way."""

import http.client
import json
import os
import signal
import threading
import time

from service import KEY, ROOT, until

TINY = "huggingface:acme/tiny-GGUF"


def ask(service, deployment="tiny", content="What is the capital of France?"):
    session = service.data("POST", "/api/v1/chat/sessions", {"deployment_id": deployment, "config": {"temperature": 0}})
    return service.data("POST", f"/api/v1/chat/sessions/{session['id']}/messages", {"content": content})


def test_from_hub_to_chat(make_service, hub):
    service = make_service(HF_ENDPOINT=hub.url)
    found = service.data("GET", "/api/v1/hub/models?source=huggingface&q=tiny&format=gguf")
    assert [model["repo"] for model in found["items"]] == ["acme/tiny-GGUF"]
    info = service.data("GET", f"/api/v1/hub/models/info?ref={TINY}")
    assert [variant["name"] for variant in info["variants"]] == ["Q8_0"]
    download = service.pull(TINY)
    assert download["status"] == "completed" and download["files"][0]["status"] == "verified"
    assert (service.home / download["file_path"]).resolve().read_bytes() == (ROOT / "share/demo/tiny-chat.q8_0.gguf").read_bytes()
    assert service.request("POST", "/api/v1/downloads", {"ref": TINY})[0] == 200  # here already
    model = service.data("GET", f"/api/v1/models/{download['model_id']}")
    assert (model["status"], model["architecture"], model["context_length"]) == ("ready", "llama", 2048)

    deployment = service.deploy(TINY, name="tiny")
    assert deployment["effective"]["context_per_slot"] == 2048 or deployment["effective"]["context_size"]
    assert ask(service)["content"] == "The capital of France is Paris."
    assert service.error("DELETE", f"/api/v1/models/{download['model_id']}") == "MODEL_IN_USE"
    assert "llama" in json.dumps(service.data("GET", "/api/v1/deployments/tiny/logs"))
    service.data("DELETE", "/api/v1/deployments/tiny")
    assert not service.engines()
    assert service.data("DELETE", f"/api/v1/models/{download['model_id']}")["freed_size"] == 1157056
    assert not [path for path in (service.home / "blobs").rglob("*") if path.is_file()]


def test_a_split_model_and_a_sharded_one(make_service, hub):
    service = make_service(HF_ENDPOINT=hub.url)
    assert len(service.pull("hf.co/acme/split-GGUF")["files"]) == 2
    service.deploy("hf.co/acme/split-GGUF", name="tiny")
    assert ask(service)["content"] == "The capital of France is Paris."
    assert service.pull("hf.co/acme/sharded")["status"] == "completed"
    assert service.error("POST", "/api/v1/deployments", {"ref": "hf.co/acme/sharded"}) == "UNSUPPORTED_FORMAT"
    check_pages_of_files(service)


def check_pages_of_files(service):
    model = next(m for m in service.data("GET", "/api/v1/models")["items"] if "sharded" in m["ref"])
    path = f"/api/v1/models/{model['id']}/files"
    whole = service.data("GET", path)
    pages, cursor = [], ""
    while cursor is not None:
        page = service.data("GET", f"{path}?limit=2" + (f"&cursor={cursor}" if cursor else ""))
        assert 1 <= len(page["items"]) <= 2
        pages += page["items"]
        cursor = page["next_cursor"]
    assert whole["next_cursor"] is None and pages == whole["items"] and len(pages) > 4
    assert service.error("GET", f"{path}?cursor=nonsense") == "VALIDATION_FAILED"


def test_what_can_not_be_downloaded_says_why(make_service, hub):
    service = make_service(HF_ENDPOINT=hub.url)
    for ref, error in (("acme/missing", "HUB_REPO_NOT_FOUND"), ("acme/private", "HUB_REPO_NOT_FOUND"), ("acme/gated", "HUB_GATED"),
                       ("acme/formatless", "UNSUPPORTED_FORMAT"), ("acme/tiny-GGUF@nowhere", "HUB_REVISION_NOT_FOUND"),
                       ("acme/tiny-GGUF:Q2_K", "VALIDATION_FAILED"), ("ollama:a/b/c/d", "VALIDATION_FAILED")):
        assert service.error("POST", "/api/v1/downloads", {"ref": ref}) == error, ref
    assert service.error("POST", "/api/v1/downloads", {"ref": "acme/empty"}) in ("EMPTY_REPOSITORY", "UNSUPPORTED_FORMAT")
    assert service.pull("acme/html")["error_code"] in ("UNSAFE_FILE", "UNSUPPORTED_FORMAT")
    assert service.data("GET", "/api/v1/models?status=ready")["items"] == []
    hub.stop()
    assert service.error("GET", "/api/v1/hub/models?source=huggingface&q=anything") == "HUB_UNREACHABLE"


def test_a_killed_service_finishes_its_download(make_service, hub):
    service = make_service(HF_ENDPOINT=hub.url)
    hub.fault({"kind": "rate", "bytes_per_second": 250_000}, host="cdn")
    created = service.data("POST", "/api/v1/downloads", {"ref": TINY})
    path = f"/api/v1/downloads/{created['id']}"
    until(lambda: service.data("GET", path)["download_size"] > 300_000, "some bytes have come")
    service.kill()
    service.start()
    assert service.data("GET", path)["status"] in ("pending", "downloading")
    done = until(lambda: next((d for d in [service.data("GET", path)] if d["status"] == "completed"), None), "the download is complete")
    assert done["files"][0]["sha256"] == "b90a95e80d3a26f2f68410c87a2fe0023ce1c4d8c2887d19dddd9fa0ee4e280e"
    sent = sum(entry["sent"] for entry in hub.log() if entry["host"] == "cdn" and entry["method"] == "GET" and entry.get("range"))
    assert sent < 1157056 + 600_000, "bytes that were here already were fetched again"


def test_pause_keeps_the_bytes_and_cancel_drops_them(make_service, hub):
    service = make_service(HF_ENDPOINT=hub.url)
    hub.fault({"kind": "rate", "bytes_per_second": 200_000}, host="cdn")
    created = service.data("POST", "/api/v1/downloads", {"ref": TINY})
    path = f"/api/v1/downloads/{created['id']}"
    until(lambda: service.data("GET", path)["download_size"] > 200_000, "some bytes have come")
    assert service.data("POST", path + "/pause")["status"] == "paused"
    part = service.home / "downloads" / created["id"] / "0.part"
    size = part.stat().st_size
    time.sleep(0.3)
    assert part.stat().st_size == size > 0
    assert service.data("POST", path + "/resume")["status"] == "pending"
    assert service.data("POST", path + "/cancel")["status"] == "cancelled"
    assert not part.exists()
    assert service.error("POST", path + "/pause") == "STATE_CONFLICT"


def test_a_killed_service_finds_its_engine_and_its_words_again(service):
    service.pull("demo:tiny-chat")
    before = service.deploy("demo:tiny-chat", name="tiny")
    session = service.data("POST", "/api/v1/chat/sessions", {"deployment_id": "tiny", "config": {"temperature": 0, "max_tokens": 2000}})
    messages = f"/api/v1/chat/sessions/{session['id']}/messages"
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
    connection.request("POST", messages, json.dumps({"content": "Count from 1 to 100.", "stream": True}),
                       {"X-API-Key": KEY, "Content-Type": "application/json"})
    stream = connection.getresponse()
    stream.read(200)
    service.kill()
    connection.close()
    service.start()
    roles = {message["role"]: message for message in service.data("GET", messages)["items"]}
    assert roles["user"]["content"] == "Count from 1 to 100."
    assert roles["assistant"]["status"] in ("partial", "failed", "complete")
    after = until(lambda: next((d for d in [service.data("GET", "/api/v1/deployments/tiny")] if d["status"] == "running"), None), "running")
    assert after["instances"][0]["pid"] == before["instances"][0]["pid"], "the engine was not adopted"
    assert service.engines() == [after["instances"][0]["pid"]]
    assert ask(service)["content"] == "The capital of France is Paris."


def test_a_killed_engine_is_started_again(service):
    service.pull("demo:tiny-chat")
    before = service.deploy("demo:tiny-chat", name="tiny")["instances"][0]["pid"]
    os.kill(before, signal.SIGKILL)
    after = until(lambda: next((d for d in [service.data("GET", "/api/v1/deployments/tiny")]
                                if d["status"] == "running" and d["instances"] and d["instances"][0]["pid"] != before), None), "running again")
    assert after["restarts"] == 1
    assert ask(service)["content"] == "The capital of France is Paris."


def test_without_an_engine_it_says_how_to_get_one(make_service):
    service = make_service(LLM_MANAGER_LLAMA_SERVER="/nonexistent/llama-server")
    service.pull("demo:tiny-chat")
    status, _, answer = service.request("POST", "/api/v1/deployments", {"ref": "demo:tiny-chat"})
    assert (status, answer["error"]) == (503, "ENGINE_UNAVAILABLE")
    assert "install-llama-server" in json.dumps(answer)


def test_chinese_and_caching(service):
    service.pull("demo:tiny-chat")
    status, headers, answer = service.request("GET", "/api/v1/models", Accept_Language="zh-CN")
    assert (status, answer["message"]) == (200, "操作成功")
    assert service.request("GET", "/api/v1/models", If_None_Match=headers["ETag"])[0] == 304
    assert service.request("GET", "/api/v1/openapi.json", Accept_Encoding="gzip")[1]["Content-Encoding"] == "gzip"
