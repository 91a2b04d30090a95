"""Puts the parts together: from a request to an answer, for both listeners."""

import secrets
import traceback

from hub import access
from hub.actions import Action
from hub.api import Api, not_found
from hub.cdn import Cdn
from hub.control import PREFIX as CONTROL, Control, LogEntry, RequestLog
from hub.faults import Faults
from hub.limits import RateLimiter
from hub.load import Load
from hub.messages import HubError, Moved, Request, Response
from hub.modelscope import ModelScope, is_modelscope
from hub.registry import Registry, is_registry
from hub.repos import Catalogue
from hub.resolve import Resolver
from hub.settings import Settings
from hub.signing import Signer
from hub.transport import Transport


class App:
    def __init__(self, catalogue: Catalogue, settings: Settings, cdn_url: str) -> None:
        signer = Signer()
        self._catalogue = catalogue
        self._settings = settings
        self._limiter = RateLimiter(settings)
        self._faults = Faults()
        self._log = RequestLog()
        self._load = Load()
        self._api = Api(catalogue, settings)
        self._resolver = Resolver(catalogue, settings, signer, cdn_url)
        self._registry = Registry(catalogue, settings, signer, cdn_url)
        self._modelscope = ModelScope(catalogue, settings, signer, cdn_url)
        self._cdn = Cdn(catalogue, settings, signer, self._registry)
        self._control = Control(catalogue, settings, self._limiter, self._faults, self._log, self._registry)

    def answer(self, request: Request) -> tuple[Response, Transport, LogEntry | None]:
        """Control requests are not logged and meet no faults."""
        transport = Transport()
        if request.role == "hub" and request.segments[0] == CONTROL:
            return _guarded(self._control.handle, request), transport, None
        if request.role == "cdn":
            self._cdn.identify(request)
        request.load = self._load
        entry = self._log.begin(request)
        actions: list[Action] = self._faults.select(request)
        response = _guarded(self._cdn.handle if request.role == "cdn" else self._other_hub(request), request)
        for action in actions:
            action.apply(request, response, transport)
        return response, transport, entry

    def _other_hub(self, request: Request):
        """The handler of the hub whose address this is: no two of them share one."""
        if is_registry(request.segments):
            return self._registry.handle
        return self._modelscope.handle if is_modelscope(request.segments) else self._hub

    def _hub(self, request: Request) -> Response:
        headers = {"X-Request-Id": f"Root=1-{secrets.token_hex(4)}-{secrets.token_hex(12)}",
                   "X-Powered-By": "huggingface-moon"}
        if "host" not in request.headers:
            return HubError(400, "Host header required").response()
        try:
            headers |= self._limiter.count(request)
            response = self._route(request)
        except (HubError, Moved) as error:
            response = error.response()
        response.headers = headers | response.headers
        return response

    def _route(self, request: Request) -> Response:
        caller = access.identify(request, self._catalogue, self._settings)
        segments = request.segments
        if segments[:2] == ["api", "resolve-cache"]:
            return self._resolver.from_cache(request, caller)
        if segments[0] == "api":
            return self._api.handle(request, caller)
        if "resolve" in segments:
            return self._resolver.resolve(request, caller)
        raise not_found()


def _guarded(handler, request: Request) -> Response:
    try:
        return handler(request)
    except HubError as error:
        return error.response()
    except Exception:  # a defect of this program: say so to the test rather than drop the connection
        traceback.print_exc()
        return HubError(500, "defect in the test hub, see its stderr").response()
