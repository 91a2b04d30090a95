"""A client that leaves frees what it held at once, in whatever phase its request is. CANCEL_TRIES: how often (10)."""

import json
import os
import signal
import threading
import time

import pytest
from gateway_client import raw_post, usage, within
from mock_engine import Log, build
from openapi import parse_events
from service import Service, until
from streams import stream

TRIES = int(os.environ.get("CANCEL_TRIES", "10"))
LIMIT = 0.1  # seconds from the client's end to the upstream's
FOR_EVER = 3_600_000  # milliseconds


class Bench:
    """A service in front of the mock."""

    def __init__(self, home, slots, **environment):
        home.mkdir()
        self.log = Log(home / "mock.log")
        # The engine's environment is the service's but for its own variables: the mock gets its settings by a wrapper.
        wrapper = home / "engine"
        settings = {"MOCK_LOG": str(self.log.path), "MOCK_SLOTS": str(slots), **environment}
        wrapper.write_text("#!/bin/sh\n" + "".join(f"export {name}={value}\n" for name, value in settings.items()) +
                           f'exec "{build()}" "$@"\n')
        wrapper.chmod(0o755)
        self.service = Service(home / "home", LLM_MANAGER_LLAMA_SERVER=str(wrapper))
        self.service.pull("demo:tiny-chat")
        self.service.deploy("demo:tiny-chat", name="tiny")
        self.slots = slots

    def begin(self, name, **body):
        return raw_post(self.service, "/v1/chat/completions", {"model": "tiny", "messages": [], "user": name, **body})

    def queue(self):
        items = self.service.data("GET", "/api/v1/gateway/queues")["items"]
        return (items[0]["in_flight"], items[0]["waiting"]) if items else (0, 0)

    def engine(self):
        return self.service.engines()[0]


@pytest.fixture
def make_bench(tmp_path):
    made = []

    def make(slots, **environment):
        made.append(Bench(tmp_path / f"bench{len(made)}", slots, **environment))
        return made[-1]

    yield make
    for bench in made:
        bench.service.stop()


def check_closed(bench, name, left):
    closed = bench.log.wait(name, "closed", 5)
    assert closed is not None, f"{name}: the engine never learned of it"
    assert closed - left < LIMIT, f"{name}: after {closed - left:.3f} s"


def leave(connection):
    left = time.monotonic()
    connection.close()
    return left


@pytest.mark.parametrize("phase", ["before the first token", "in a stream", "without a stream"])
def test_the_engine_is_let_go(make_bench, phase):
    bench = make_bench(slots=8)
    bodies = {"before the first token": dict(stream=True, top_k=FOR_EVER), "in a stream": dict(stream=True, seed=20, max_tokens=10_000),
              "without a stream": dict(top_k=FOR_EVER)}
    for number in range(TRIES):
        name = f"try{number}"
        connection = bench.begin(name, **bodies[phase])
        assert bench.log.wait(name, "arrived", 20), name
        if phase == "in a stream":
            received = b""
            while b"data:" not in received:
                received += connection.recv(4096)
        check_closed(bench, name, leave(connection))
    assert within(LIMIT, lambda: bench.queue() == (0, 0)), bench.queue()
    [total] = usage(bench.service, "dialect")
    assert (total["requests"], total["cancelled"]) == (TRIES, TRIES)


def test_in_the_queue(make_bench):
    bench = make_bench(slots=1)
    first = bench.begin("first", stream=True, top_k=FOR_EVER)
    assert bench.log.wait("first", "arrived", 20)
    for number in range(TRIES):
        connection = bench.begin(f"try{number}", stream=number % 2 == 0)
        until(lambda: bench.queue() == (1, 1), "it waits")
        connection.close()
        assert within(LIMIT, lambda: bench.queue() == (1, 0)), bench.queue()
    check_closed(bench, "first", leave(first))
    assert within(LIMIT, lambda: bench.queue() == (0, 0)), bench.queue()
    assert set(bench.log.events()) == {"first"}, "the engine has seen a request of a client that had left"
    [total] = usage(bench.service, "dialect")
    assert (total["requests"], total["cancelled"]) == (TRIES + 1, TRIES + 1)


def test_while_connecting(make_bench):
    bench = make_bench(slots=64, MOCK_BACKLOG="1")
    pid = bench.engine()
    tried = 0
    while tried < TRIES:
        # A stopped engine accepts nothing: two connections fill its queue, all others wait to get in.
        os.kill(pid, signal.SIGSTOP)
        try:
            batch = [bench.begin(f"try{tried + number}", stream=True) for number in range(min(TRIES - tried + 4, 40))]
            until(lambda: bench.queue()[0] == len(batch), "all are on their way")
            for connection in batch:
                connection.close()
            assert within(LIMIT * 2, lambda: bench.queue() == (0, 0)), bench.queue()
        finally:
            os.kill(pid, signal.SIGCONT)
        tried += len(batch)
        # What had connected finds its client gone; nothing of it is left open.
        time.sleep(0.1)
    finished = [name for name, events in bench.log.events().items() if "closed" not in events and "finished" not in events]
    assert not finished


def test_a_killed_engine_ends_a_stream_with_an_error_and_no_half_event(make_bench):
    bench = make_bench(slots=8)
    connection = bench.begin("first", stream=True, seed=20, max_tokens=10_000)
    received = b""
    while received.count(b"data:") < 3:
        received += connection.recv(4096)
    os.kill(bench.engine(), signal.SIGKILL)
    while b"\r\n0\r\n\r\n" not in received:
        more = connection.recv(4096)
        assert more, "the stream was cut"
        received += more
    connection.close()
    assert b'data: {"error":{"message":' in received and b'"code":"engine_failed"' in received
    until(lambda: bench.queue() == (0, 0), "the place is free again")
    [total] = usage(bench.service, "dialect")
    assert (total["requests"], total["failed"], total["cancelled"]) == (1, 1, 0)


def test_callers_hear_of_their_place_and_of_a_full_queue(make_bench):
    bench = make_bench(slots=1)
    service = bench.service
    service.stop()
    service.environment |= {"LLM_MANAGER_GATEWAY_QUEUE_SIZE": "1", "LLM_MANAGER_GATEWAY_HEARTBEAT_SECONDS": "1",
                            "LLM_MANAGER_GATEWAY_QUEUE_WAIT_SECONDS": "3"}
    service.start()
    until(lambda: service.data("GET", "/api/v1/deployments/tiny")["status"] == "running", "running")
    first = bench.begin("first", stream=True, top_k=FOR_EVER)
    assert bench.log.wait("first", "arrived", 20)
    second = bench.begin("second", stream=True)
    until(lambda: bench.queue() == (1, 1), "it waits")
    third = bench.begin("third", stream=True)
    refused = third.recv(4096)
    assert refused.startswith(b"HTTP/1.1 429 ") and b"Retry-After: " in refused and b"rate_limit_exceeded" in refused
    told = b""
    while b"\r\n0\r\n\r\n" not in told:
        more = second.recv(4096)
        assert more, told
        told += more
    assert b": queued, position 1\n" in told and b"X-Queue-Position: 1" in told
    assert b'data: {"error":' in told, "the deadline of a stream that has begun is an event"
    heartbeat = first.recv(4096)
    assert b": the engine works\n" in heartbeat
    late = bench.begin("late")
    assert late.recv(4096).startswith(b"HTTP/1.1 503 ")
    for connection in (first, second, third, late):
        connection.close()
    assert within(1, lambda: bench.queue() == (0, 0))


def test_chats_hear_of_their_place(make_bench):
    bench = make_bench(slots=1)
    service = bench.service
    holder = bench.begin("holder", stream=True, top_k=FOR_EVER)
    assert bench.log.wait("holder", "arrived", 20)
    heard = {1: [], 2: []}

    def chat(number):
        session = service.data("POST", "/api/v1/chat/sessions", {"deployment_id": "tiny"}, expect=[201])
        with stream(service, "POST", f"/api/v1/chat/sessions/{session['id']}/messages", {"content": "Hi!", "stream": True}) as response:
            text = ""
            while line := response.readline().decode():
                text += line
                if line == "\n":
                    heard[number] += [(event.type, event.id, json.loads(event.data)) for event in parse_events(text)]
                    text = ""

    chats = [threading.Thread(target=chat, args=(number,)) for number in (1, 2)]
    for number, one in enumerate(chats, 1):
        one.start()
        until(lambda waiting=number: bench.queue() == (1, waiting), "it waits")
    until(lambda: len(heard[2]) == 2, "the second one was told")
    assert [kind for kind, _, _ in heard[2]] == ["message.start", "message.queued"]
    assert heard[2][1][1] == "" and heard[2][1][2] == {"message_id": heard[2][0][2]["message"]["id"], "position": 2}
    holder.close()
    for one in chats:
        one.join(20)
    assert [kind for kind, _, _ in heard[1]][:3] == ["message.start", "message.queued", "message.delta"] and heard[1][1][2]["position"] == 1
    assert heard[1][-1][0] == heard[2][-1][0] == "message.end"
