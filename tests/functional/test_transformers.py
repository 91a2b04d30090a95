"""Safetensors without a container: Hugging Face's own server, as $LLM_MANAGER_TEST_TRANSFORMERS, through its shipped template."""

import json
import os
import shutil
import signal

import pytest
from service import ROOT, until
from test_deployments import settled, stream_answer
from test_way import ask

PROGRAM = os.environ.get("LLM_MANAGER_TEST_TRANSFORMERS")
pytestmark = pytest.mark.needs("transformers serve", None if PROGRAM else "make test-conformance installs it", ci=False)
PATIENCE = 240  # torch takes its time


def test_deploy_chat_stop_restart_and_adopt(make_service, tmp_path):
    models, home = tmp_path / "models", tmp_path / "home"
    shutil.copytree(ROOT / "tests/data/tiny-model/hf-repo", models / "tiny")
    templates = home / "engines.d/process"
    templates.mkdir(parents=True)
    shipped = (ROOT / "share/engines/process/transformers.toml").read_text()
    assert 'program = "transformers"' in shipped
    (templates / "transformers.toml").write_text(shipped.replace('program = "transformers"', f'program = "{PROGRAM}"'))
    service = make_service(LLM_MANAGER_LOCAL_ROOTS=str(models))
    model = service.data("POST", "/api/v1/models", {"path": str(models / "tiny")})
    model = until(lambda: next((m for m in service.data("GET", "/api/v1/models?status=ready")["items"]), None), f"imported: {model}")

    service.data("POST", "/api/v1/deployments", {"model_id": model["id"], "name": "tiny", "config": {"device": "cpu"}})
    running = settled(service, "tiny", lambda d: d["status"] in ("running", "failed"), "running", PATIENCE)
    assert running["status"] == "running" and running["engine"] == "process", running
    assert running["config"]["template"] == "transformers" and running["effective"]["model"] == "tiny"
    assert "process" in running["engine_reason"], running["engine_reason"]
    assert ask(service)["content"] == "The capital of France is Paris."
    assert stream_answer(service, "tiny", max_tokens=8)[-1] == "message.end"
    status, _, answer = service.request("POST", "/v1/chat/completions", {"model": "tiny", "temperature": 0, "max_tokens": 16, "messages": [
        {"role": "user", "content": "What is the capital of France?"}]})
    assert status == 200 and "Paris" in json.dumps(answer) and str(tmp_path) not in json.dumps(answer), answer
    metrics = service.data("GET", "/api/v1/deployments/tiny/metrics")
    assert metrics["generated_tokens_total"] > 0 and "generated_tokens_total" in metrics["counted_here"], metrics
    assert metrics["time_to_first_token_seconds"] > 0
    assert service.data("GET", "/api/v1/deployments/tiny/logs")["lines"]

    pid = running["instances"][0]["pid"]
    service.kill()
    service.start()
    adopted = settled(service, "tiny", lambda d: d["status"] == "running", "running")
    assert adopted["instances"][0]["pid"] == pid, "it was not adopted"
    assert ask(service)["content"] == "The capital of France is Paris."
    os.kill(pid, signal.SIGKILL)
    settled(service, "tiny", lambda d: d["restarts"] == 1 and d["status"] == "running", "started again", PATIENCE)
    service.data("POST", "/api/v1/deployments/tiny/restart")
    settled(service, "tiny", lambda d: d["status"] == "running" and len(d["instances"]) == 1 and d["instances"][0]["state"] == "ready",
            "restarted", PATIENCE)
    assert ask(service)["content"] == "The capital of France is Paris."
    service.data("POST", "/api/v1/deployments/tiny/stop")
    settled(service, "tiny", lambda d: d["status"] == "stopped", "stopped")
    assert not service.engines() and not list((service.home / "run").iterdir())
