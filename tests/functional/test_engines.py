"""Engines that are described by the operator, and servers that are somebody else's."""

import json
import os
import signal
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from service import ROOT, free_port, until
from test_deployments import settled, stream_answer
from test_way import ask

TINY = "demo:tiny-chat"


@pytest.fixture
def llama_server(tmp_path):
    """A real llama-server that somebody else runs, with a key."""
    port = free_port()
    (tmp_path / "key").write_text("sesame")
    program = os.environ["LLM_MANAGER_LLAMA_SERVER"]
    arguments = [program, "--model", str(ROOT / "share/demo/tiny-chat.q8_0.gguf"), "--host", "127.0.0.1", "--port", str(port),
                 "--alias", "their-tiny", "--ctx-size", "512", "--api-key-file", str(tmp_path / "key")]

    def start():
        with open(tmp_path / "llama.log", "ab") as log:
            return subprocess.Popen(arguments, stdout=log, stderr=log)

    state = {"process": start(), "url": f"http://127.0.0.1:{port}", "start": start}
    yield state
    state["process"].kill()
    state["process"].wait()


def external(service, url, name="theirs", status="running", **config):
    created = service.data("POST", "/api/v1/deployments", {"engine": "external", "name": name, "config": {"url": url, **config}})
    return settled(service, created["name"], lambda d: d["status"] == status, f"{name} is {status}")


def test_somebody_elses_server_is_used_and_followed(service, llama_server):
    deployment = external(service, llama_server["url"], api_key="sesame")
    assert deployment["effective"]["model"] == "their-tiny" and deployment["instances"][0]["pid"] is None
    model = service.data("GET", f"/api/v1/models/{deployment['model_id']}")
    assert (model["source"], model["status"]) == ("external", "ready")
    assert ask(service, "theirs")["content"] == "The capital of France is Paris."
    assert not service.engines()
    # The key is in one file that only the user reads, and nowhere else.
    assert "api_key" not in deployment["config"]
    holders = [path for path in service.home.rglob("*") if path.is_file() and b"sesame" in path.read_bytes()]
    assert holders == [service.home / "secrets/deployments" / deployment["id"]]
    assert holders[0].stat().st_mode & 0o777 == 0o600
    # Its state follows its health.
    llama_server["process"].send_signal(signal.SIGKILL)
    llama_server["process"].wait()
    lost = settled(service, "theirs", lambda d: d["status"] == "failed", "its end is seen")
    assert "does not answer" in lost["last_error"]
    llama_server["process"] = llama_server["start"]()
    settled(service, "theirs", lambda d: d["status"] == "running", "its return is seen")
    assert ask(service, "theirs")["content"] == "The capital of France is Paris."
    kinds = [event["kind"] for event in service.data("GET", "/api/v1/deployments/theirs/events")["items"]]
    assert kinds[-2:] == ["unhealthy", "ready"], kinds
    # Another manager's start does not disturb it.
    service.kill()
    service.start()
    settled(service, "theirs", lambda d: d["status"] == "running", "running after a restart")
    assert ask(service, "theirs")["content"] == "The capital of France is Paris."
    service.data("DELETE", "/api/v1/deployments/theirs")
    assert llama_server["process"].poll() is None
    assert not holders[0].exists()
    assert service.request("GET", f"/api/v1/models/{deployment['model_id']}")[0] == 404


def test_a_wrong_key_is_told_and_a_new_one_is_taken(service, llama_server):
    external(service, llama_server["url"], status="failed", api_key="wrong")  # it may still be starting
    settled(service, "theirs", lambda d: "API key" in (d["last_error"] or ""), "the wrong key is told")
    service.data("PATCH", "/api/v1/deployments/theirs", {"config": {"url": llama_server["url"], "api_key": "sesame"}})
    until(lambda: stream_answer(service, "theirs", max_tokens=4)[-1] == "message.end", "the new key is used")


def test_addresses_that_no_server_may_have(service):
    for url in ("http://169.254.169.254", "http://[fe80::1]:80", "https://host/v1", "ftp://host", "http://0.0.0.0:1", "nothing", ""):
        assert service.error("POST", "/api/v1/deployments", {"engine": "external", "config": {"url": url}}) == "VALIDATION_FAILED", url
    assert service.error("POST", "/api/v1/deployments", {"engine": "external", "config": {}}) == "VALIDATION_FAILED"
    assert service.error("POST", "/api/v1/deployments",
                         {"engine": "external", "ref": TINY, "config": {"url": "http://127.0.0.1:9"}}) == "VALIDATION_FAILED"


def test_a_server_over_tls_is_trusted_only_with_its_authority(make_service, tmp_path):


    class Models(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            body = json.dumps({"object": "list", "data": [{"id": "sealed", "object": "model"}]}).encode()
            self.send_response(200 if self.path == "/base/v1/models" else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(tmp_path / "tls.key"), "-out",
                    str(tmp_path / "tls.pem")], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "tls.pem", tmp_path / "tls.key")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Models)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"https://localhost:{server.server_port}/base"
        distrusting = make_service("distrusting")
        assert "certificate" in external(distrusting, url, status="failed")["last_error"]
        trusting = make_service("trusting", LLM_MANAGER_NETWORK_CA_FILE=str(tmp_path / "tls.pem"))
        assert external(trusting, url)["effective"]["model"] == "sealed"
        assert external(trusting, f"https://127.0.0.1:{server.server_port}/base", name="by-address")["status"] == "running"
    finally:
        server.shutdown()


def test_a_program_by_a_template(make_service, tmp_path):
    home = tmp_path / "home"
    folder = home / "engines.d/process"
    folder.mkdir(parents=True)
    (folder / "mine.toml").write_text(f"""
title = "Mine"
program = "{os.environ['LLM_MANAGER_LLAMA_SERVER']}"
formats = ["gguf"]
health = "/health"
api_key_environment = "LLAMA_API_KEY"
arguments = ["--model", "{{model}}", "--alias", "{{name}}", "--host", "{{address}}", "--port", "{{port}}", "--metrics"]
[[options]]
key = "context_size"
type = "integer"
min = 128
max = 4096
default = 512
arguments = ["--ctx-size", "{{value}}"]
[metrics]
generated_tokens_total = "llamacpp:tokens_predicted_total"
""")
    service = make_service()
    service.pull(TINY)
    engine = next(e for e in service.data("GET", "/api/v1/engines")["items"] if e["name"] == "process")
    assert engine["available"] and {"mine", "vllm", "sglang", "transformers"} <= {t["name"] for t in engine["templates"]}
    deployment = service.deploy(TINY, name="tiny", engine="process")
    assert deployment["config"] == {"template": "mine"} and deployment["effective"]["context_per_slot"] == 512
    assert ask(service)["content"] == "The capital of France is Paris."
    assert service.data("GET", "/api/v1/deployments/tiny/metrics")["generated_tokens_total"] > 0
    assert "llama" in json.dumps(service.data("GET", "/api/v1/deployments/tiny/logs"))
    pid = deployment["instances"][0]["pid"]
    service.kill()
    service.start()
    after = settled(service, "tiny", lambda d: d["status"] == "running", "running")
    assert after["instances"][0]["pid"] == pid, "it was not adopted"
    assert ask(service)["content"] == "The capital of France is Paris."
    os.kill(pid, signal.SIGKILL)
    settled(service, "tiny", lambda d: d["restarts"] == 1 and d["status"] == "running", "started again")
    assert service.error("PATCH", "/api/v1/deployments/tiny", {"config": {"context_size": 5000}}) == "VALIDATION_FAILED"
    assert service.error("POST", "/api/v1/deployments", {"ref": TINY, "engine": "process", "config": {"template": "vllm"}}) in (
        "ENGINE_UNAVAILABLE", "VALIDATION_FAILED", "UNSUPPORTED_FORMAT")
    service.data("POST", "/api/v1/deployments/tiny/stop")
    settled(service, "tiny", lambda d: d["status"] == "stopped", "stopped")
    assert not service.engines()


def test_engines_are_listed_with_what_can_be_set(service):
    engines = {engine["name"]: engine for engine in service.data("GET", "/api/v1/engines")["items"]}
    assert {"llama-server", "process", "docker", "external"} <= set(engines)
    parallel = next(option for option in engines["llama-server"]["options"] if option["key"] == "parallel")
    assert (parallel["type"], parallel["min"], parallel["default"]) == ("integer", 1, 1)
    for engine in engines.values():
        assert engine["available"] or engine["reason"]
