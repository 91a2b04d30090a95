"""The service with the tiny model, started with nothing but Python's own library: the environment has the clients only."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

KEY = "conformance-key"


def call(url, method, path, body=None):
    request = urllib.request.Request(url + path, json.dumps(body).encode() if body else None,
                                     {"X-API-Key": KEY, "Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer).get("data")


def until(condition, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            if condition():
                return
        time.sleep(0.1)
    raise SystemExit("the service does not get ready")


@contextlib.contextmanager
def serving(folder):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen([os.environ["LLM_MANAGER_PROGRAM"], "serve"], stdout=log, stderr=log,
                                   env={**os.environ, "LLM_MANAGER_HOME": str(folder / "home"), "LLM_MANAGER_LISTEN": f"127.0.0.1:{port}",
                                        "LLM_MANAGER_ADMIN_KEY": KEY})
    try:
        until(lambda: call(url, "GET", "/api/v1/system/info"))
        call(url, "POST", "/api/v1/downloads", {"ref": "demo:tiny-chat"})
        until(lambda: call(url, "GET", "/api/v1/models?status=ready")["items"])
        call(url, "POST", "/api/v1/deployments", {"ref": "demo:tiny-chat", "name": "tiny"})
        until(lambda: call(url, "GET", "/api/v1/deployments/tiny")["status"] == "running")
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
