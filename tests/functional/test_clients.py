"""The npm packages of OpenAI, Anthropic and Ollama, unmodified, against the gateway with the real engine."""

import json
import os
import shutil
import subprocess

import pytest
from gateway_client import ANSWER
from service import KEY, ROOT, Service

CLIENTS = ROOT / "tests/clients"

EXPECTED = {
    "openai_models": "tiny",
    "openai_chat": [ANSWER, True],
    "openai_chat_stream": [ANSWER, True],
    "openai_stream_helper": ANSWER,
    "openai_completion": True,
    "openai_responses": ANSWER,
    "openai_json_schema": "boolean",
    "openai_logprobs": 2,
    "openai_abort": True,
    "openai_wrong_key": {"threw": "AuthenticationError", "status": 401, "code": "invalid_api_key"},
    "openai_no_model": {"threw": "NotFoundError", "status": 404, "code": "model_not_found"},
    "openai_no_model_stream": {"threw": "NotFoundError", "status": 404, "code": "model_not_found"},
    "openai_bad_request": {"status": 400},
    "openai_no_embeddings": {"status": 501},
    "anthropic_message": [ANSWER, "end_turn", True],
    "anthropic_stream": [ANSWER, True],
    "anthropic_count": True,
    "anthropic_no_model": {"threw": "NotFoundError", "status": 404, "type": "not_found_error"},
    "anthropic_wrong_key": {"threw": "AuthenticationError", "status": 401, "type": "authentication_error"},
    "ollama_list": "tiny:latest",
    "ollama_ps": 1,
    "ollama_show": "llama",
    "ollama_chat": [ANSWER, "stop", True],
    "ollama_chat_stream": [ANSWER, True],
    "ollama_generate_stream": ANSWER,
    "ollama_pull": ["pulling manifest", "success"],
    "ollama_copy_and_delete": True,
    "ollama_no_model": {"threw": "ResponseError", "status": 404},
    "ollama_no_embeddings": {"threw": "ResponseError"},
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    assert shutil.which("npm"), "npm is missing: scripts/setup --for test"
    if not (CLIENTS / "node_modules/.package-lock.json").exists():
        subprocess.run(["npm", "ci", "--prefix", CLIENTS, "--no-audit", "--no-fund", "--loglevel=error"], check=True, timeout=300)
    service = Service(tmp_path_factory.mktemp("clients") / "home")
    try:
        service.pull("demo:tiny-chat")
        service.deploy("demo:tiny-chat", name="tiny")
        done = subprocess.run(["node", CLIENTS / "clients.mjs"], check=False, timeout=300, capture_output=True, text=True,
                              env={**os.environ, "LLM_MANAGER_URL": f"http://127.0.0.1:{service.port}", "LLM_MANAGER_API_KEY": KEY})
        assert done.returncode == 0, done.stderr
        yield json.loads(done.stdout)
    finally:
        service.stop()


@pytest.mark.parametrize("check", EXPECTED)
def test_client(results, check):
    got, wanted = results[check], EXPECTED[check]
    if isinstance(wanted, dict):
        assert isinstance(got, dict) and "threw" in got, got
        assert {name: got.get(name) for name in wanted} == wanted, got
    else:
        assert got == wanted


def test_every_check_is_looked_at(results):
    assert set(results) == set(EXPECTED)
