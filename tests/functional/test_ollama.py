"""Deployments inside a real Ollama: `ollama` on PATH, or $LLM_MANAGER_TEST_OLLAMA."""

import json
import os
import shutil
import subprocess
import time
import urllib.request

import pytest
from service import free_port, until
from test_deployments import settled
from test_way import ask

TINY = "demo:tiny-chat"
PROGRAM = os.environ.get("LLM_MANAGER_TEST_OLLAMA") or shutil.which("ollama")
pytestmark = pytest.mark.needs("an Ollama", None if PROGRAM else "there is no ollama on PATH", ci=False)


class Ollama:
    def __init__(self, home):
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self):
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home), "OLLAMA_HOST": f"127.0.0.1:{self.port}",
                       "OLLAMA_MODELS": str(self.home / "models"), "OLLAMA_NOPRUNE": "1"}
        with open(self.home / "log", "ab") as log:
            self.process = subprocess.Popen([PROGRAM, "serve"], env=environment, stdout=log, stderr=log)
        until(self.answers, "Ollama answers")

    def answers(self):
        try:
            return self.get("/api/version")
        except OSError:
            assert self.process.poll() is None, (self.home / "log").read_text()[-3000:]
            return None

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=20) as response:
            return json.load(response)

    def post(self, path, body):
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            response.read()

    def loaded(self):
        return [model["name"] for model in self.get("/api/ps")["models"] or []]

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


@pytest.fixture
def ollama(tmp_path):
    home = tmp_path / "ollama"
    home.mkdir()
    one = Ollama(home)
    yield one
    one.stop()


def test_a_model_is_registered_loaded_and_unloaded(make_service, ollama):
    service = make_service(OLLAMA_HOST=ollama.url)
    engine = next(e for e in service.data("GET", "/api/v1/engines")["items"] if e["name"] == "ollama")
    assert engine["available"] and engine["version"], engine
    service.pull(TINY)
    deployment = service.deploy(TINY, name="tiny", engine="ollama", config={"context_size": 512})
    name = f"llm-manager-{deployment['id']}"
    assert ollama.loaded() == [f"{name}:latest"]
    assert deployment["effective"]["context_per_slot"] == 512 and deployment["effective"]["engine_version"] == engine["version"]
    assert ask(service)["content"] == "The capital of France is Paris."
    # Ollama tells only its memory; the rest is counted here.
    metrics = until(lambda: next((m for m in [service.data("GET", "/api/v1/deployments/tiny/metrics")] if m["requests_running"] == 0), None),
                    "no request runs")
    assert metrics["generated_tokens_total"] > 0 and metrics["prompt_tokens_total"] > 0, metrics
    assert metrics["time_to_first_token_seconds"] > 0 and set(metrics["counted_here"]) == {
        "requests_running", "requests_waiting", "prompt_tokens_total", "generated_tokens_total", "time_to_first_token_seconds"}
    assert until(lambda: service.data("GET", "/api/v1/deployments/tiny/metrics")["memory_bytes"], "its memory is told") == \
        ollama.get("/api/ps")["models"][0]["size"]
    log = json.dumps(service.data("GET", "/api/v1/deployments/tiny/logs"))
    assert "ollama: success" in log and f"{name} loaded" in log, log
    # A manager's end changes nothing there, and the next one goes on with what is loaded.
    service.kill()
    assert ollama.loaded() == [f"{name}:latest"]
    service.start()
    adopted = settled(service, "tiny", lambda d: d["status"] == "running", "running")
    assert adopted["instances"][0]["id"] == deployment["instances"][0]["id"] and adopted["restarts"] == 0
    assert ask(service)["content"] == "The capital of France is Paris."
    # Somebody else unloads it: /api/ps shows that, and it is loaded again.
    # (The name of the chat before is still asked for, and that loads it, too.)
    def unloaded():
        ollama.post("/api/generate", {"model": name, "keep_alive": 0})
        time.sleep(1)
        return ollama.loaded() == []

    until(unloaded, "it is unloaded")
    again = settled(service, "tiny", lambda d: d["restarts"] == 1 and d["status"] == "running", "loaded again")
    assert "unloaded" in again["last_error"] and ollama.loaded() == [f"{name}:latest"]
    service.data("POST", "/api/v1/deployments/tiny/restart")
    settled(service, "tiny", lambda d: d["status"] == "running" and [i["state"] for i in d["instances"]] == ["ready"]
            and d["instances"][0]["id"] != again["instances"][0]["id"], "restarted")
    assert ask(service)["content"] == "The capital of France is Paris."
    service.data("POST", "/api/v1/deployments/tiny/stop")
    settled(service, "tiny", lambda d: d["status"] == "stopped", "stopped")
    until(lambda: ollama.loaded() == [], "it is unloaded")
    service.data("POST", "/api/v1/deployments/tiny/start")
    settled(service, "tiny", lambda d: d["status"] == "running", "running again")
    ollama.stop()
    settled(service, "tiny", lambda d: d["status"] != "running", "its end is seen")
    ollama.start()
    settled(service, "tiny", lambda d: d["status"] == "running", "running after Ollama's return")
    assert ask(service)["content"] == "The capital of France is Paris."
    service.data("DELETE", "/api/v1/deployments/tiny")
    assert ollama.get("/api/tags")["models"] in ([], None)
