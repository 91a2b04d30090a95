"""What handlers take and give: requests, responses and the errors of the Hub."""

import json
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote

from hub.content import EMPTY, BytesContent, Content
from hub.repos import File


@dataclass
class Request:
    role: str  # "hub" or "cdn": the listener it came in by
    method: str
    target: str  # as sent
    headers: dict[str, str]  # names in lower case
    body: bytes
    client: str  # address of the peer
    file: File | None = None  # set by the handler that found one; faults use it
    label: str = ""  # CDN only: /org/name/path of the file behind the signed URL
    load: "object | None" = None  # what all connections together do now, for faults that depend on it

    @property
    def raw_path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def path(self) -> str:
        return unquote(self.raw_path)

    @property
    def raw_query(self) -> str:
        return self.target.partition("?")[2]

    @property
    def segments(self) -> list[str]:
        """Decoded one by one, so that an encoded slash stays inside its segment."""
        return [unquote(segment) for segment in self.raw_path.strip("/").split("/")]

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(self.raw_query, keep_blank_values=True)

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.query if key == name]

    def value(self, name: str) -> str | None:
        return next(iter(self.values(name)), None)

    def flag(self, name: str) -> bool:
        return (self.value(name) or "").lower() in ("true", "1")

    def base_url(self) -> str:
        """The hub as the client addressed it."""
        return f"http://{self.headers['host']}"


@dataclass
class Response:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    content: Content = EMPTY
    start: int = 0  # the body is content[start : start + length]
    length: int | None = None  # None: to the end of the content
    chunked: bool = False
    payload: object = None  # a JSON value, encoded as late as possible so that faults can change it

    def __post_init__(self) -> None:
        if self.length is None:
            self.length = self.content.size - self.start

    def set_body(self, data: bytes) -> None:
        self.content, self.start, self.length, self.payload = BytesContent(data), 0, len(data), None

    def encode_payload(self) -> None:
        if self.payload is not None:
            self.set_body(json.dumps(self.payload, ensure_ascii=False, separators=(",", ":")).encode())


def json_response(payload: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(status, {"Content-Type": "application/json; charset=utf-8"} | (headers or {}), payload=payload)


def text_response(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    headers = {"Content-Type": "text/plain; charset=utf-8"} | (headers or {})
    return Response(status, headers, BytesContent(text.encode()))


class HubError(Exception):
    """An error answer in the Hub's form."""

    def __init__(self, status: int, message: str, code: str | None = None, *, plain: bool = False,
                 headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.plain = plain
        self.headers = headers or {}

    def response(self) -> Response:
        headers = {"X-Error-Code": self.code} if self.code else {}
        headers |= {"X-Error-Message": self.message} | self.headers
        if self.plain:
            return text_response(self.status, self.message, headers)
        return json_response({"error": self.message}, self.status, headers)


class Moved(Exception):
    """The repository has another name: the same request has to go to `location`."""

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.location = location

    def response(self) -> Response:
        return redirect(307, self.location)


def redirect(status: int, location: str, headers: dict[str, str] | None = None) -> Response:
    phrase = {302: "Found", 307: "Temporary Redirect"}.get(status, "Redirect")
    return text_response(status, f"{phrase}. Redirecting to {location}", {"Location": location} | (headers or {}))


def quote_path(path: str) -> str:
    return quote(path, safe="/")


_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class RangeNotSatisfiable(Exception):
    pass


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First byte and length of the one range asked for. Anything else than one well-formed range counts as none."""
    match = _RANGE.fullmatch(header or "")
    if not match or match[0] == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        length = min(int(last), size)
        start, end = size - length, size - 1
    else:
        start, end = int(first), min(int(last) if last else size, size - 1)
        if last and int(last) < start:
            return None
    if start >= size:
        raise RangeNotSatisfiable
    return start, end - start + 1


def ranged(content: Content, range_header: str | None, headers: dict[str, str]) -> Response:
    """200, 206 or 416 for a request of `content`."""
    headers = {"Accept-Ranges": "bytes"} | headers
    try:
        found = parse_range(range_header, content.size)
    except RangeNotSatisfiable:
        return Response(416, headers | {"Content-Range": f"bytes */{content.size}"})
    if not found:
        return Response(200, headers, content)
    start, length = found
    headers |= {"Content-Range": f"bytes {start}-{start + length - 1}/{content.size}"}
    return Response(206, headers, content, start, length)
