"""The real ollama: pulls from the stand-in, and reads the store that we write."""

import os
import socket
import subprocess
import time
import urllib.request
from urllib.parse import urlsplit

import pytest

from conftest import TINY


@pytest.fixture
def server(ollama, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    models = tmp_path / "models"
    models.mkdir()
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "OLLAMA_HOST": f"127.0.0.1:{port}", "OLLAMA_MODELS": str(models),
                   "OLLAMA_NOPRUNE": "1"}
    with open(tmp_path / "ollama.log", "wb") as log:
        process = subprocess.Popen([ollama, "serve"], env=environment, stdout=log, stderr=log)
    for _ in range(200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api/version", timeout=2).read()
            break
        except OSError:
            time.sleep(0.1)
    yield models, lambda *arguments: subprocess.run([ollama, *arguments], env=environment, capture_output=True, text=True, timeout=240, check=False)
    process.terminate()
    process.wait(20)


@pytest.mark.parametrize("blobs", ["direct", "redirect"])
def test_pull_from_the_stand_in(server, hub, blobs):
    models, run = server
    hub.control("POST", "settings", {"registry_blobs": blobs})
    hub.add_ollama("library/tiny:1b", [{"type": "model", "disk": str(TINY)}, {"type": "template", "text": "{{ .Prompt }}"}])
    done = run("pull", "--insecure", f"{urlsplit(hub.url).netloc}/library/tiny:1b")
    assert done.returncode == 0, done.stderr[-2000:]
    assert any(path.read_bytes() == TINY.read_bytes() for path in (models / "blobs").iterdir())


def test_it_lists_the_store_that_we_publish(server, hub, make_service):
    models, run = server
    service = make_service(HF_ENDPOINT=hub.url, LLM_MANAGER_LOCAL_ROOTS=str(models))
    assert service.pull("acme/tiny-GGUF")["status"] == "completed"
    service.data("POST", "/api/v1/store/links", {"layout": "ollama", "path": str(models)})
    listed = run("list")
    assert "hf.co/acme/tiny-GGUF:Q8_0" in listed.stdout, listed
    shown = run("show", "hf.co/acme/tiny-GGUF:Q8_0")
    assert shown.returncode == 0 and "llama" in shown.stdout, shown
