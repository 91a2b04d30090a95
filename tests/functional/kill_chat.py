"""Many chats of every kind while the engine and the manager are killed at random; afterwards everything is counted.

What must hold, whatever died when:
- every message that a client sent is stored exactly once,
- no reply has text that the engine did not send: it is a beginning of what the engine says to that question,
- what is `complete` is all of it, and nothing is left `streaming`,
- what a client put together from events, over any number of connections, is what is stored,
- the usage has one row for each reply, and one for each request to the gateway that got so far as to be answered.
"""

import http.client
import json
import os
import random
import signal
import threading
import time
import uuid
from collections import Counter

from service import KEY, until
from streams import Reader, stream

WORDS = "river stone lamp cloud paper engine window garden winter bridge".split()


class Storm:
    def __init__(self, service, chats, seed, workers=4, pause=(1.0, 4.0)):
        self.service, self.chats, self.workers, self.pause = service, chats, workers, pause
        self.chances = random.Random(seed)
        self.lock, self.over = threading.Lock(), threading.Event()
        # The manager may be away; whoever wants it waits here.
        self.alive = threading.Event()
        self.alive.set()
        self.sent, self.read, self.kills, self.failures = {}, [], Counter(), []
        self.gateway = Counter()
        self.left = chats

    def run(self):
        killer = threading.Thread(target=self.kill)
        threads = [threading.Thread(target=self.work, args=(number,)) for number in range(self.workers)]
        for thread in [killer, *threads]:
            thread.start()
        for thread in threads:
            thread.join()
        self.over.set()
        killer.join()
        assert not self.failures, self.failures[0]

    def kill(self):
        while not self.over.wait(self.chances.uniform(*self.pause)):
            try:
                if self.chances.random() < 0.5:
                    for pid in self.service.engines():
                        os.kill(pid, signal.SIGKILL)
                        self.kills["engine"] += 1
                else:
                    self.alive.clear()
                    self.service.kill()
                    self.kills["manager"] += 1
                    self.service.start()
                    self.alive.set()
            except ProcessLookupError:
                pass
            except Exception as error:  # the workers must not wait for ever
                self.failures.append(error)
                self.over.set()
                self.alive.set()
                return

    def work(self, number):
        chances = random.Random(self.chances.random() + number)
        try:
            while True:
                with self.lock:
                    if self.left == 0 or self.failures:
                        return
                    self.left -= 1
                self.chat(chances)
        except Exception as error:
            self.failures.append(error)

    def call(self, method, path, body=None):
        """An answer of the service, however often it dies on the way. Only for what may be asked twice."""
        end = time.monotonic() + 120
        while time.monotonic() < end:
            self.alive.wait(60)
            try:
                status, _, answer = self.service.request(method, path, body)
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)
                continue
            if status in (502, 503, 504, 409) and method == "POST":
                return status, answer
            if status < 500:
                return status, answer
            time.sleep(0.05)
        raise AssertionError(f"{method} {path}: no answer")

    def chat(self, chances):
        session = self.call("POST", "/api/v1/chat/sessions", {"deployment_id": "tiny"})[1]["data"]["id"]
        messages = f"/api/v1/chat/sessions/{session}/messages"
        last = None
        for _ in range(chances.randint(1, 3)):
            content = " ".join([uuid.uuid4().hex, *chances.choices(WORDS, k=chances.randint(5, 40))])
            edits = {"edit_of": last["parent_id"]} if last and chances.random() < 0.3 else {}
            with self.lock:
                self.sent[content] = session
            last = self.say(session, messages, content, edits, chances)
            if chances.random() < 0.5:
                self.ask_gateway(content, stream=chances.random() < 0.5)
            if last and chances.random() < 0.3:
                self.try_request("POST", f"/api/v1/chat/messages/{last['id']}/regenerate", {})
                self.until_quiet(messages)

    def until_running(self):
        """An engine that was killed often enough is given up; somebody has to want it again."""

        def is_running():
            _, answer = self.call("GET", "/api/v1/deployments/tiny")
            if answer["data"]["status"] in ("failed", "stopped"):
                self.try_request("POST", "/api/v1/deployments/tiny/start", None)
            return answer["data"]["status"] == "running"

        until(is_running, "the engine runs", 120)

    def say(self, session, messages, content, edits, chances):
        """Sends until it is stored, as a careful client does: it looks before it sends again."""
        end = time.monotonic() + 120
        while time.monotonic() < end:
            self.until_running()
            body = {"content": content, **edits}
            if chances.random() < 0.6:
                self.stream(messages, {**body, "stream": True}, chances)
            else:
                self.try_request("POST", messages, body)
            found = [m for m in self.all_messages(messages) if m["role"] == "user" and m["content"] == content]
            if found:
                self.until_quiet(messages)
                replies = [m for m in self.all_messages(messages) if m["parent_id"] == found[0]["id"]]
                return replies[-1] if replies else None
            time.sleep(0.05)
        raise AssertionError("a message was never stored")

    def try_request(self, method, path, body):
        try:
            self.service.request(method, path, body)
        except (OSError, http.client.HTTPException):
            pass

    def ask_gateway(self, content, stream):
        """One request of a program. It is told what came of it or is cut off; nobody asks again."""
        self.alive.wait(60)
        connection = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=120)
        came_to = "cut off"
        try:
            connection.request("POST", "/v1/chat/completions", json.dumps(
                {"model": "tiny", "stream": stream, "messages": [{"role": "user", "content": content}]}),
                {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"})
            response = connection.getresponse()
            came_to = "answered"
            response.read()
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        with self.lock:
            self.gateway[came_to] += 1

    def stream(self, messages, body, chances):
        """Reads the reply in pieces, coming back after every cut."""
        reader, path, method = Reader(), messages, "POST"
        end = time.monotonic() + 120
        while reader.end is None and time.monotonic() < end:
            self.alive.wait(60)
            try:
                with stream(self.service, method, path, body, last=reader.last) as response:
                    if response.status != 200:
                        if reader.last is None:
                            return  # refused before there was anything
                        continue
                    cut = None if chances.random() < 0.5 else chances.randint(1, 12)
                    if reader.last is None and cut is not None:
                        cut = max(cut, 1)
                    reader.read(response, at_most=cut)
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)
            if reader.last is None:
                return
            path, method, body = f"/api/v1/chat/messages/{reader.message_id}/events", "GET", None
        assert reader.end, "a reply never ended"
        with self.lock:
            self.read.append(reader)

    def all_messages(self, messages):
        return self.call("GET", messages + "?limit=200")[1]["data"]["items"]

    def until_quiet(self, messages):
        until(lambda: not [m for m in self.all_messages(messages) if m["status"] == "streaming"], "the reply ends", 120)

    def usage(self):
        """Rows by dialect."""
        groups = self.call("GET", "/api/v1/usage?group_by=dialect")[1]["data"]["items"]
        return Counter({group["dialect"]: group["requests"] for group in groups})

    def count(self):
        """Checks what is stored; answers what there was."""
        statuses, users = Counter(), Counter()
        by_id = {}
        for session in set(self.sent.values()):
            for message in self.all_messages(f"/api/v1/chat/sessions/{session}/messages"):
                by_id[message["id"]] = message
        for message in by_id.values():
            if message["role"] == "user":
                users[message["content"]] += 1
                continue
            statuses[message["status"]] += 1
            says = "You said: " + by_id[message["parent_id"]]["content"]
            assert says.startswith(message["content"]), message
            assert message["status"] != "complete" or message["content"] == says, message
            assert message["status"] in ("complete", "partial", "failed"), message
        assert users == Counter(self.sent.keys()), "a message was lost or is there twice"
        rows = self.usage()
        assert rows["chat"] == statuses.total(), (rows, statuses)
        # One that was cut off may never have reached the service.
        assert self.gateway["answered"] <= rows["openai"] <= self.gateway.total(), (rows, self.gateway)
        for reader in self.read:
            stored = by_id[reader.message_id]
            assert reader.text == stored["content"], (reader.text, stored)
        return {"usage": rows, "gateway": dict(self.gateway), "chats": self.chats, "messages": len(self.sent), "replies": dict(statuses), "streams": len(self.read),
                "restarts_seen": sum(reader.restarts for reader in self.read), "kills": dict(self.kills)}
