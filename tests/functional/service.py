"""Runs the real program for a test, as a user would: its own home, its own port, ended by SIGTERM."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("LLM_MANAGER_PROGRAM", str(ROOT / "build/release/llm-manager"))
KEY = "functional-test-key"
PATIENCE = 60.0  # seconds; only a defect comes near it

sys.path[:0] = [str(ROOT / "tests" / folder) for folder in ("contract", "fakes", "support")]
from openapi import Contract  # noqa: E402
from ports import free_port  # noqa: E402

CONTRACT = Contract()


def until(condition, what, patience=PATIENCE):
    """The first true value of the condition."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {patience} s: {what}")


class Service:
    def __init__(self, home, **environment):
        self.home = Path(home)
        self.port = free_port()
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "LLM_MANAGER_HOME": str(home),
            "LLM_MANAGER_LISTEN": f"127.0.0.1:{self.port}", "LLM_MANAGER_ADMIN_KEY": KEY,
            # No test reaches a hub that it didn't start: nothing listens there.
            **{name: "http://127.0.0.9:9" for name in ("HF_ENDPOINT", "OLLAMA_REGISTRY", "MODELSCOPE_ENDPOINT")},
            **{name: os.environ[name] for name in ("LLM_MANAGER_LLAMA_SERVER", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS")
               if name in os.environ},
            **environment,
        }
        self.log = self.home.parent / f"{self.home.name}.log"
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([PROGRAM, "serve"], env=self.environment, stdout=log, stderr=log)
        until(self.is_ready, "the service is ready")

    def is_ready(self):
        assert self.process.poll() is None, f"the service ended: {self.log.read_text()[-4000:]}"
        try:
            return self.request("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE)

    def stop(self):
        if self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(PATIENCE)
        assert status == 0, f"exit code {status}: {self.log.read_text()[-4000:]}"
        assert not self.engines(), "an engine was left behind"

    def engines(self):
        """Pids of engines that belong to this home."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                environ = (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if any(value.startswith(b"LLM_MANAGER_INSTANCE=") for value in environ) and \
                    any(str(self.home).encode() in value for value in environ):
                found.append(int(entry.name))
        return found

    def request(self, method, path, body=None, **headers):
        """(status, headers, parsed body); checked against the contract unless it is a stream."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        sent = {"X-API-Key": KEY, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            data = response.read()
            CONTRACT.check_response(method, path, response.status, dict(response.getheaders()), data)
            is_json = response.headers.get("Content-Type", "").startswith("application/json")
            encoded = response.headers.get("Content-Encoding")
            return response.status, response.headers, json.loads(data) if is_json and data and not encoded else data
        finally:
            connection.close()

    def data(self, method, path, body=None, expect=(200, 201, 202)):
        status, _, answer = self.request(method, path, body)
        assert status in expect, answer
        return answer["data"]

    def error(self, method, path, body=None):
        status, _, answer = self.request(method, path, body)
        assert status >= 400, answer
        return answer["error"]

    def pull(self, ref, status="completed"):
        download = self.data("POST", "/api/v1/downloads", {"ref": ref})
        path = f"/api/v1/downloads/{download['id']}"
        return until(lambda: next((d for d in [self.data("GET", path)] if d["status"] in (status, "failed")), None),
                     f"{ref} is {status}")

    def deploy(self, ref, status="running", **more):
        created = self.data("POST", "/api/v1/deployments", {"ref": ref, **more})
        path = f"/api/v1/deployments/{created['id']}"
        return until(lambda: next((d for d in [self.data("GET", path)] if d["status"] == status), None), f"{ref} is {status}")
