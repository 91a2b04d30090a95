"""Checks what the running service says against api/openapi.yaml.

Needs python3-yaml and python3-jsonschema. Everything raises AssertionError, so that a test can call it directly.
"""

import gzip
import json
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import jsonschema
import yaml

from mutations import mutations_of

DOCUMENT = Path(__file__).resolve().parents[2] / "api" / "openapi.yaml"
METHODS = ("get", "put", "post", "patch", "delete", "head", "options", "trace")
SHOWN_ERRORS = 5


@dataclass(frozen=True)
class Operation:
    id: str
    method: str
    template: str
    spec: dict
    parameters: tuple

    def takes(self, location, name):
        return any(p["in"] == location and p["name"].lower() == name.lower() for p in self.parameters)


@dataclass(frozen=True)
class Event:
    """One server-sent event."""

    type: str
    id: str
    data: str


class Contract:
    def __init__(self, path=DOCUMENT):
        self.document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        self._resolver = jsonschema.RefResolver.from_schema(self.document)
        self._operations = list(self._load_operations())
        # Literal paths win over templates: /models/info before /models/{id}.
        self._routes = sorted(
            ((_route_pattern(template), template) for template in self.document["paths"]),
            key=lambda route: route[1].count("{"),
        )

    @property
    def operations(self):
        return tuple(self._operations)

    def operation(self, operation_id):
        for operation in self._operations:
            if operation.id == operation_id:
                return operation
        raise AssertionError(f"no operation {operation_id} in the contract")

    def operation_for(self, method, path):
        """The operation that answers this method and path; HEAD is answered as GET."""
        template = self._template_for(path)
        wanted = "get" if method.lower() == "head" else method.lower()
        for operation in self._operations:
            if operation.template == template and operation.method == wanted:
                return operation
        raise AssertionError(f"{method} {path}: no such operation in the contract")

    def check_response(self, method, path, status, headers, body_bytes):
        """Asserts that the answer is one the contract allows. Returns the parsed JSON, the list of events, or None."""
        where = f"{method} {path} -> {status}"
        headers = _lower_case(headers)
        operation, response = self._response_for(method, path, status)
        self._check_headers(where, response, headers)
        if operation and operation.takes("header", "If-None-Match") and status == 200:
            assert "etag" in headers, f"{where}: header ETag is missing"
        if status == 101:
            return None
        content = response.get("content")
        if method.upper() == "HEAD" or not content:
            assert not body_bytes, f"{where}: has a body of {len(body_bytes)} bytes, and none is documented"
            return None
        media_type = _media_type(where, headers)
        assert media_type in content, f"{where}: Content-Type {media_type!r}, documented are {sorted(content)}"
        body = _decoded(where, headers, body_bytes)
        if media_type == "text/event-stream":
            return self._check_events(where, content[media_type], body)
        if media_type == "application/json":
            return self._check_json(where, content[media_type]["schema"], status, body)
        _text(where, body)
        return None

    def check_frame(self, path, direction, frame):
        """Asserts that a WebSocket text frame is documented; direction is "receive" or "send", as the client sees it."""
        operation = self.operation_for("GET", path)
        assert "101" in operation.spec["responses"], f"{path}: not a WebSocket"
        frames = self.resolve(operation.spec["responses"]["101"])["x-frames"]
        assert direction in frames, f"{path}: no frames to {direction} are documented"
        where = f"{direction} on {path}"
        value = _parse_json(where, _text(where, frame.encode() if isinstance(frame, str) else frame))
        self.check_schema(where, frames[direction], value)
        return value

    def check_schema(self, where, schema, value):
        errors = self.schema_errors(schema, value)
        assert not errors, f"{where}: not as documented:\n  " + "\n  ".join(errors[:SHOWN_ERRORS])

    def schema_errors(self, schema, value):
        validator = jsonschema.Draft202012Validator(schema, resolver=self._resolver)
        errors = sorted(validator.iter_errors(value), key=lambda error: [str(part) for part in error.absolute_path])
        return [_describe(error) for error in errors]

    def request_schema(self, operation_id):
        """The schema of the JSON body, or None when the operation takes no body."""
        body = self.operation(operation_id).spec.get("requestBody")
        return self.resolve(body["content"]["application/json"]["schema"]) if body else None

    def request_example(self, operation_id):
        return self.operation(operation_id).spec["requestBody"]["content"]["application/json"]["example"]

    def request_mutations(self, operation_id, example=None):
        """Yields (name, body, expected_bad_field): bodies one step away from a valid one, which must answer 422.

        The field is the dotted path that `details` must name, "" for the body as a whole. Without an example the
        document's own is taken; a test passes its own where ids must exist.
        """
        schema = self.request_schema(operation_id)
        assert schema is not None, f"{operation_id} takes no body"
        valid = self.request_example(operation_id) if example is None else example
        self.check_schema(f"the example of {operation_id}", schema, valid)
        yield from mutations_of(self, schema, valid)

    def resolve(self, node):
        """Follows `$ref`; keywords beside it win over what it refers to."""
        while isinstance(node, dict) and "$ref" in node:
            target = self._resolver.resolve(node["$ref"])[1]
            node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
        return node

    def _load_operations(self):
        for template, item in self.document["paths"].items():
            for method in METHODS:
                if method in item:
                    spec = item[method]
                    listed = item.get("parameters", []) + spec.get("parameters", [])
                    parameters = tuple(self.resolve(parameter) for parameter in listed)
                    yield Operation(spec["operationId"], method, template, spec, parameters)

    def _template_for(self, path):
        plain = urlsplit(path).path
        return next((template for pattern, template in self._routes if pattern.fullmatch(plain)), None)

    def _response_for(self, method, path, status):
        code = str(status)
        template = self._template_for(path)
        unrouted = self.document["x-unrouted-responses"]
        edge = self.document["x-edge-responses"]
        try:
            operation = self.operation_for(method, path)
        except AssertionError:
            expected = {**edge, "404": unrouted["404"]} if template is None else {**edge, "405": unrouted["405"]}
            if code in expected:
                return None, self.resolve(expected[code])
            raise
        documented = operation.spec["responses"]
        assert code in documented or code in edge, (
            f"{method} {path}: status {status} is not documented for {operation.id}, only {sorted({*documented, *edge})}"
        )
        return operation, self.resolve(documented.get(code) or edge[code])

    def _check_headers(self, where, response, headers):
        for name, reference in response.get("headers", {}).items():
            spec = self.resolve(reference)
            value = headers.get(name.lower())
            if value is None:
                assert not spec.get("required"), f"{where}: header {name} is missing"
            else:
                self.check_schema(f"{where}: header {name}", spec["schema"], value)

    def _check_json(self, where, schema, status, body):
        value = _parse_json(where, _text(where, body))
        self.check_schema(where, schema, value)
        if isinstance(value, dict) and "code" in value:
            assert value["code"] == status, f"{where}: the envelope says code {value['code']}"
        return value

    def _check_events(self, where, media, body):
        events = parse_events(_text(where, body))
        for event in events:
            assert event.type in media["x-events"], (
                f"{where}: event {event.type!r}, documented are {sorted(media['x-events'])}"
            )
            at = f"{where}: event {event.type}"
            self.check_schema(at, media["x-events"][event.type], _parse_json(at, event.data))
        return events


def parse_events(text):
    """The complete events of a server-sent stream; comments and an unfinished last event are dropped."""
    events = []
    kind, data, last_id = "", [], ""
    for line in re.split(r"\r\n|\n|\r", text):
        if line:
            field, _, value = line.partition(":")
            value = value[1:] if value.startswith(" ") else value
            if field == "event":
                kind = value
            elif field == "data":
                data.append(value)
            elif field == "id":
                last_id = value
        else:
            if data:
                events.append(Event(kind or "message", last_id, "\n".join(data)))
            kind, data = "", []
    return events


def _route_pattern(template):
    parts = re.split(r"\{[^}]+\}", template)
    return re.compile("[^/]+".join(re.escape(part) for part in parts))


def _lower_case(headers):
    pairs = headers.items() if hasattr(headers, "items") else headers
    return {name.lower(): value for name, value in pairs}


def _media_type(where, headers):
    assert "content-type" in headers, f"{where}: header Content-Type is missing"
    media_type, _, parameters = headers["content-type"].partition(";")
    charset = re.search(r'charset="?([^";\s]+)', parameters, re.IGNORECASE)
    assert not charset or charset[1].lower() == "utf-8", f"{where}: charset {charset[1]}, only UTF-8 is documented"
    return media_type.strip().lower()


def _decoded(where, headers, body):
    encoding = headers.get("content-encoding", "identity").lower()
    assert encoding in ("identity", "gzip"), f"{where}: Content-Encoding {encoding} cannot be checked"
    try:
        return gzip.decompress(body) if encoding == "gzip" else body
    except (OSError, EOFError, zlib.error) as error:
        raise AssertionError(f"{where}: the body is not gzip: {error}") from error


def _text(where, body):
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise AssertionError(f"{where}: the body is not UTF-8: {error}") from error


def _parse_json(where, text):
    def unique(pairs):
        names = [name for name, _ in pairs]
        assert len(names) == len(set(names)), f"{where}: an object has a key twice: {names}"
        return dict(pairs)

    def refuse(constant):
        raise AssertionError(f"{where}: {constant} is not JSON")

    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise AssertionError(f"{where}: the body is not JSON: {error}; it begins {text[:80]!r}") from error


def _describe(error):
    # Of an anyOf or oneOf, show the alternative that came closest.
    while error.context:
        error = max(error.context, key=lambda inner: len(inner.absolute_path))
    path = ".".join(str(part) for part in error.absolute_path) or "(top)"
    return f"{path}: {error.message[:300]}"
