"""A service that answers what a test has written down, and remembers what it was asked."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NOW = "2026-01-31T12:00:00.000Z"


def envelope(data, code=200):
    return {"success": True, "message": "OK", "data": data, "code": code, "timestamp": NOW}


def error(code, message, details=None):
    return {"success": False, "message": message, "error": code, "details": details or {}, "timestamp": NOW}


def page(*items):
    return {"items": list(items), "next_cursor": None}


def download(status="downloading", phase="transferring", received=0, total=1000, **more):
    return {"id": "d1", "model_id": "m1", "ref": "demo:tiny-chat", "task_id": None, "status": status, "phase": phase,
            "progress": received / total, "download_size": received, "total_size": total, "download_speed": 500.0,
            "eta_seconds": 3, "priority": 0, "speed_limit": None, "stock_compatible": None, "attempt": 1, "file_path": None, "error_message": None,
            "error_code": None, "files": [], "created_at": NOW, "updated_at": NOW, **more}


def model(**more):
    return {"id": "m1", "ref": "demo:tiny-chat@b90a:Q8_0", "name": "tiny-chat", "description": None, "source": "demo",
            "model_type": "text-generation", "size": 1157056, "size_gb": 0.001157056, "parameters": 1000000, "tags": [],
            "status": "ready", "format": "gguf", "quantization": "Q8_0", "architecture": "llama", "context_length": 512,
            "license": "Apache-2.0", "stock_compatible": None, "metadata": {}, "files": {"count": 1, "size": 1157056, "verified_at": NOW},
            "created_at": NOW, "updated_at": NOW, **more}


def deployment(status="running", **more):
    return {"id": "p1", "model_id": "m1", "model_ref": "demo:tiny-chat@b90a:Q8_0", "name": "tiny-chat",
            "engine": "llama-server", "engine_reason": None, "status": status, "desired": "running", "port": None,
            "gpu_device": "auto", "config": {}, "effective": None, "replicas": 1, "idle_unload_seconds": 0,
            "last_error": None, "restarts": 0, "container_id": None,
            "instances": [{"id": "i1", "pid": 1, "endpoint": "http://127.0.0.1:40001", "state": "ready",
                           "started_at": NOW, "memory_bytes": 50000000}],
            "memory": {"estimated_bytes": 40000000, "measured_bytes": 50000000}, "created_at": NOW, "updated_at": NOW,
            **more}


class Service:
    """Routes are "METHOD /path" without the query. An answer is (status, JSON), a list of those of which the last one
    stays, or a function that is given the handler and writes the response itself."""

    def __init__(self):
        self.routes, self.requests = {}, []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                key = f"{self.command} {self.path.split('?')[0]}"
                service.requests.append((key, self.path, body, dict(self.headers)))
                answer = service.routes.get(key, (404, error("NOT_FOUND", f"no route {key}")))
                if isinstance(answer, list):
                    answer = answer.pop(0) if len(answer) > 1 else answer[0]
                if callable(answer):
                    answer(self)
                else:
                    self.send_json(*answer)

            do_GET = do_POST = do_DELETE = do_PATCH = answer

            def send_json(self, status, value):
                content = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def begin_events(self):
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()

            def send_event(self, name, data):
                self.wfile.write(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode())
                self.wfile.flush()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def on(self, key, *answers):
        method, path = key.split(" ")
        path = path if path == "/readyz" else "/api/v1" + path
        self.routes[f"{method} {path}"] = list(answers) if len(answers) > 1 else answers[0]

    def asked(self, key):
        """The bodies of the requests that came for "METHOD /path"."""
        method, path = key.split(" ")
        return [body for seen, _, body, _ in self.requests if seen == f"{method} /api/v1{path}"]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
