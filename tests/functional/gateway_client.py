"""Speaks to the gateway without a library: raw requests, events and lines."""

import http.client
import json
import socket
import time

from service import KEY, PATIENCE

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
ANSWER = "The capital of France is Paris."


def call(service, method, path, body=None, key=KEY, **headers):
    """(status, headers, body as text)"""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=PATIENCE)
    sent = {"Authorization": f"Bearer {key}"} if key else {}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None and not isinstance(body, (bytes, str)):
        body = json.dumps(body)
        sent.setdefault("Content-Type", "application/json")
    try:
        connection.request(method, path, body, sent)
        response = connection.getresponse()
        return response.status, response.headers, response.read().decode()
    finally:
        connection.close()


def ask(service, path, **body):
    status, _, text = call(service, "POST", path, body)
    assert status == 200, text
    return json.loads(text)


def events(text):
    """The data of each event of a stream; comments are left out."""
    found = []
    for block in text.replace("\r\n", "\n").split("\n\n"):
        data = [line[5:].strip() for line in block.split("\n") if line.startswith("data:")]
        if data:
            found.append("\n".join(data))
    return found


def stream(service, path, **body):
    status, headers, text = call(service, "POST", path, {"stream": True, **body})
    assert status == 200, text
    assert headers["Content-Type"].startswith("text/event-stream") and headers["X-Accel-Buffering"] == "no"
    return events(text)


def lines(service, path, **body):
    status, headers, text = call(service, "POST", path, body)
    assert status == 200, text
    assert headers["Content-Type"] == "application/x-ndjson"
    return [json.loads(line) for line in text.splitlines()]


def raw_post(service, path, body, key=KEY):
    """A socket on which the request was sent, for those who leave early."""
    data = json.dumps(body).encode()
    connection = socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE)
    connection.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
                       f"Content-Length: {len(data)}\r\n\r\n".encode() + data)
    return connection


def usage(service, group_by="model,dialect"):
    return service.data("GET", f"/api/v1/usage?group_by={group_by}")["items"]


def within(seconds, condition):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.005)
    return False
