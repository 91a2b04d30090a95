"""Server-sent events of a reply, read byte by byte by a client that may leave at any moment."""

import http.client
import json
from contextlib import contextmanager

from openapi import parse_events
from service import KEY, PATIENCE


@contextmanager
def stream(service, method, path, body=None, last=None):
    """An open event stream: (status, response)."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=PATIENCE)
    headers = {"X-API-Key": KEY, "Content-Type": "application/json", **({"Last-Event-ID": last} if last else {})}
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        yield connection.getresponse()
    finally:
        connection.close()


class Reader:
    """What one client makes of the events of a reply, over any number of connections."""

    def __init__(self):
        self.last, self.text, self.end, self.ids, self.restarts = None, "", None, [], 0

    def take(self, event):
        data = json.loads(event.data)
        if event.type == "message.queued":
            return  # no part of the reply
        if event.type == "message.start":
            self.restarts += bool(self.ids)  # the service lost what it had told: begin anew
            self.ids, self.text = [], ""
        assert event.id not in self.ids, f"event {event.id} came twice"
        self.ids.append(event.id)
        self.last = event.id
        if event.type == "message.start":
            pass
        elif event.type == "message.delta":
            self.text += data["content"]
        else:
            self.end = (event.type, data)

    def read(self, response, at_most=None):
        """Takes whole events until the stream's end, or until so many have come."""
        buffer, taken = b"", 0
        while at_most is None or taken < at_most:
            line = response.readline()
            if not line:
                return False
            buffer += line
            if line != b"\n":
                continue
            for event in parse_events(buffer.decode()):
                self.take(event)
                taken += 1
            buffer = b""
        return True

    @property
    def message_id(self):
        return self.last.split(".")[0]
