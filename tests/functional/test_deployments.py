"""Deployments as a whole: several instances, changes without a gap, and what happened told afterwards."""

import http.client
import json
import os
import signal
import threading

from service import KEY, PATIENCE, free_port, until

TINY = "demo:tiny-chat"


def stream_answer(service, deployment, content="Count from 1 to 100.", max_tokens=64):
    """The names of the events of one streamed answer."""
    session = service.data("POST", "/api/v1/chat/sessions",
                           {"deployment_id": deployment, "config": {"temperature": 0, "max_tokens": max_tokens}})
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=2 * PATIENCE)
    connection.request("POST", f"/api/v1/chat/sessions/{session['id']}/messages",
                       json.dumps({"content": content, "stream": True}),
                       {"X-API-Key": KEY, "Content-Type": "application/json"})
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    assert response.status == 200, text
    return [line[7:] for line in text.splitlines() if line.startswith("event: ")]


def settled(service, name, check, what, patience=2 * PATIENCE):
    path = f"/api/v1/deployments/{name}"
    try:
        return until(lambda: next((d for d in [service.data("GET", path)] if check(d)), None), what, patience)
    except AssertionError as error:
        history = [f"{event['time']} {event['kind']} {event['reason']}" for event in service.data("GET", f"{path}/events")["items"]]
        raise AssertionError("\n".join([str(error), json.dumps(service.data("GET", path)), *history])) from None


def test_another_context_size_under_twenty_streams_fails_no_request(service):
    service.pull(TINY)
    before = service.deploy(TINY, name="tiny", config={"context_size": 512, "parallel": 4})
    failures, done, stop = [], [], threading.Event()

    def talk():
        while not stop.is_set():
            try:
                events = stream_answer(service, "tiny", max_tokens=16)
                (done if events[-1] == "message.end" and "error" not in events else failures).append(events)
            except Exception as error:  # noqa: BLE001 - whatever it is, the request has failed
                failures.append(repr(error))

    threads = [threading.Thread(target=talk) for _ in range(20)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: len(done) >= 5 or failures, "answers come", 2 * PATIENCE)
        service.data("PATCH", "/api/v1/deployments/tiny", {"config": {"context_size": 768, "parallel": 4}})
        after = settled(service, "tiny", lambda d: d["effective"] and d["effective"]["context_per_slot"] == 768
                        and len(d["instances"]) == 1, "the new context is in effect", 4 * PATIENCE)
        reached = len(done)
        until(lambda: len(done) >= reached + 20 or failures, "answers come from the new instance", 2 * PATIENCE)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures, failures[:3]
    assert len(done) >= 25
    assert after["instances"][0]["id"] != before["instances"][0]["id"]
    assert after["restarts"] == 0
    assert len(service.engines()) == 1


def test_replicas_come_and_go(service):
    service.pull(TINY)
    service.deploy(TINY, name="tiny", replicas=2, config={"context_size": 256})
    two = settled(service, "tiny", lambda d: [i["state"] for i in d["instances"]] == ["ready"] * 2, "two instances")
    os.kill(two["instances"][0]["pid"], signal.SIGKILL)
    for _ in range(4):  # the other one answers all the time
        assert stream_answer(service, "tiny", max_tokens=8)[-1] == "message.end"
    settled(service, "tiny", lambda d: d["restarts"] == 1 and [i["state"] for i in d["instances"]] == ["ready"] * 2, "two again")
    service.data("PATCH", "/api/v1/deployments/tiny", {"replicas": 1})
    settled(service, "tiny", lambda d: len(d["instances"]) == 1, "one instance")
    until(lambda: len(service.engines()) == 1, "one engine")
    assert service.error("POST", "/api/v1/deployments", {"ref": TINY, "name": "x", "replicas": 2, "port": 45871}) == "VALIDATION_FAILED"


def test_a_failed_start_says_what_happened_and_why(service):
    service.pull(TINY)
    model = service.data("GET", "/api/v1/models")["items"][0]
    for link in (service.home / "models").rglob("*.gguf"):
        blob = link.resolve()
        blob.chmod(0o600)
        blob.write_bytes(b"GGUF" + bytes(100))
    service.data("POST", "/api/v1/deployments", {"model_id": model["id"], "name": "broken"})
    failed = settled(service, "broken", lambda d: d["status"] == "failed", "it is given up")
    assert "model's file" in failed["last_error"] or "model" in failed["last_error"]
    events = service.data("GET", "/api/v1/deployments/broken/events")["items"]
    kinds = [event["kind"] for event in events]
    assert kinds[:3] == ["starting", "failed", "waiting"] and kinds[-1] == "parked", kinds
    assert all(event["time"] for event in events)
    assert failed["last_error"] == [event["reason"] for event in events if event["kind"] == "failed"][-1]


def test_engines_ask_for_a_key_that_no_command_line_shows(service):
    service.pull(TINY)
    deployment = service.deploy(TINY, name="tiny", port=free_port())
    instance = deployment["instances"][0]
    port = int(instance["endpoint"].rsplit(":", 1)[1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("POST", "/v1/chat/completions", json.dumps({"messages": [{"role": "user", "content": "hi"}]}),
                       {"Content-Type": "application/json"})
    assert connection.getresponse().status == 401
    connection.close()
    key_file = next((service.home / "run").glob("*.key"))
    assert key_file.stat().st_mode & 0o777 == 0o600
    with open(f"/proc/{instance['pid']}/cmdline", "rb") as file:
        assert key_file.read_bytes() not in file.read()
    assert stream_answer(service, "tiny", max_tokens=8)[-1] == "message.end"
    service.data("DELETE", "/api/v1/deployments/tiny")
    assert not list((service.home / "run").iterdir())
