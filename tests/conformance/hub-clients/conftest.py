"""Where the real clients are, and a hub for them."""

import os
import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests/functional"), str(ROOT / "tests/fakes")]
from hub_process import HubProcess  # noqa: E402
from service import Service  # noqa: E402

HOME = Path(os.environ.get("CONFORMANCE_HOME", ROOT / "build/conformance/hub-clients"))
TINY = ROOT / "share/demo/tiny-chat.q8_0.gguf"


def client(path, what):
    found = HOME / path
    if not found.exists():
        pytest.skip(f"{what} is not installed: tests/conformance/hub-clients/run says why")
    return found


@pytest.fixture(scope="session")
def python():
    return client("venv/.ready", "huggingface_hub").parent / "bin/python"


@pytest.fixture(scope="session")
def node():
    return client("node/node_modules/@huggingface/hub", "@huggingface/hub").parents[2]


@pytest.fixture(scope="session")
def ollama():
    return client("../ollama/bin/ollama", "ollama")


@pytest.fixture
def hub(tmp_path):
    process = HubProcess("--cdn-host", "localhost")  # another host than the hub's: ollama takes a redirect within one host for none
    process.add("acme/tiny-GGUF", {"tiny-Q8_0.gguf": {"disk": str(TINY)}, "README.md": {"text": "# Tiny\n" * 40},
                                   "sub/config.json": {"text": '{"a": 1}'}}, downloads=5, tags=["gguf"], pipeline_tag="text-generation")
    process.add("acme/gated", {"m.gguf": {"text": "GGUF"}}, gated="manual", tokens=["hf_friend"])
    process.add("acme/private", {"m.gguf": {"text": "GGUF"}}, private=True, tokens=["hf_friend"])
    process.control("POST", "repos", {"id": "old/name", "rename_to": "acme/tiny-GGUF"})
    yield process
    process.stop()


@pytest.fixture
def make_service(tmp_path, hub):
    started = []

    def make(name="home", **environment):
        service = Service(tmp_path / name, LLM_MANAGER_NETWORK_ALLOWED_HOSTS=urlsplit(hub.cdn).netloc, **environment)
        started.append(service)
        return service

    yield make
    for service in started:
        service.stop()
