"""GET /metrics and a deployment's metrics, as a black box with the real engine."""

import re

import pytest
from service import Service, until

SAMPLE = re.compile(r'^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$')


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    service = Service(tmp_path_factory.mktemp("metrics") / "home")
    service.pull("demo:tiny-chat")
    deployment = service.deploy("demo:tiny-chat", name="tiny", config={"context_size": 512, "parallel": 1, "threads": 1})
    session = service.data("POST", "/api/v1/chat/sessions", {"deployment_id": deployment["id"]})
    service.data("POST", f"/api/v1/chat/sessions/{session['id']}/messages",
                 {"content": "What is the capital of France?", "stream": False})
    yield service
    service.stop()


def scrape(service):
    status, headers, body = service.request("GET", "/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    samples = {}
    for line in body.decode().splitlines():
        if line.startswith("#"):
            continue
        name, labels, value = SAMPLE.match(line).groups()
        samples.setdefault(name, {})[labels or ""] = float(value)
    return samples


def test_engine_in_one_schema(running):
    # The engine gives the slot back a little after the last byte.
    metrics = until(lambda: next((m for m in [running.data("GET", "/api/v1/deployments/tiny/metrics")]
                                  if m["requests_running"] == 0), None), "the engine is idle")
    assert metrics["engine"] == "llama-server" and metrics["requests_waiting"] == 0
    assert metrics["prompt_tokens_total"] > 5 and metrics["generated_tokens_total"] > 0
    assert metrics["generated_tokens_per_second"] > 0
    assert metrics["memory_bytes"] > 10 << 20
    # llama-server tells no time to the first token: the service's own requests have one.
    assert metrics["counted_here"] == ["time_to_first_token_seconds"] and 0 < metrics["time_to_first_token_seconds"] < 60
    assert metrics["kv_cache_usage"] is None


def test_exposition(running):
    samples = scrape(running)
    engine = 'deployment="tiny",engine="llama-server"'
    assert samples["llm_manager_engine_generated_tokens_total"][engine] > 0
    assert samples["llm_manager_engine_memory_bytes"][engine] > 10 << 20
    assert samples["llm_manager_deployments"]['state="running"'] == 1
    assert samples["llm_manager_models"]['state="ready"'] == 1
    assert samples["llm_manager_downloads"]['state="completed"'] == 1
    assert samples["llm_manager_tasks"]['state="succeeded"'] >= 1
    assert samples["llm_manager_download_speed_bytes_per_second"][""] == 0
    assert samples["process_resident_memory_bytes"][""] > 1 << 20
    assert samples["process_cpu_seconds_total"][""] > 0
    assert samples["llm_manager_memory_total_bytes"][""] > 1 << 28
    assert samples["llm_manager_http_requests_total"]['operation="createDeployment",status="202"'] == 1
    assert samples["llm_manager_http_request_duration_seconds_count"]['operation="createDeployment"'] == 1


def test_paths_of_strangers_become_no_labels(running):
    before = len(scrape(running)["llm_manager_http_requests_total"])
    for number in range(20):
        running.request("GET", f"/api/v1/nothing-{number}")
        running.request("GET", f"/api/v1/models/0199c0de-0000-7000-8000-{number:012d}")
    labels = scrape(running)["llm_manager_http_requests_total"]
    assert labels['operation="none",status="404"'] >= 20
    assert labels['operation="getModel",status="404"'] == 20
    assert len(labels) <= before + 3  # these two and /metrics itself


def test_a_stopped_deployment_tells_nothing(running):
    created = running.data("POST", "/api/v1/deployments", {"ref": "demo:tiny-chat", "name": "idle", "auto_start": False})
    metrics = running.data("GET", f"/api/v1/deployments/{created['id']}/metrics")
    assert {value for key, value in metrics.items() if key not in ("deployment_id", "engine", "counted_here")} == {None}
    assert metrics["counted_here"] == []
    assert running.error("GET", "/api/v1/deployments/nobody/metrics") == "DEPLOYMENT_NOT_FOUND"


def test_metrics_need_a_key(running):
    assert running.request("GET", "/metrics", X_API_Key="wrong")[0] == 401
