"""Hostile bytes at the door: each gets a clear 4xx or is cut off, and the service lives on."""

import json
import re
import socket
import time

import pytest
from service import CONTRACT, KEY

LONG = "a" * 9000
HEAD = f"Host: localhost\r\nX-API-Key: {KEY}\r\n"
JSON = HEAD + "Content-Type: application/json\r\n"


def request(line="GET /api/v1/models HTTP/1.1", headers=HEAD, body=""):
    return f"{line}\r\n{headers}\r\n{body}".encode("latin-1", "surrogateescape")


def post(headers, body=""):
    return request("POST /api/v1/chat/sessions HTTP/1.1", JSON + headers, body)


def body(text, type_="application/json"):
    data = text if isinstance(text, bytes) else text.encode()
    head = f"POST /api/v1/chat/sessions HTTP/1.1\r\n{HEAD}Content-Type: {type_}\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data


FRAMING = {
    "length and chunks": post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    "chunks and length": post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"),
    "two lengths": post("Content-Length: 2\r\nContent-Length: 3\r\n", "{}"),
    "the same length twice": post("Content-Length: 2\r\nContent-Length: 2\r\n", "{}"),
    "two encodings": post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    "three hosts": request(headers=HEAD + "Host: a\r\nHost: b\r\n"),
    "no host": request(headers=f"X-API-Key: {KEY}\r\n"),
    "bare line feeds": b"GET / HTTP/1.1\nHost: localhost\n\n",
    "mixed line ends": b"GET / HTTP/1.1\r\nHost: localhost\n\r\n",
    "empty line first": b"\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "request line only": b"GET\r\n\r\n",
    "no version": b"GET /\r\nHost: localhost\r\n\r\n",
    "long line": request(f"GET /{LONG} HTTP/1.1"),
    "many headers": request(headers=HEAD + "A: b\r\n" * 101),
    "big header": request(headers=HEAD + f"A: {'b' * 40000}\r\n"),
    "expects magic": post("Content-Length: 2\r\nExpect: magic\r\nContent-Length: 2\r\n", "{}"),
}
FRAMING |= {f"length {value!r}": post(f"Content-Length: {value}\r\n", "{}") for value in
            ("-1", "+2", "0x2", "2 2", "2,2", "1e1", "two", "99999999999999999999", "18446744073709551616", "2;", "")}
FRAMING |= {f"encoding {value!r}": post(f"Transfer-Encoding: {value}\r\n", "0\r\n\r\n") for value in
            ("gzip", "chunked, gzip", "gzip, chunked", "identity", "xchunked", "chunked chunked", "\x0bchunked", "")}
FRAMING |= {f"chunk size {value!r}": post("Transfer-Encoding: chunked\r\n", f"{value}\r\n{{}}\r\n0\r\n\r\n") for value in
            ("-2", "0x2", "g", "", "ffffffffffffffff", "10000000000000000", " 2", "+2")}
FRAMING |= {f"header line {value!r}": request(headers=HEAD + value + "\r\n") for value in
            ("no colon", " folded", "\tfolded", ": empty name", "space : before", "a\x00b: c", "a: b\x00c", "a: b\x01", "a: \x7f",
             "a(b): c", "a: b\rc", "a@b: c", "\u00e9: x", "a\t: b")}
FRAMING |= {f"version {value!r}": request(f"GET /api/v1/models {value}") for value in
            ("HTTP/0.9", "HTTP/2.0", "HTTP/1.2", "HTTP/1", "HTP/1.1", "HTTP/1.1 x", "http/1.1", "HTTP/11", "HTTP/-1.1")}
FRAMING |= {f"target {value!r}": request(f"GET {value} HTTP/1.1") for value in
            ("*", "models", "http://localhost/api/v1/models", "/%", "/%2", "/%zz", "/%00", "/a%00b", "/../etc/passwd", "/./a", "/a/..",
             "/%2e%2e/x", "/a//b", "//a", "/api/v1/models?a=%", "/api/v1/models?%zz=1", "/a b", "/api/%2e%2e/%2e%2e/etc")}
METHODS = {f"method {value!r}": request(f"{value} /api/v1/models HTTP/1.1") for value in
           ("PUT", "DELETE", "TRACE", "CONNECT", "get", "FOO", "PROPFIND", "G E T", "GET\x01", "*", "PATCH")}
MALFORMED = {f"json {text!r}"[:60]: body(text) for text in
             ("", "{", "}", "[", "nul", "{'a':1}", '{"a":}', '{"a":1,}', "[1,]", '{"a" 1}', '"', '"\\x"', '"\\u12"', "01", "1.", ".5", "+1",
              "NaN", "Infinity", "{} {}", "{}x", "// x\n{}", '{"a":1 /* */}', "\ufeff{}", "[" * 100_000, '{"a":' * 100, "tru", '{"a":1e}', '{"a":1e400}')}
MALFORMED |= {f"bytes {data!r}"[:60]: body(data) for data in
              (b'{"a":"\xff"}', b'{"a":"\xc0\x80"}', b'{"a":"\xed\xa0\x80"}', b"\x00{}", b'{"a\x00":1}', b'{"a":"\n"}', b"\x1f\x8b\x08\x00",
               b"\xfe\xff\x00{\x00}", b'{"\xf5\x80\x80\x80":1}')}
INVALID = {f"value {text!r}"[:60]: body(text) for text in
           ("null", "1", '"x"', "[]", "true", '{"deployment_id":1}', '{"deployment_id":""}', '{"deployment_id":"x","deployment_id":"y"}',
            '{"deployment_id":"x","config":{"temperature":3}}', '{"deployment_id":"x","config":{"nonsense":1}}',
            '{"deployment_id":"x","name":""}', '{"deployment_id":"x","config":[]}', '{"deployment_id":"x","config":{"stop":[1]}}',
            '{"deployment_id":"x","config":{"seed":-1}}',
            '{"deployment_id":"x","extra":{}}', '{"deployment_id":{"a":[]}}', "{}")}
TYPES = {f"type {value!r}": body("{}", value) for value in
         ("text/plain", "application/xml", "application/jsonx", "json", "multipart/form-data", "application/x-www-form-urlencoded", "", "*/*")}
TOKENS = {f"key {value!r}"[:60]: request(headers=f"Host: localhost\r\n{value}\r\n") for value in
          ("X-API-Key: wrong", "X-API-Key: ", "Authorization: Bearer wrong", "Authorization: Basic YTpi", "Authorization: Bearer ",
           f"Authorization: Bearer {KEY}x", f"Authorization: bearer{KEY}", "Authorization: ' OR 1=1 --", f"X-API-Key: {KEY.upper()}",
           f"Cookie: key={KEY}", "A: b", f"X-API-Key: {KEY} {KEY}", f"X-API-Key: {'k' * 5000}")}
HOSTS = {f"host {value!r}": request(headers=f"Host: {value}\r\nX-API-Key: {KEY}\r\n") for value in
         ("evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.nip.io", "a" * 300, "[", "@localhost")}
ORIGINS = {f"origin {value!r}": request("POST /api/v1/chat/sessions HTTP/1.1", JSON + f"Origin: {value}\r\nContent-Length: 2\r\n", "{}")
           for value in ("https://evil.example", "null", "http://localhost.evil.example", "file://", "")}
QUERIES = {f"query {value!r}"[:60]: request(f"GET /api/v1/models?{value} HTTP/1.1") for value in
           ("limit=0", "limit=201", "limit=x", "limit=-1", "limit=1&limit=2", "colour=red", "sort=size", "sort=", "status=gone",
            "source=x", "cursor=x", "cursor=AAAA", "cursor=%00", "format=exe", f"q={'a' * 201}", "limit=1e1", "limit=99999999999999999999")}

CASES = [(name, raw, expected) for group, expected in
         ((FRAMING, {400, 413, 414, 421, 431}), (METHODS, {400, 405}), (MALFORMED, {400}), (INVALID, {422}), (TYPES, {415}),
          (TOKENS, {401}), (HOSTS, {400, 421}), (ORIGINS, {403}), (QUERIES, {422, 400}))
         for name, raw in group.items()]


def exchange(port, raw, patience=10.0):
    """Everything that comes back until the service closes or falls silent behind a whole response."""
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as connection:
        connection.sendall(raw)
        answer = b""
        while True:
            head, separator, rest = answer.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
            if separator and length and len(rest) >= int(length[1]):
                return answer
            try:
                piece = connection.recv(65536)
            except ConnectionResetError:
                return answer
            if not piece:
                return answer
            answer += piece


def test_there_are_enough_cases():
    assert len(CASES) >= 200


@pytest.mark.parametrize("name, raw, expected", CASES, ids=[case[0].encode("unicode_escape").decode() for case in CASES])
def test_a_hostile_request_gets_a_clear_answer(shared_service, name, raw, expected):
    answer = exchange(shared_service.port, raw)
    status = int(answer.split(b" ", 2)[1])
    assert status in expected, answer[:300]
    head, _, content = answer.partition(b"\r\n\r\n")
    envelope = json.loads(content)
    assert envelope["success"] is False and envelope["error"] and envelope["message"]
    assert b"x-request-id:" in head.lower()
    assert shared_service.request("GET", "/readyz")[0] == 200


def test_a_huge_body_is_refused_before_it_is_read(shared_service):
    assert exchange(shared_service.port, post("Content-Length: 1048577\r\n")).startswith(b"HTTP/1.1 413")
    chunks = "100000\r\n" + "a" * 0x100000 + "\r\n"
    assert exchange(shared_service.port, post("Transfer-Encoding: chunked\r\n", chunks * 2)).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("begun", [b"G", b"GET / HTTP/1.1\r\nHost: local", post("Content-Length: 10\r\n", "{")])
def test_a_request_that_never_ends_is_cut_off(shared_service, begun):
    start = time.monotonic()
    assert exchange(shared_service.port, begun) == b""
    assert time.monotonic() - start < 5


def test_pipelined_requests_are_answered_in_order(shared_service):
    with socket.create_connection(("127.0.0.1", shared_service.port), timeout=10) as connection:
        connection.sendall(request("GET /healthz HTTP/1.1", HEAD + "X-Request-Id: one\r\n") +
                           request("GET /nowhere HTTP/1.1", HEAD + "X-Request-Id: two\r\n") +
                           request("GET /healthz HTTP/1.1", HEAD + "X-Request-Id: three\r\nConnection: close\r\n"))
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    assert re.findall(rb"X-Request-Id: (\w+)", answer) == [b"one", b"two", b"three"]


def test_head_options_and_http_1_0(shared_service):
    head = exchange(shared_service.port, request("HEAD /healthz HTTP/1.1", HEAD + "Connection: close\r\n"))
    assert head.startswith(b"HTTP/1.1 200") and head.endswith(b"\r\n\r\n")
    options = exchange(shared_service.port, request("OPTIONS /api/v1/models HTTP/1.1", HEAD + "Connection: close\r\n"))
    assert options.startswith(b"HTTP/1.1 204") and b"Allow: OPTIONS, GET" in options
    old = exchange(shared_service.port, b"GET /healthz HTTP/1.0\r\n\r\n")
    assert old.startswith(b"HTTP/1.1 421") or b"Connection: close" in old


@pytest.mark.parametrize("method, path", [("PATCH", "/api/v1/models"), ("GET", "/api/v1/downloads/x/pause"), ("DELETE", "/docs")])
def test_a_wrong_method_names_the_right_ones(shared_service, method, path):
    status, headers, answer = shared_service.request(method, path)
    assert (status, answer["error"]) == (405, "METHOD_NOT_ALLOWED")
    assert headers["Allow"]


def mutations():
    for operation, method, path in (("createDownload", "POST", "/api/v1/downloads"), ("createDeployment", "POST", "/api/v1/deployments"),
                                    ("createSession", "POST", "/api/v1/chat/sessions")):
        for name, content, field in CONTRACT.request_mutations(operation):
            if name.endswith("is null"):
                continue  # counts as leaving the field out
            yield pytest.param(method, path, content, field, id=f"{operation}: {name}")


@pytest.fixture(scope="module")
def service_with_model(shared_service):
    """The settings of a deployment depend on its engine, and that on the model."""
    assert shared_service.pull("demo:tiny-chat")["status"] == "completed"
    return shared_service


@pytest.mark.parametrize("method, path, content, field", mutations())
def test_every_field_is_checked_as_the_contract_says(service_with_model, method, path, content, field):
    status, _, answer = service_with_model.request(method, path, content)
    assert status == 422, answer
    assert any(name == field or name.startswith(field) or field.startswith(name) for name in answer["details"]), answer
