"""Sessions, messages and replies from outside, with the stand-in engine."""

import json
import random
import threading
import time

import pytest
from engine import FakeEngine
from service import KEY, until
from streams import Reader, stream


def deployed(make_service, folder, environment=None, **script):
    engine = FakeEngine(folder / "engine", **script)
    service = make_service(**{**engine.environment, "LLM_MANAGER_CHAT_TITLES": "off", **(environment or {})})
    service.pull("demo:tiny-chat")
    service.deploy("demo:tiny-chat", name="tiny")
    return service, engine


def new_session(service, **more):
    return service.data("POST", "/api/v1/chat/sessions", {"deployment_id": "tiny", **more})


def say(service, session, content, **more):
    return service.data("POST", f"/api/v1/chat/sessions/{session['id']}/messages", {"content": content, **more})


def test_a_tree_of_messages(make_service, tmp_path):
    service, _ = deployed(make_service, tmp_path)
    session = new_session(service)
    base = f"/api/v1/chat/sessions/{session['id']}"
    first = say(service, session, "one")
    again = service.data("POST", f"/api/v1/chat/messages/{first['id']}/regenerate")
    assert again["parent_id"] == first["parent_id"] and again["id"] != first["id"]
    versions = service.data("GET", f"/api/v1/chat/messages/{first['id']}/siblings")["items"]
    assert [version["id"] for version in versions] == [first["id"], again["id"]]
    edited = say(service, session, "two", edit_of=first["parent_id"])
    assert service.data("GET", f"/api/v1/chat/messages/{edited['parent_id']}")["parent_id"] is None
    assert service.data("GET", base)["active_message_id"] == edited["id"]

    chosen = service.data("PATCH", base, {"active_message_id": first["parent_id"]})
    assert chosen["active_message_id"] == again["id"]
    more = say(service, session, "three")
    branch = service.data("GET", f"{base}/messages?branch=active")["items"]
    assert [message["id"] for message in branch] == [more["id"], more["parent_id"], again["id"], first["parent_id"]]
    other = service.data("GET", f"{base}/messages?branch={edited['id']}&sort=created_at")["items"]
    assert [message["content"] for message in other] == ["two", "You said: two"]
    assert len(service.data("GET", f"{base}/messages")["items"]) == 7
    assert service.error("POST", "/api/v1/chat/messages/0199c0de-0000-7000-8000-000000000001/regenerate") == "MESSAGE_NOT_FOUND"
    assert service.error("GET", f"{base}/messages?branch=x") == "VALIDATION_FAILED"
    assert service.error("POST", f"{base}/messages", {"content": "x", "edit_of": "0199c0de-0000-7000-8000-000000000001"}) == "MESSAGE_NOT_FOUND"


def test_search_folders_and_tags(make_service, tmp_path):
    service, _ = deployed(make_service, tmp_path)
    work = new_session(service, name="Work", folder="工作", tags=["gpu", "计划"])
    home = new_session(service, name="Home")
    say(service, work, "大语言模型的显存占用怎么计算？")
    say(service, home, "What is the capital of France?", attachments=[{"name": "notes.txt", "content": "Lyon is a zephyr town"}])

    def found(query):
        return [(hit["session_name"], hit["role"]) for hit in service.data("GET", f"/api/v1/chat/search?q={query}")["items"]]

    from urllib.parse import quote
    assert found(quote("显存")) == [("Work", "assistant"), ("Work", "user")]  # the stand-in repeats the question
    assert found(quote("语言模型")) == [("Work", "assistant"), ("Work", "user")]
    assert found("paris") == [("Home", "assistant")]
    assert found("zeph") == [("Home", "user")]
    assert found(quote("下载")) == []
    assert "显存" in service.data("GET", f"/api/v1/chat/search?q={quote('显存')}")["items"][0]["excerpt"]
    assert service.error("GET", "/api/v1/chat/search") == "VALIDATION_FAILED"

    def named(filters):
        return [session["name"] for session in service.data("GET", f"/api/v1/chat/sessions?{filters}")["items"]]

    assert named(f"folder={quote('工作')}") == ["Work"] and named("folder=") == ["Home"]
    assert named(f"tag={quote('计划')}") == ["Work"] and named("tag=none") == []
    changed = service.data("PATCH", f"/api/v1/chat/sessions/{work['id']}", {"folder": "", "tags": []})
    assert (changed["folder"], changed["tags"]) == (None, [])


def test_export_and_import(make_service, tmp_path):
    service, _ = deployed(make_service, tmp_path)
    session = new_session(service, name="Reise nach 巴黎", folder="f", tags=["t"], config={"system_prompt": "Be brief."})
    first = say(service, session, "What is the capital of France?", attachments=[{"name": "a.txt", "content": "x"}])
    service.data("POST", f"/api/v1/chat/messages/{first['id']}/regenerate")
    path = f"/api/v1/chat/sessions/{session['id']}/export"
    status, headers, whole = service.request("GET", path + "?format=json")
    assert status == 200 and headers["Content-Disposition"] == 'attachment; filename="Reise-nach.json"'
    assert len(whole["data"]["messages"]) == 3

    for body in (whole, whole["data"]):
        status, headers, answer = service.request("POST", "/api/v1/chat/sessions/import?deployment_id=tiny", body)
        assert status == 201, answer
        copy = answer["data"]
        assert (copy["name"], copy["folder"], copy["tags"], copy["config"]) == ("Reise nach 巴黎", "f", ["t"], {"system_prompt": "Be brief."})
        messages = service.data("GET", f"/api/v1/chat/sessions/{copy['id']}/messages")["items"]
        assert [(m["role"], m["content"], m["status"], m["attachments"]) for m in messages] == \
            [(m["role"], m["content"], m["status"], m["attachments"]) for m in whole["data"]["messages"]]
        assert messages[1]["parent_id"] == messages[2]["parent_id"] == messages[0]["id"] != first["parent_id"]
        assert copy["active_message_id"] == messages[2]["id"]
        assert say(service, copy, "And of Spain?")["status"] == "complete"

    status, headers, text = service.request("GET", path + "?format=markdown")
    text = text.decode()
    assert headers["Content-Type"] == "text/markdown; charset=utf-8"
    assert text.startswith("# Reise nach 巴黎\n\n## System\n\nBe brief.\n\n## User\n\nWhat is the capital of France?")
    assert text.count("## Assistant") == 1, "only the active branch"

    bad = json.loads(json.dumps(whole["data"]))
    bad["messages"][0]["parent_id"] = bad["messages"][2]["id"]
    status, _, answer = service.request("POST", "/api/v1/chat/sessions/import", bad)
    assert status == 422 and "messages.0.parent_id" in answer["details"]
    assert service.error("POST", "/api/v1/chat/sessions/import", {"format": "other"}) == "VALIDATION_FAILED"


def test_a_stream_that_is_cut_anywhere_is_continued(make_service, tmp_path):
    service, _ = deployed(make_service, tmp_path, tokens=400, ms_per_token=3)
    session = new_session(service)
    chances = random.Random(5)
    for way in ("GET", "POST"):
        reader, path, rounds = Reader(), f"/api/v1/chat/sessions/{session['id']}/messages", 0
        body = {"content": "Hi", "stream": True}
        with stream(service, "POST", path, body) as response:
            reader.read(response, at_most=3)
        while reader.end is None:
            time.sleep(chances.random() * 0.05)
            watched = (way, path, body) if way == "POST" else ("GET", f"/api/v1/chat/messages/{reader.message_id}/events")
            with stream(service, *watched, last=reader.last) as response:
                assert response.status == 200
                reader.read(response, at_most=chances.randint(1, 20))
            rounds += 1
        assert rounds > 3 and reader.restarts == 0
        assert reader.text == "".join(f" word{n}" for n in range(400))
        assert reader.end[1]["status"] == "complete"
        with stream(service, "GET", f"/api/v1/chat/messages/{reader.message_id}/events", last=reader.last) as response:
            assert response.status == 204
        replay = Reader()
        with stream(service, "GET", f"/api/v1/chat/messages/{reader.message_id}/events") as response:
            replay.read(response)
        assert (replay.text, replay.end) == (reader.text, reader.end)
    assert service.data("GET", f"/api/v1/chat/sessions/{session['id']}")["message_count"] == 4


def test_many_watchers_and_a_slow_one(make_service, tmp_path):
    service, _ = deployed(make_service, tmp_path, tokens=300, ms_per_token=3)
    session = new_session(service)
    first = Reader()
    with stream(service, "POST", f"/api/v1/chat/sessions/{session['id']}/messages", {"content": "Hi", "stream": True}) as response:
        first.read(response, at_most=2)
        readers = [Reader() for _ in range(20)]

        def watch(reader):
            with stream(service, "GET", f"/api/v1/chat/messages/{first.message_id}/events") as watched:
                reader.read(watched)

        threads = [threading.Thread(target=watch, args=(reader,)) for reader in readers]
        with stream(service, "GET", f"/api/v1/chat/messages/{first.message_id}/events") as idle:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
            slow = Reader()
            slow.read(idle)  # only now
        first.read(response)
    assert {reader.text for reader in [*readers, slow, first]} == {"".join(f" word{n}" for n in range(300))}


def test_an_unwatched_reply_ends_after_its_time(make_service, tmp_path):
    service, engine = deployed(make_service, tmp_path, {"LLM_MANAGER_CHAT_UNWATCHED_SECONDS": "1"}, tokens=100_000, ms_per_token=5)
    session = new_session(service)
    path = f"/api/v1/chat/sessions/{session['id']}/messages"
    reader = Reader()
    with stream(service, "POST", path, {"content": "Hi", "stream": True}) as response:
        reader.read(response, at_most=3)
    left = time.monotonic()
    until(lambda: engine.log("client_closed"), "the engine is told")
    assert 0.8 < time.monotonic() - left < 20
    message = until(lambda: next((m for m in [service.data("GET", f"/api/v1/chat/messages/{reader.message_id}")]
                                  if m["status"] != "streaming"), None), "the reply has ended")
    assert message["status"] == "partial" and message["content"].startswith(reader.text)

    detached = service.data("POST", path, {"content": "Hi", "detached": True}, expect=(202,))
    assert detached["status"] == "streaming"
    time.sleep(1.5)
    assert service.data("GET", f"/api/v1/chat/messages/{detached['id']}")["status"] == "streaming"
    assert service.data("POST", f"/api/v1/chat/messages/{detached['id']}/stop")["status"] == "partial"


def test_who_waits_for_the_whole_answer_and_leaves_stops_it(make_service, tmp_path):
    service, engine = deployed(make_service, tmp_path, tokens=100_000, ms_per_token=5)
    session = new_session(service)
    with stream_request(service, f"/api/v1/chat/sessions/{session['id']}/messages", {"content": "Hi"}):
        until(lambda: engine.log("request"), "the engine is asked")
        time.sleep(0.3)
        assert not engine.log("client_closed")
    until(lambda: engine.log("client_closed"), "the engine is told")


def stream_request(service, path, body):
    """A request whose answer nobody reads."""
    import http.client
    from contextlib import closing
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    connection.request("POST", path, json.dumps(body), {"X-API-Key": KEY, "Content-Type": "application/json"})
    return closing(connection)


def test_a_killed_service_keeps_what_it_had_stored(make_service, tmp_path):
    service, _ = deployed(make_service, tmp_path, tokens=2000, ms_per_token=5)
    session = new_session(service)
    reader = Reader()
    with stream(service, "POST", f"/api/v1/chat/sessions/{session['id']}/messages", {"content": "Hi", "stream": True}) as response:
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            reader.read(response, at_most=1)
        told = reader.text
        service.kill()
    service.start()
    message = service.data("GET", f"/api/v1/chat/messages/{reader.message_id}")
    assert message["status"] == "partial" and message["metadata"]["error"]["error"] == "INTERNAL"
    assert told.startswith(message["content"]) and message["content"]
    # 5 ms a word: what is missing was written within the last second.
    assert len(told.split()) - len(message["content"].split()) <= 200
    with stream(service, "GET", f"/api/v1/chat/messages/{reader.message_id}/events", last=reader.last) as response:
        reader.read(response)
    assert reader.text == message["content"] and reader.end[0] == "error"


@pytest.mark.parametrize("policy,fits", [("drop", True), ("error", False)])
def test_a_conversation_that_outgrows_the_context(make_service, tmp_path, policy, fits):
    service, engine = deployed(make_service, tmp_path, reply="yes")
    session = new_session(service, config={"context_policy": policy})
    answers = []
    for number in range(8):
        status, _, answer = service.request("POST", f"/api/v1/chat/sessions/{session['id']}/messages",
                                            {"content": f"{number} " + "x" * 2400})
        answers.append((status, answer))
    contexts = [answer["data"]["metadata"].get("context") for status, answer in answers if status == 200]
    if fits:
        assert len(contexts) == 8 and contexts[0] is None and contexts[-1]["dropped_messages"] > 0
        assert contexts[-1]["policy"] == "drop" and contexts[-1]["prompt_tokens"] <= contexts[-1]["context_size"]
    else:
        assert answers[-1][0] == 422 and answers[-1][1]["error"] == "CONTEXT_EXCEEDED"
    assert engine.log("request")


def test_the_real_engine_counts_drops_and_names(make_service):
    service = make_service()
    service.pull("demo:tiny-chat")
    service.deploy("demo:tiny-chat", name="tiny", config={"context_size": 512})
    session = new_session(service, config={"temperature": 0, "max_tokens": 24})
    last = None
    for number in range(6):
        last = say(service, session, f"{number}: What is the capital of France? " + "It is a nice country. " * 12)
        assert last["status"] == "complete"
    context = last["metadata"]["context"]
    assert context["policy"] == "drop" and context["dropped_messages"] >= 2
    assert 0 < context["prompt_tokens"] <= context["context_size"]
    until(lambda: service.data("GET", f"/api/v1/chat/sessions/{session['id']}")["name"] != "New chat", "a name was generated")
