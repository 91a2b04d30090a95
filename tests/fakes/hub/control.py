"""/__control/…: how a test arranges the hub while it runs."""

import json
import threading
import time
from dataclasses import dataclass

from hub import loader
from hub.faults import Faults
from hub.limits import RateLimiter
from hub.messages import HubError, Request, Response, json_response
from hub.registry import Registry
from hub.repos import Catalogue
from hub.settings import Settings

PREFIX = "__control"
# A client has the last byte before the thread that sent it has noted so; who then asks for the log waits for that, at
# most this many seconds: an exchange that a fault holds up stays open.
SETTLE_SECONDS = 0.5


@dataclass
class LogEntry:
    seq: int
    time: float
    host: str  # "hub" | "cdn"
    method: str
    path: str
    query: str
    file: str  # CDN: /org/name/path behind the signed URL
    range: str | None
    authorization: bool  # whether the header was there; its value is never kept
    status: int | None = None  # None: no answer was begun
    sent: int = 0  # body bytes
    done: bool = False  # the exchange is over, well or not


class RequestLog:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[LogEntry] = []
        self._last = 0

    def begin(self, request: Request) -> LogEntry:
        with self._lock:
            self._last += 1
            entry = LogEntry(self._last, time.time(), request.role, request.method, request.path, request.raw_query,
                             request.label, request.headers.get("range"), "authorization" in request.headers)
            self._entries.append(entry)
            return entry

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()

    def describe(self) -> list[dict]:
        with self._lock:
            entries = list(self._entries)
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline and not all(entry.done for entry in entries):
            time.sleep(0.002)
        return [dict(vars(entry)) for entry in entries]


class Control:
    def __init__(self, catalogue: Catalogue, settings: Settings, limiter: RateLimiter, faults: Faults,
                 log: RequestLog, registry: Registry) -> None:
        self._catalogue = catalogue
        self._settings = settings
        self._limiter = limiter
        self._faults = faults
        self._log = log
        self._registry = registry

    def handle(self, request: Request) -> Response:
        try:
            return self._route(request)
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise HubError(400, str(error)) from error

    def _route(self, request: Request) -> Response:
        match [request.method, *request.segments[1:]]:
            case ["POST", "faults"]:
                self._faults.add(json.loads(request.body))
                return json_response(self._faults.describe())
            case ["GET", "faults"]:
                return json_response(self._faults.describe())
            case ["DELETE", "faults"]:
                self._faults.clear()
                return json_response([])
            case ["GET", "log"]:
                return json_response(self._log.describe())
            case ["DELETE", "log"]:
                self._log.clear()
                return json_response([])
            case ["GET", "settings"]:
                return json_response(vars(self._settings))
            case ["POST", "settings"]:
                self._settings.update(json.loads(request.body))
                self._limiter.reset()
                return json_response(vars(self._settings))
            case ["POST", "repos"]:
                repo = loader.add(self._catalogue, json.loads(request.body))
                refs = {ref: snapshot.commit for ref, snapshot in repo.refs.items()} if repo else {}
                return json_response({"refs": refs})
            case ["POST", "ollama"]:
                return json_response(self._registry.add(json.loads(request.body)))
            case ["DELETE", "repos", kind, *repo_id]:
                if not self._catalogue.remove(kind, "/".join(repo_id)):
                    raise HubError(404, "no such repository")
                return json_response({})
        raise HubError(404, "no such control")
