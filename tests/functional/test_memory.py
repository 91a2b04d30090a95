"""Memory, as a black box with the real engine: plans, refusals, what is read back, loading on demand."""

import json
import subprocess

import pytest
from service import ROOT, Service, until

HUGE = {"context_size": 16 << 20, "parallel": 16, "threads": 1}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    service = Service(tmp_path_factory.mktemp("memory") / "home")
    service.pull("demo:tiny-chat")
    yield service
    service.stop()


def plan(service, **more):
    return service.data("POST", "/api/v1/deployments/plan", {"ref": "demo:tiny-chat", **more})


def test_a_plan_shows_every_term(served):
    shown = plan(served, config={"context_size": 1024, "parallel": 2})
    assert shown["engine"] == "llama-server" and shown["devices"] == ["cpu"] and shown["fits"] is True
    assert shown["estimated_bytes"] == sum(term["bytes"] for term in shown["terms"]) == shown["needs"]["cpu"]
    cache = next(term for term in shown["terms"] if term["name"] == "kv_cache")
    assert cache["bytes"] == 5 * 2 * 1024 * 2 * (2 * 32) * 2  # layers, slots × tokens, keys and values, heads × size, f16
    assert shown["obstacles"] == shown["would_evict"] == shown["would_fit"] == []
    assert served.data("GET", "/api/v1/deployments")["items"] == []


def test_what_cannot_fit_is_refused_with_what_would(served):
    shown = plan(served, config=HUGE)
    assert shown["fits"] is False and shown["obstacles"][0]["code"] == "INSUFFICIENT_MEMORY"
    assert shown["would_fit"][0]["kind"] == "context_size"
    status, headers, answer = served.request("POST", "/api/v1/deployments", {"ref": "demo:tiny-chat", "config": HUGE})
    assert (status, answer["error"]) == (503, "INSUFFICIENT_MEMORY")
    assert answer["details"]["needed_bytes"] > answer["details"]["free_bytes"]
    assert f"context_size={shown['would_fit'][0]['value']}" in answer["details"]["would_fit"]
    _, _, answer = served.request("POST", "/api/v1/deployments", {"ref": "demo:tiny-chat", "config": HUGE},
                                  Accept_Language="zh")
    assert "可行的办法" in answer["message"]
    assert served.data("GET", "/api/v1/deployments")["items"] == []


def test_what_the_engine_really_runs_with_is_shown_beside_the_wish(served):
    config = {"context_size": 1000, "parallel": 2, "threads": 1, "cache_type_k": "q8_0", "flash_attention": "on"}
    deployment = served.deploy("demo:tiny-chat", name="drifts", config=config)
    effective = deployment["effective"]
    assert (effective["cache_type_k"], effective["cache_type_v"], effective["parallel"]) == ("q8_0", "f16", 2)
    # llama.cpp rounds the context up.
    assert deployment["drift"] == [{"field": "context_size", "requested": 1000, "effective": effective["context_per_slot"]}]
    assert effective["context_per_slot"] == 1024
    memory = deployment["memory"]
    assert memory["estimated_bytes"] > 10 << 20 and memory["gpu_estimated_bytes"] == 0
    assert abs(memory["measured_bytes"] / memory["estimated_bytes"] - 1) < 0.25  # nothing was asked yet
    served.data("DELETE", f"/api/v1/deployments/{deployment['id']}")


def test_the_first_request_loads(served):
    created = served.data("POST", "/api/v1/deployments", {"ref": "demo:tiny-chat", "name": "lazy", "auto_start": False,
                                                          "config": {"context_size": 512, "threads": 1}})
    assert (created["on_demand"], created["status"]) == (True, "stopped")
    session = served.data("POST", "/api/v1/chat/sessions", {"deployment_id": created["id"]})
    answer = served.data("POST", f"/api/v1/chat/sessions/{session['id']}/messages",
                         {"content": "What is the capital of France?", "stream": False})
    assert "Paris" in json.dumps(answer)
    assert served.data("GET", "/api/v1/deployments/lazy")["status"] == "running"
    # What was measured takes the place of the estimate.
    until(lambda: plan(served, config={"context_size": 512, "threads": 1})["measured_bytes"], "a measurement", 90)
    served.data("POST", "/api/v1/deployments/lazy/stop")
    stopped = until(lambda: next((d for d in [served.data("GET", "/api/v1/deployments/lazy")] if d["status"] == "stopped"),
                                 None), "it is stopped")
    assert stopped["on_demand"] is False
    served.data("DELETE", "/api/v1/deployments/lazy")


def test_pinned_and_on_demand_can_be_changed(served):
    created = served.data("POST", "/api/v1/deployments", {"ref": "demo:tiny-chat", "name": "p", "auto_start": False,
                                                          "pinned": True})
    assert created["pinned"] is True
    changed = served.data("PATCH", "/api/v1/deployments/p", {"pinned": False, "on_demand": False})
    assert (changed["pinned"], changed["on_demand"]) == (False, False)
    served.data("DELETE", "/api/v1/deployments/p")


def test_a_remote_model_is_judged_by_the_sum_of_a_plan(make_service, hub, tmp_path):
    """The same file from a hub: before it is here the number is that of the plan afterwards, and of a larger variant of the same
    model it is more by the larger size."""
    tiny = ROOT / "share/demo/tiny-chat.q8_0.gguf"
    subprocess.run([ROOT / "tools/synthetic-gguf", tmp_path / "big-F16.gguf", "--layers", "5", "--embedding", "256", "--heads", "4",
                    "--kv-heads", "2", "--head-size", "32", "--ffn", "768", "--vocab", "32000", "--type", "f16"], check=True, stdout=subprocess.DEVNULL)
    big = (tmp_path / "big-F16.gguf").stat().st_size
    hub.add("acme/both-GGUF", {"m-Q8_0.gguf": {"disk": str(tiny)}, "m-F16.gguf": {"disk": str(tmp_path / "big-F16.gguf")}})
    service = make_service(HF_ENDPOINT=hub.url)
    shown = {v["name"]: v for v in service.data("GET", "/api/v1/hub/models/info?ref=acme/both-GGUF:Q8_0")["variants"]}
    assert all(v["needed_is_rough"] is False and v["fits"] is True for v in shown.values()), shown
    assert service.pull("acme/both-GGUF:Q8_0")["status"] == "completed"
    plan = service.data("POST", "/api/v1/deployments/plan", {"ref": "acme/both-GGUF:Q8_0"})
    assert shown["Q8_0"]["needed_bytes"] == plan["estimated_bytes"]
    assert abs(shown["F16"]["needed_bytes"] - plan["estimated_bytes"] - (big - tiny.stat().st_size)) < 300_000
    # A vocabulary that goes beyond the beginning, and a hub that gives no part of a file.
    only = service.data("GET", "/api/v1/hub/models/info?ref=acme/both-GGUF:F16")["variants"]
    assert all(v["needed_is_rough"] is False for v in only)
    hub.add("acme/other-GGUF", {"x-Q8_0.gguf": {"disk": str(tiny)}})
    hub.fault({"kind": "answer", "status": 500, "json": {}}, path="*/resolve/*")
    rough = service.data("GET", "/api/v1/hub/models/info?ref=acme/other-GGUF")["variants"][0]
    assert rough["needed_is_rough"] is True and rough["needed_bytes"] > tiny.stat().st_size
