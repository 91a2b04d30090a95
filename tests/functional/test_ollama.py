"""Deployments inside a real Ollama: `ollama` on PATH, or $LLM_MANAGER_TEST_OLLAMA."""

import json
import os
import shutil
import subprocess
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
    assert ollama.loaded() == [f"llm-manager-{deployment['id']}:latest"]
    assert ask(service)["content"] == "The capital of France is Paris."
    service.kill()
    service.start()
    settled(service, "tiny", lambda d: d["status"] == "running", "running")
    assert ask(service)["content"] == "The capital of France is Paris."
    service.data("POST", "/api/v1/deployments/tiny/stop")
    settled(service, "tiny", lambda d: d["status"] == "stopped", "stopped")
    until(lambda: ollama.loaded() == [], "it is unloaded")
    service.data("POST", "/api/v1/deployments/tiny/start")
    settled(service, "tiny", lambda d: d["status"] == "running", "running again")
    ollama.stop()
    settled(service, "tiny", lambda d: d["status"] != "running", "its end is seen")
    ollama.start()
    settled(service, "tiny", lambda d: d["status"] == "running" or (d["status"] == "failed" and not service.data("POST", "/api/v1/deployments/tiny/start")), "running after Ollama's return")
    service.data("DELETE", "/api/v1/deployments/tiny")
    assert ollama.get("/api/tags")["models"] in ([], None)
