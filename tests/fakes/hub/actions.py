"""What goes wrong. An action changes the answer before it is sent, or the way in which it is sent, or both."""

import base64
import functools
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from hub.messages import Request, Response
from hub.repos import File
from hub.transport import Transport

Change = Callable[[dict, Request, Response, Transport], None]

PORTAL = (b"<!DOCTYPE html>\n<html><head><title>Network login</title></head>"
          b"<body><form action='/login'>Please accept the terms of use.</form></body></html>\n")
ZERO_BLOCK = 1 << 20  # bytes of the gzip bomb that one repeated deflate block unpacks to


@dataclass(frozen=True)
class Action:
    change: Change
    options: dict

    def apply(self, request: Request, response: Response, transport: Transport) -> None:
        self.change(self.options, request, response, transport)


@dataclass(frozen=True)
class Kind:
    change: Change
    required: frozenset[str] = field(default_factory=frozenset)
    optional: frozenset[str] = field(default_factory=frozenset)


KINDS: dict[str, Kind] = {}


def kind(name: str, required: str = "", optional: str = "") -> Callable[[Change], Change]:
    def register(change: Change) -> Change:
        KINDS[name] = Kind(change, frozenset(required.split()), frozenset(optional.split()))
        return change
    return register


def parse_action(raw: object) -> Action:
    if not isinstance(raw, dict) or raw.get("kind") not in KINDS:
        raise ValueError(f"action.kind must be one of {sorted(KINDS)}")
    options = {key: value for key, value in raw.items() if key != "kind"}
    known = KINDS[raw["kind"]]
    if missing := known.required - options.keys():
        raise ValueError(f"{raw['kind']}: {sorted(missing)} missing")
    if unknown := options.keys() - known.required - known.optional:
        raise ValueError(f"{raw['kind']}: unknown {sorted(unknown)}")
    return Action(known.change, options)


# On the wire. Byte counts are of the body; without `after` the fault comes before the first header byte.

@kind("latency", "seconds")
def _latency(options: dict, request: Request, response: Response, transport: Transport) -> None:
    transport.latency += options["seconds"]


@kind("rate", "bytes_per_second")
def _rate(options: dict, request: Request, response: Response, transport: Transport) -> None:
    transport.rate = options["bytes_per_second"]


@kind("trickle", "bytes_per_second", "after")
def _trickle(options: dict, request: Request, response: Response, transport: Transport) -> None:
    """Fast at first, then a few bytes a second for ever."""
    transport.slow_after, transport.slow_rate = options.get("after", 0), options["bytes_per_second"]


@kind("collapse", "bytes_per_second", "connections bytes")
def _collapse(options: dict, request: Request, response: Response, transport: Transport) -> None:
    """A source that breaks down under load: beyond so many connections at once, or so many bytes in all, every one of
    them is slow."""
    transport.load, transport.load_key = request.load, f"collapse {id(options)}"
    transport.load_connections, transport.load_bytes = options.get("connections"), options.get("bytes")
    transport.slow_rate = options["bytes_per_second"]


@kind("one_connection", optional="limit status")
def _one_connection(options: dict, request: Request, response: Response, transport: Transport) -> None:
    """Refuses every connection beyond `limit` that are in work (default 1)."""
    transport.load, transport.load_key = request.load, f"limit {id(options)}"
    if request.load.count(transport.load_key) >= options.get("limit", 1):
        transport.load = None
        _replace(response, options.get("status", 403), "text/plain", b"too many connections\n")


@kind("stall", optional="after seconds")
def _stall(options: dict, request: Request, response: Response, transport: Transport) -> None:
    transport.stop_at, transport.stop = options.get("after"), "stall"
    transport.stall_seconds = options.get("seconds")


@kind("reset", optional="after")
def _reset(options: dict, request: Request, response: Response, transport: Transport) -> None:
    transport.stop_at, transport.stop = options.get("after"), "reset"


@kind("truncate", "after")
def _truncate(options: dict, request: Request, response: Response, transport: Transport) -> None:
    transport.stop_at, transport.stop = options["after"], "close"


@kind("flip", "offset", "mask")
def _flip(options: dict, request: Request, response: Response, transport: Transport) -> None:
    transport.flips[options["offset"]] = options.get("mask", 0xFF)


@kind("endless", optional="bytes")
def _endless(options: dict, request: Request, response: Response, transport: Transport) -> None:
    response.encode_payload()
    if response.length == 0:
        response.set_body(b" " * 4096)
    response.chunked = True
    transport.endless = True
    transport.endless_bytes = options.get("bytes")


# In the answer.

@kind("ignore_range")
def _ignore_range(options: dict, request: Request, response: Response, transport: Transport) -> None:
    if response.status == 206:
        response.status = 200
        del response.headers["Content-Range"]
        response.start, response.length = 0, response.content.size


@kind("content_range", optional="start end total")
def _content_range(options: dict, request: Request, response: Response, transport: Transport) -> None:
    if response.status == 206:
        shift = 0 if options else 1
        start = options.get("start", response.start + shift)
        end = options.get("end", response.start + response.length - 1 + shift)
        response.headers["Content-Range"] = f"bytes {start}-{end}/{options.get('total', response.content.size)}"


@kind("status", "status", "retry_after")
def _status(options: dict, request: Request, response: Response, transport: Transport) -> None:
    _replace(response, options["status"], "text/plain", f"{options['status']} injected fault\n".encode())
    if "retry_after" in options:
        response.headers["Retry-After"] = str(options["retry_after"])


@kind("answer", optional="status text base64 json headers keep repeat")
def _answer(options: dict, request: Request, response: Response, transport: Transport) -> None:
    """Any answer at all: what a hostile hub would send."""
    body = base64.b64decode(options["base64"]) if "base64" in options else options.get("text", "").encode()
    if "json" in options:
        body = json.dumps(options["json"]).encode()
    kept = tuple(options.get("keep", ()))
    _replace(response, options.get("status", 200), "application/json" if "json" in options else "text/plain",
             body * options.get("repeat", 1), kept)
    response.headers |= options.get("headers", {})


@kind("edit", optional="set drop headers")
def _edit(options: dict, request: Request, response: Response, transport: Transport) -> None:
    """Changes members of the JSON that the hub would have sent: {"set": {"siblings.0.size": -1}, "drop": ["sha"]}."""
    for path, value in options.get("set", {}).items():
        *parents, last = path.split(".")
        node = _member(response.payload, parents)
        node[int(last) if isinstance(node, list) else last] = value
    for path in options.get("drop", ()):
        *parents, last = path.split(".")
        _member(response.payload, parents).pop(int(last) if last.isdigit() else last)
    response.headers |= options.get("headers", {})


@kind("many_files", "count")
def _many_files(options: dict, request: Request, response: Response, transport: Transport) -> None:
    """A listing of so many files, on one page."""
    rows = response.payload.get("siblings") if isinstance(response.payload, dict) else response.payload
    if not rows:
        return
    # Spliced in as text, and of few words: a million rows as objects would keep this program busy for a minute.
    listing = _listing("rfilename" if "rfilename" in rows[0] else "path", options["count"])
    rows[:] = ["ROWS"]
    response.set_body(json.dumps(response.payload).encode().replace(b'"ROWS"', listing))


@functools.lru_cache(maxsize=4)
def _listing(name: str, count: int) -> bytes:
    return ",".join([f'{{"type":"file","{name}":"part-{number}.gguf","size":1}}' for number in range(count)]).encode()


@kind("captive_portal")
def _captive_portal(options: dict, request: Request, response: Response, transport: Transport) -> None:
    _replace(response, 200, "text/html; charset=utf-8", PORTAL)


@kind("pointer")
def _pointer(options: dict, request: Request, response: Response, transport: Transport) -> None:
    file: File | None = request.file
    if file and file.sha256:
        _replace(response, 200, "text/plain; charset=utf-8", file.pointer, keep=("X-Repo-Commit",))
        response.headers["ETag"] = f'"{file.oid}"'


@kind("malformed_json")
def _malformed_json(options: dict, request: Request, response: Response, transport: Transport) -> None:
    if response.payload is not None:
        response.encode_payload()
        response.length //= 2


@kind("redirect", "location", "status")
def _redirect(options: dict, request: Request, response: Response, transport: Transport) -> None:
    _replace(response, options.get("status", 302), "text/plain", b"")
    response.headers["Location"] = options["location"]


@kind("redirect_loop", optional="status")
def _redirect_loop(options: dict, request: Request, response: Response, transport: Transport) -> None:
    _redirect({"location": request.target} | options, request, response, transport)


@kind("gzip_bomb", optional="size")
def _gzip_bomb(options: dict, request: Request, response: Response, transport: Transport) -> None:
    _replace(response, 200, response.headers.get("Content-Type", "text/plain"),
             gzip_zeros(options.get("size", 1 << 30) // ZERO_BLOCK))
    response.headers["Content-Encoding"] = "gzip"


# In what is said about files: tree, paths-info and blobs listings, and the headers of resolve.

@kind("wrong_size", optional="file value")
def _wrong_size(options: dict, request: Request, response: Response, transport: Transport) -> None:
    for entry in _file_entries(response, options.get("file")):
        size = options.get("value", entry["size"] + 1)
        entry["size"] = size
        if "lfs" in entry:
            entry["lfs"]["size"] = size
    if "X-Linked-Size" in response.headers:
        size = options.get("value", int(response.headers["X-Linked-Size"]) + 1)
        response.headers["X-Linked-Size"] = str(size)


@kind("missing_size", optional="file")
def _missing_size(options: dict, request: Request, response: Response, transport: Transport) -> None:
    for entry in _file_entries(response, options.get("file")):
        del entry["size"]
        entry.get("lfs", {}).pop("size", None)
    response.headers.pop("X-Linked-Size", None)


@kind("wrong_sha256", optional="file value")
def _wrong_sha256(options: dict, request: Request, response: Response, transport: Transport) -> None:
    def wrong(sha256: str) -> str:
        return options.get("value", sha256[::-1] if sha256 != sha256[::-1] else "0" * 64)

    for entry in _file_entries(response, options.get("file")):
        lfs = entry.get("lfs", {})
        lfs |= {key: wrong(lfs[key]) for key in ("oid", "sha256") if key in lfs}
    if "X-Linked-ETag" in response.headers:
        wrong_etag = f'"{wrong(response.headers["X-Linked-ETag"].strip(chr(34)))}"'
        response.headers |= {"X-Linked-ETag": wrong_etag, "ETag": wrong_etag}


def _member(node, path: list[str]):
    for name in path:
        node = node[int(name) if isinstance(node, list) else name]
    return node


def _replace(response: Response, status: int, content_type: str, body: bytes, keep: tuple[str, ...] = ()) -> None:
    """An answer by somebody else than the hub: nothing of the old one stays but what `keep` names."""
    response.status = status
    response.headers = {name: value for name, value in response.headers.items() if name in keep}
    response.headers["Content-Type"] = content_type
    response.chunked = False
    response.set_body(body)


def _file_entries(response: Response, path: str | None) -> Iterator[dict]:
    rows = response.payload.get("siblings", []) if isinstance(response.payload, dict) else response.payload or []
    for entry in rows:
        name = entry.get("path", entry.get("rfilename"))
        if "size" in entry and entry.get("type") != "directory" and path in (None, name):
            yield entry


@functools.lru_cache(maxsize=4)
def gzip_zeros(blocks: int) -> bytes:
    """One gzip member of `blocks` MiB of zeros. A full flush resets the compressor, so every block packs to the same
    bytes and is made only once."""
    zeros = bytes(ZERO_BLOCK)
    packer = zlib.compressobj(9, wbits=-15)
    packed = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)
    crc = 0
    for _ in range(blocks):
        crc = zlib.crc32(zeros, crc)
    header = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
    end = zlib.compressobj(9, wbits=-15).flush()
    trailer = crc.to_bytes(4, "little") + (blocks * ZERO_BLOCK % 2**32).to_bytes(4, "little")
    return header + packed * blocks + end + trailer
