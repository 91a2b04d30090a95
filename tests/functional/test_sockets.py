"""The three WebSockets, spoken to by a client library of its own."""

import asyncio
import json

import pytest
import websockets
from engine import FakeEngine
from service import CONTRACT, KEY, PATIENCE

BIG = 1024 * 1024


def url(service, path):
    return f"ws://127.0.0.1:{service.port}{path}"


def connect(service, path, headers=(("X-API-Key", KEY),), **options):
    return websockets.connect(url(service, path), extra_headers=list(headers), open_timeout=PATIENCE, max_size=None, **options)


async def frame(socket, path):
    """The next frame, checked against the contract."""
    return CONTRACT.check_frame(path.split("?")[0], "receive", await asyncio.wait_for(socket.recv(), PATIENCE))


async def frames_until(socket, path, wanted):
    seen = []
    while not seen or not wanted(seen[-1]):
        seen.append(await frame(socket, path))
    return seen


def refused(service, path, headers=(), status=403, **options):
    async def attempt():
        with pytest.raises(websockets.InvalidStatusCode) as refusal:
            async with connect(service, path, headers, **options):
                pass
        assert refusal.value.status_code == status

    asyncio.run(attempt())


@pytest.fixture
def engine(tmp_path):
    return FakeEngine(tmp_path / "engine", tokens=200, ms_per_token=10)


@pytest.fixture
def chat(make_service, engine):
    """A service with a deployment on the stand-in engine, and the path of a session's socket."""
    service = make_service(**engine.environment, LLM_MANAGER_CHAT_TITLES="off")
    service.pull("demo:tiny-chat")
    service.deploy("demo:tiny-chat", name="tiny")
    return service, f"/ws/v1/chat/{new_session(service)}"


def new_session(service):
    return service.data("POST", "/api/v1/chat/sessions", {"deployment_id": "tiny"})["id"]


def test_events_are_a_snapshot_and_then_numbered_changes(service):
    path = "/ws/v1/events?topics=downloads,tasks"

    async def watch():
        async with connect(service, path) as socket:
            snapshots = [await frame(socket, path) for _ in range(2)]
            assert {event["topic"] for event in snapshots} == {"downloads", "tasks"}
            assert all(event["type"] == "snapshot" and event["data"] == {"items": []} for event in snapshots)
            download = await asyncio.to_thread(service.data, "POST", "/api/v1/downloads", {"ref": "demo:tiny-chat"})
            events = await frames_until(socket, path, lambda e: e["topic"] == "downloads" and e["data"].get("status") == "completed")
            return download, snapshots, events

    download, snapshots, events = asyncio.run(watch())
    numbers = [event["seq"] for event in events]
    assert numbers == sorted(set(numbers)) and numbers[0] > max(event["seq"] for event in snapshots)
    assert {event["type"] for event in events} <= {"created", "updated"}
    assert any(event["topic"] == "tasks" for event in events)
    assert events[-1]["data"]["id"] == download["id"]

    async def come_back(since):
        async with connect(service, f"{path}&since={since}") as socket:
            return await frames_until(socket, path, lambda e: e["seq"] >= numbers[-1])

    half = len(numbers) // 2
    assert [event["seq"] for event in asyncio.run(come_back(numbers[half - 1]))][:len(numbers) - half] == numbers[half:]
    # A number that was never given out, or that another run of the service gave: a new snapshot tells the client.
    assert asyncio.run(come_back(numbers[-1] + 10_000))[0]["type"] == "snapshot"
    service.stop()
    service.start()
    assert asyncio.run(come_back(numbers[half - 1]))[0]["type"] == "snapshot"


def test_the_downloads_socket_tells_of_downloads_alone(service):
    path = "/ws/v1/downloads"

    async def watch():
        async with connect(service, path) as socket:
            assert (await frame(socket, path))["type"] == "snapshot"
            await asyncio.to_thread(service.data, "POST", "/api/v1/downloads", {"ref": "demo:tiny-chat"})
            return await frames_until(socket, path, lambda e: e["data"].get("status") == "completed")

    assert {event["topic"] for event in asyncio.run(watch())} == {"downloads"}


def test_an_unknown_topic_is_named_before_the_upgrade_or_in_the_close(service):
    async def attempt():
        try:
            async with connect(service, "/ws/v1/events?topics=weather") as socket:
                await asyncio.wait_for(socket.recv(), PATIENCE)
        except websockets.InvalidStatusCode as refusal:
            return refusal.status_code
        except websockets.ConnectionClosed as closed:
            return closed.code

    assert asyncio.run(attempt()) in (422, 1008)


@pytest.mark.parametrize("path", ["/ws/v1/events", "/ws/v1/downloads", "/ws/v1/chat/0199c0de-0000-7000-8000-000000000001"])
def test_who_may_connect(shared_service, path):
    refused(shared_service, path, status=401)
    refused(shared_service, path, [("X-API-Key", "wrong")], status=401)
    refused(shared_service, path, [("X-API-Key", KEY), ("Origin", "https://evil.example")], status=403)
    refused(shared_service, path, status=401, subprotocols=["llm-manager.v1", "bearer.wrong"])


def test_a_page_of_the_service_authenticates_by_subprotocol(shared_service):
    async def attempt():
        async with connect(shared_service, "/ws/v1/events", [("Origin", f"http://127.0.0.1:{shared_service.port}")],
                           subprotocols=["llm-manager.v1", f"bearer.{KEY}"]) as socket:
            assert socket.subprotocol == "llm-manager.v1"
            assert (await frame(socket, "/ws/v1/events"))["type"] == "snapshot"

    asyncio.run(attempt())


def test_a_session_that_is_not_there_is_404(shared_service):
    refused(shared_service, "/ws/v1/chat/0199c0de-0000-7000-8000-000000000001", [("X-API-Key", KEY)], status=404)
    refused(shared_service, "/ws/v1/chat/none", [("X-API-Key", KEY)], status=404)


def test_a_conversation_over_a_socket(chat):
    service, path = chat

    async def talk():
        async with connect(service, path) as socket:
            await socket.send(json.dumps({"type": "message", "content": "Hi"}))
            return await frames_until(socket, path, lambda e: e["type"] in ("message.end", "error"))

    events = asyncio.run(talk())
    assert [event["type"] for event in events][::len(events) - 1] == ["message.start", "message.end"]
    assert {event["type"] for event in events[1:-1]} == {"message.delta"}
    text = "".join(event["data"]["content"] for event in events[1:-1])
    assert text == "".join(f" word{number}" for number in range(200))
    stored = service.data("GET", f"/api/v1/chat/messages/{events[-1]['data']['message_id']}")
    assert (stored["content"], stored["status"]) == (text, "complete")


def test_a_stop_from_another_tab(chat, engine):
    service, path = chat

    async def talk():
        async with connect(service, path) as first, connect(service, path) as second:
            await first.send(json.dumps({"type": "message", "content": "Hi"}))
            await frames_until(first, path, lambda e: e["type"] == "message.delta")
            told = await frames_until(second, path, lambda e: e["type"] == "message.delta")
            await second.send(json.dumps({"type": "stop"}))
            one = await frames_until(first, path, lambda e: e["type"] == "message.end")
            two = await frames_until(second, path, lambda e: e["type"] == "message.end")
            return told, one[-1], two[-1]

    told, one, two = asyncio.run(talk())
    assert told[0]["type"] == "message.start"
    assert one == two and one["data"]["status"] == "partial" and one["data"]["finish_reason"] == "cancelled"
    assert engine.log("client_closed"), "the engine was not told"


def test_a_socket_that_comes_back_with_since_misses_nothing(chat):
    service, path = chat

    async def talk():
        text, since, ids = "", None, []
        while True:
            async with connect(service, path + (f"?since={since}" if since else "")) as socket:
                if since is None:
                    await socket.send(json.dumps({"type": "message", "content": "Hi"}))
                for _ in range(5):
                    event = await frame(socket, path)
                    ids.append(event["id"])
                    since = event["id"]
                    if event["type"] == "message.delta":
                        text += event["data"]["content"]
                    if event["type"] == "message.end":
                        return text, ids, event

    text, ids, end = asyncio.run(talk())
    assert len(ids) == len(set(ids)), "an event came twice"
    assert text == service.data("GET", f"/api/v1/chat/messages/{end['data']['message_id']}")["content"]
    assert end["data"]["status"] == "complete"

    async def replay():
        async with connect(service, f"{path}?since={ids[0]}") as socket:
            return await frames_until(socket, path, lambda e: e["type"] == "message.end")

    assert "".join(event["data"]["content"] for event in asyncio.run(replay())[:-1]) == text
    refused(service, f"{path}?since=nonsense", [("X-API-Key", KEY)], status=422)


BAD_FRAMES = ["", "{", "7", "[]", '"stop"', '{"type":"go"}', '{"type":"message"}', '{"type":"message","content":""}',
              '{"type":"message","content":"x","extra":1}', '{"type":"stop","type":"stop"}', '{"type":"message","content":"a\\u0000b"}',
              '{"type":"message","content":"x","parent_id":"y"}', "[" * 200, '{"type":"stop","content":"x"}']


def test_bad_frames_are_answered_and_the_socket_lives_on(chat):
    service, path = chat

    async def talk():
        async with connect(service, path) as socket:
            for bad in BAD_FRAMES:
                await socket.send(bad)
                event = await frame(socket, path)
                assert event["type"] == "error" and event["id"] is None, (bad, event)
                assert event["data"]["error"] in ("VALIDATION_FAILED", "MALFORMED_JSON"), bad
            await socket.send(b"{\"type\":\"stop\"}")  # nothing to stop, and binary is taken like text
            await socket.send(json.dumps({"type": "message", "content": "Hi", "parent_id": "0199c0de-0000-7000-8000-000000000001"}))
            event = await frame(socket, path)
            assert (event["type"], event["data"]["error"]) == ("error", "MESSAGE_NOT_FOUND")
            await socket.send(json.dumps({"type": "message", "content": "Hi"}))
            await frames_until(socket, path, lambda e: e["type"] == "message.delta")
            await socket.send(json.dumps({"type": "message", "content": "too early"}))
            event = (await frames_until(socket, path, lambda e: e["type"] == "error"))[-1]
            assert event["data"]["error"] == "STATE_CONFLICT"

    asyncio.run(talk())


@pytest.mark.parametrize("path", ["/ws/v1/events", "/ws/v1/downloads", None])
def test_a_frame_that_is_too_big_closes_the_socket(chat, path):
    service, chat_path = chat

    async def talk():
        async with connect(service, path or chat_path) as socket:
            with pytest.raises(websockets.ConnectionClosed):
                await socket.send("x" * (BIG + 1))
                while True:
                    await asyncio.wait_for(socket.recv(), PATIENCE)

    asyncio.run(talk())
    assert service.is_ready()


def test_bytes_that_are_no_text_close_the_socket(chat):
    service, path = chat

    async def talk():
        async with connect(service, path) as socket:
            with pytest.raises(websockets.ConnectionClosed) as closed:
                # A text frame with bytes that are no UTF-8 (RFC 6455 8.1: 1007).
                await socket.ensure_open()
                await socket.write_frame(True, 0x1, b"\xff\xfe")
                await asyncio.wait_for(socket.recv(), PATIENCE)
            return closed.value

    closed = asyncio.run(talk())
    assert closed.rcvd is None or closed.rcvd.code == 1007
    assert service.is_ready()


def test_a_plain_request_is_told_to_upgrade(shared_service):
    status, headers, answer = shared_service.request("GET", "/ws/v1/events")
    assert (status, answer["error"], headers["Upgrade"]) == (426, "UPGRADE_REQUIRED", "websocket")


def test_a_stop_of_the_service_tells_the_sockets(make_service):
    service = make_service("stopping")

    async def talk():
        async with connect(service, "/ws/v1/events") as socket:
            await frame(socket, "/ws/v1/events")
            await asyncio.to_thread(service.stop)
            with pytest.raises(websockets.ConnectionClosed) as closed:
                while True:
                    await asyncio.wait_for(socket.recv(), PATIENCE)
            return closed.value

    assert asyncio.run(talk()).code == 1001
