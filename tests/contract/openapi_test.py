"""The contract document is sound, and the helpers that check answers against it notice what is wrong."""

import copy
import gzip
import json
import re

import jsonschema
import pytest

from openapi import METHODS, Contract, Event, parse_events

CONTRACT = Contract()
DOCUMENT = CONTRACT.document
PERMISSIONS = {"public", "read", "write", "admin", "chat"}
ID = "0199c0de-0000-7000-8000-000000000001"
TIME = "2026-01-31T12:00:00.000Z"
HEADERS = {"X-Request-Id": "r-1", "Content-Type": "application/json; charset=utf-8"}

OPERATIONS = """
listHubModels getHubModel listHubCategories
listModels importModel getModel updateModel deleteModel listModelFiles verifyModel
createDownload listDownloads getDownload updateDownload deleteDownload
getStore createImport getImport createLinks collectGarbage verifyStore
pauseDownload resumeDownload cancelDownload retryDownload
createDeployment listDeployments getDeployment updateDeployment deleteDeployment
startDeployment stopDeployment restartDeployment getDeploymentLogs listEngines
createSession listSessions getSession updateSession deleteSession listMessages createMessage stopMessage
listTasks getTask cancelTask retryTask
getSystemInfo getSystemResources getOpenApi getHealth getReadiness getDocs getDocsFile
watchEvents watchDownloads watchChat
exportSession importSession searchMessages getMessage listSiblings regenerateMessage watchMessage
benchmarkDeployment listBenchmarks getBenchmark deleteBenchmark
getDeploymentMetrics getMetrics getSystemResourcesHistory listDeploymentEvents listSystemGpus planDeployment
openaiListModels openaiGetModel openaiChat openaiComplete openaiEmbed openaiRerank openaiRespond getUsage listQueues
anthropicMessages anthropicCountTokens ollamaVersion ollamaTags ollamaPs ollamaShow ollamaChat ollamaGenerate ollamaEmbed
ollamaEmbeddings ollamaPull ollamaCopy ollamaDelete
""".split()
# Bodies of other people's dialects are checked by the engines that they go to.
WITH_BODY = [operation.id for operation in CONTRACT.operations if "requestBody" in operation.spec and "x-dialect" not in operation.spec]


def walk(node, path=()):
    yield path, node
    if isinstance(node, dict):
        for key, value in node.items():
            yield from walk(value, path + (str(key),))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from walk(value, path + (str(index),))


def references(node):
    return {value["$ref"] for _, value in walk(node) if isinstance(value, dict) and isinstance(value.get("$ref"), str)}


def example_of(schema_name):
    return copy.deepcopy(DOCUMENT["components"]["schemas"][schema_name]["examples"][0])


def envelope(data, code=200, **more):
    return {"success": True, "message": "Done.", "data": data, "code": code, "timestamp": TIME, **more}


def failure(error, details=None):
    return {"success": False, "message": "No.", "error": error, "details": details or {}, "timestamp": TIME}


def check(method, path, status, body, **more):
    headers = {**HEADERS, **{name.replace("_", "-"): value for name, value in more.items()}}
    return CONTRACT.check_response(method, path, status, headers, json.dumps(body).encode())


# The document


def test_has_exactly_the_operations_of_this_version():
    assert sorted(operation.id for operation in CONTRACT.operations) == sorted(OPERATIONS)


def test_means_the_same_in_yaml_1_1_and_1_2():
    # Unquoted on, off and times would turn into booleans and dates in some readers.
    json.dumps(DOCUMENT)
    keys = [key for _, node in walk(DOCUMENT) if isinstance(node, dict) for key in node]
    assert all(isinstance(key, str) for key in keys)
    enums = [value for path, value in walk(DOCUMENT) if path[-1:] == ("enum",)]
    assert not [enum for enum in enums if any(isinstance(value, bool) for value in enum)]


def test_every_reference_leads_somewhere_and_every_component_is_used():
    used = references(DOCUMENT)
    for reference in used:
        CONTRACT.resolve({"$ref": reference})
    sections = ("schemas", "responses", "parameters", "headers")
    defined = {f"#/components/{section}/{name}" for section in sections for name in DOCUMENT["components"][section]}
    assert used == defined


@pytest.mark.parametrize("name", DOCUMENT["components"]["schemas"])
def test_schema_is_valid_and_its_examples_fit(name):
    schema = DOCUMENT["components"]["schemas"][name]
    jsonschema.Draft202012Validator.check_schema(schema)
    for example in schema.get("examples", ()):
        CONTRACT.check_schema(name, schema, example)


@pytest.mark.parametrize("operation", CONTRACT.operations, ids=lambda operation: operation.id)
def test_operation_is_complete(operation):
    spec = operation.spec
    assert spec["summary"] and spec["description"] and spec["x-permission"] in PERMISSIONS
    assert set(spec["tags"]) <= {tag["name"] for tag in DOCUMENT["tags"]}
    assert (spec.get("security") == []) == (spec["x-permission"] == "public")
    in_path = {parameter["name"] for parameter in operation.parameters if parameter["in"] == "path"}
    assert in_path == set(re.findall(r"\{(\w+)\}", operation.template))
    if "x-dialect" in spec:
        assert {"400", "401", "403", "404", "413", "429", "500", "503"} <= set(spec["responses"])
        return
    if spec["x-permission"] != "public":
        assert {"401", "403", "422", "429", "500", "503"} <= set(spec["responses"])
    if "requestBody" in spec:
        assert {"400", "413", "415"} <= set(spec["responses"])
    names = [(parameter["in"], parameter["name"]) for parameter in operation.parameters]
    assert len(names) == len(set(names))


def data_schemas(operation):
    """What the envelope of each JSON success carries."""
    for status, response in operation.spec["responses"].items():
        schema = CONTRACT.resolve(response).get("content", {}).get("application/json", {}).get("schema", {})
        if status.startswith("2") and "data" in schema.get("properties", {}):
            yield CONTRACT.resolve(schema["properties"]["data"])


@pytest.mark.parametrize("operation", CONTRACT.operations, ids=lambda operation: operation.id)
def test_answers_have_examples(operation):
    for schema in data_schemas(operation):
        for branch in [CONTRACT.resolve(branch) for branch in schema.get("oneOf", [schema])]:
            shown = branch["properties"]["items"]["items"] if "items" in branch.get("properties", {}) else branch
            assert CONTRACT.resolve(shown).get("examples")


# An import takes what an export gave, in the shape of answers.
@pytest.mark.parametrize("operation_id", sorted(set(WITH_BODY) - {"importSession"}))
def test_request_is_closed_and_bounded(operation_id):
    def inspect(schema, where):
        schema = CONTRACT.resolve(schema)
        for branch in schema.get("anyOf", ()):
            inspect(branch, where)
        types = schema.get("type", [])
        types = [types] if isinstance(types, str) else types
        if "object" in types:
            # Open only where the fields are somebody's own, and then not for any number of them.
            assert schema.get("additionalProperties") is False or "maxProperties" in schema, where
            for name, field in schema["properties"].items():
                inspect(field, f"{where}.{name}")
        if "array" in types:
            assert "maxItems" in schema, where
            inspect(schema["items"], f"{where}[]")
        if {"integer", "number"} & set(types):
            assert "minimum" in schema and "maximum" in schema, where
        if "string" in types:
            assert {"maxLength", "enum"} & set(schema) or re.search(r"\{\d+\}\$$", schema.get("pattern", "")), where

    inspect(CONTRACT.request_schema(operation_id), operation_id)


# Finding operations


@pytest.mark.parametrize(
    "method, path, expected",
    [
        ("GET", "/api/v1/models", "listModels"),
        ("get", f"/api/v1/models/{ID}?x=1", "getModel"),
        ("HEAD", f"/api/v1/models/{ID}", "getModel"),
        ("GET", "/api/v1/hub/models/info?ref=a/b", "getHubModel"),
        ("POST", "/api/v1/deployments/tiny/start", "startDeployment"),
        ("GET", "/ws/v1/chat/abc", "watchChat"),
        ("GET", "/healthz", "getHealth"),
    ],
)
def test_finds_operations(method, path, expected):
    assert CONTRACT.operation_for(method, path).id == expected


@pytest.mark.parametrize("method, path", [("GET", "/api/v1/nothing"), ("PUT", "/api/v1/models"), ("GET", "/api/v1/models/a/b")])
def test_refuses_unknown_operations(method, path):
    with pytest.raises(AssertionError, match="no such operation"):
        CONTRACT.operation_for(method, path)


def test_prefers_literal_paths_to_templates(tmp_path):
    document = copy.deepcopy(DOCUMENT)
    document["paths"]["/api/v1/models/special"] = {"get": {"operationId": "getSpecial"}}
    changed = tmp_path / "openapi.yaml"
    changed.write_text(json.dumps(document))
    contract = Contract(changed)
    assert contract.operation_for("GET", "/api/v1/models/special").id == "getSpecial"
    assert contract.operation_for("GET", "/api/v1/models/other").id == "getModel"


# Checking answers


def test_accepts_documented_answers():
    model = example_of("Model")
    check("GET", f"/api/v1/models/{ID}", 200, envelope(model), ETag='"1"')
    check("GET", "/api/v1/models", 200, envelope({"items": [model], "next_cursor": None}), ETag='"1"')
    check("POST", "/api/v1/downloads", 200, envelope(model))
    check("POST", "/api/v1/downloads", 200, envelope(example_of("Download")))
    check("POST", "/api/v1/downloads", 202, envelope(example_of("Download"), 202))
    check("POST", "/api/v1/chat/sessions", 201, envelope(example_of("ChatSession"), 201), Location=f"/api/v1/chat/sessions/{ID}")
    age = {"cached": True, "cache_age_seconds": 3, "sources": [example_of("SourceReport")]}
    hub = {"items": [example_of("HubModel")], "next_cursor": "abc"}
    check("GET", "/api/v1/hub/models", 200, envelope(hub, details=age), ETag='"1"')
    check("GET", "/api/v1/hub/models/info", 200, envelope(example_of("HubModelInfo")), ETag='"1"')
    check("GET", f"/api/v1/models/{ID}", 404, failure("MODEL_NOT_FOUND"))
    check("GET", "/healthz", 200, {"status": "ok"})
    CONTRACT.check_response("GET", f"/api/v1/models/{ID}", 304, {"X-Request-Id": "r", "ETag": '"1"'}, b"")
    CONTRACT.check_response("GET", "/ws/v1/events", 101, {}, b"")


def test_accepts_answers_from_before_an_operation():
    check("GET", "/api/v1/nothing", 404, failure("NOT_FOUND"))
    check("PUT", "/api/v1/models", 405, failure("METHOD_NOT_ALLOWED"), Allow="GET, HEAD")
    check("GET", "/api/v1/models", 431, failure("HEADERS_TOO_LARGE"))


def broken(change):
    model = example_of("Model")
    change(model)
    return envelope(model)


MODEL = f"/api/v1/models/{ID}"
ANSWERS_TO_REFUSE = [
    ("unknown field", "GET", MODEL, 200, broken(lambda m: m.update(extra=1)), "extra"),
    ("missing field", "GET", MODEL, 200, broken(lambda m: m.pop("tags")), "tags"),
    ("wrong type", "GET", MODEL, 200, broken(lambda m: m.update(size="1")), "data.size"),
    ("time without milliseconds", "GET", MODEL, 200, broken(lambda m: m.update(created_at="2026-01-31T12:00:00Z")), "created_at"),
    ("not a UUIDv7", "GET", MODEL, 200, broken(lambda m: m.update(id=ID.replace("-7", "-4"))), "data.id"),
    ("unknown enum", "GET", MODEL, 200, broken(lambda m: m.update(status="lost")), "data.status"),
    ("open envelope", "GET", MODEL, 200, envelope(example_of("Model"), extra=1), "extra"),
    ("no data", "GET", MODEL, 200, {k: v for k, v in envelope(1).items() if k != "data"}, "data"),
    ("other code", "GET", MODEL, 200, envelope(example_of("Model"), 202), "code 202"),
    ("page without cursor", "GET", "/api/v1/models", 200, envelope({"items": []}), "next_cursor"),
    ("hub without cache age", "GET", "/api/v1/hub/models", 200, envelope({"items": [], "next_cursor": None}), "details"),
    ("neither of two", "POST", "/api/v1/downloads", 200, envelope({"id": ID}), "required"),
    ("undocumented status", "GET", MODEL, 418, {}, "418 is not documented"),
    ("undocumented success", "GET", MODEL, 201, envelope(example_of("Model"), 201), "201 is not documented"),
    ("error of another operation", "GET", MODEL, 404, failure("TASK_NOT_FOUND"), "TASK_NOT_FOUND"),
    ("error without details", "GET", MODEL, 404, {k: v for k, v in failure("MODEL_NOT_FOUND").items() if k != "details"}, "details"),
    ("validation without fields", "GET", MODEL, 422, failure("VALIDATION_FAILED"), "details"),
    ("conflict without state", "POST", f"/api/v1/downloads/{ID}/pause", 409, failure("STATE_CONFLICT"), "state"),
    ("unknown path answered", "GET", "/api/v1/nothing", 200, {}, "no such operation"),
    ("unknown method answered", "PUT", "/api/v1/models", 200, {}, "no such operation"),
    ("ready with 503", "GET", "/readyz", 503, example_of("Readiness"), "ready"),
]


@pytest.mark.parametrize("case", ANSWERS_TO_REFUSE, ids=lambda case: case[0])
def test_refuses_wrong_bodies(case):
    _, method, path, status, body, message = case
    with pytest.raises(AssertionError, match=message):
        check(method, path, status, body, ETag='"1"', Allow="GET")


GOOD = json.dumps(envelope(example_of("Model"))).encode()
GOOD_HEADERS = {**HEADERS, "ETag": '"1"'}
BYTES_TO_REFUSE = [
    ("no request id", {"X-Request-Id": None}, GOOD, "X-Request-Id is missing"),
    ("odd request id", {"X-Request-Id": "a b"}, GOOD, "X-Request-Id"),
    ("no ETag", {"ETag": None}, GOOD, "ETag is missing"),
    ("bare ETag", {"ETag": "1"}, GOOD, "ETag"),
    ("no content type", {"Content-Type": None}, GOOD, "Content-Type is missing"),
    ("wrong content type", {"Content-Type": "text/html"}, GOOD, "'text/html'"),
    ("wrong charset", {"Content-Type": "application/json; charset=latin1"}, GOOD, "charset latin1"),
    ("unknown encoding", {"Content-Encoding": "br"}, GOOD, "Content-Encoding br"),
    ("not gzip", {"Content-Encoding": "gzip"}, GOOD, "not gzip"),
    ("not UTF-8", {}, b'"\xff"', "not UTF-8"),
    ("not JSON", {}, b"{", "not JSON"),
    ("NaN", {}, b"NaN", "NaN is not JSON"),
    ("key twice", {}, GOOD[:-1] + b',"code":200}', "key twice"),
]


@pytest.mark.parametrize("case", BYTES_TO_REFUSE, ids=lambda case: case[0])
def test_refuses_wrong_headers_and_bytes(case):
    _, change, body, message = case
    headers = {name: value for name, value in {**GOOD_HEADERS, **change}.items() if value is not None}
    CONTRACT.check_response("GET", MODEL, 200, GOOD_HEADERS, GOOD)
    with pytest.raises(AssertionError, match=message):
        CONTRACT.check_response("GET", MODEL, 200, headers, body)


def test_reads_compressed_bodies_and_header_pairs():
    pairs = list({**GOOD_HEADERS, "content-encoding": "gzip"}.items())
    assert CONTRACT.check_response("GET", MODEL, 200, pairs, gzip.compress(GOOD)) == json.loads(GOOD)


@pytest.mark.parametrize("method, status", [("HEAD", 200), ("GET", 304)])
def test_refuses_a_body_where_none_belongs(method, status):
    CONTRACT.check_response(method, MODEL, status, GOOD_HEADERS, b"")
    with pytest.raises(AssertionError, match="none is documented"):
        CONTRACT.check_response(method, MODEL, status, GOOD_HEADERS, b"x")


def test_requires_location_on_created():
    with pytest.raises(AssertionError, match="Location is missing"):
        check("POST", "/api/v1/chat/sessions", 201, envelope(example_of("ChatSession"), 201))


# Streams


def test_parses_event_streams():
    text = ": hello\n\nevent: a\nid: 1\ndata: x\ndata:y\n\ndata: z\r\n\r\nevent: cut\ndata: off"
    assert parse_events(text) == [Event("a", "1", "x\ny"), Event("message", "1", "z")]


def stream(kind, data):
    headers = {"X-Request-Id": "r", "Content-Type": "text/event-stream"}
    body = f"event: {kind}\nid: {ID}.1\ndata: {json.dumps(data)}\n\n".encode()
    return CONTRACT.check_response("POST", f"/api/v1/chat/sessions/{ID}/messages", 200, headers, body)


def test_checks_every_event_of_a_stream():
    assert stream("message.delta", {"message_id": ID, "content": "x"})[0].type == "message.delta"
    message = example_of("ChatMessage")
    stream("message.start", {"message": message, "user_message": message})
    stream("message.queued", {"message_id": ID, "position": 1})
    with pytest.raises(AssertionError, match="content"):
        stream("message.delta", {"message_id": ID})
    with pytest.raises(AssertionError, match="'message.middle'"):
        stream("message.middle", {})


def test_checks_websocket_frames():
    CONTRACT.check_frame("/ws/v1/events", "receive", json.dumps(example_of("EventFrame")))
    CONTRACT.check_frame(f"/ws/v1/chat/{ID}", "send", b'{"type": "stop"}')
    with pytest.raises(AssertionError, match="seq"):
        CONTRACT.check_frame("/ws/v1/downloads", "receive", '{"topic": "downloads", "type": "deleted", "data": {}}')
    with pytest.raises(AssertionError, match="no frames to send"):
        CONTRACT.check_frame("/ws/v1/events", "send", "{}")
    with pytest.raises(AssertionError, match="not a WebSocket"):
        CONTRACT.check_frame("/healthz", "receive", "{}")


# Mutated requests


@pytest.mark.parametrize("operation_id", WITH_BODY)
def test_every_mutation_breaks_the_request(operation_id):
    schema = CONTRACT.request_schema(operation_id)
    example = copy.deepcopy(CONTRACT.request_example(operation_id))
    mutations = list(CONTRACT.request_mutations(operation_id))
    names = [name for name, _, _ in mutations]
    assert len(names) == len(set(names))
    for name, body, field in mutations:
        errors = CONTRACT.schema_errors(schema, body)
        assert errors, name
        # Where one of several must be given, any of them may be named.
        named = any(field.split(".")[0] in error or "valid under each" in error for error in errors)
        assert not field or named or " or " in name, (name, errors)
    assert CONTRACT.request_example(operation_id) == example
    assert {name.split()[0].split(".")[0] for name in names} >= set(schema["properties"])


@pytest.mark.parametrize(
    "operation_id, name, field",
    [
        ("createDownload", "no_such_field is unknown", "no_such_field"),
        ("createDownload", "ref is missing", "ref"),
        ("createDownload", "ref is too long", "ref"),
        ("createDownload", "files.0 is number", "files.0"),
        ("createDownload", "files has too many items", "files"),
        ("createDownload", "priority is above the maximum", "priority"),
        ("createDownload", "speed_limit is below the minimum", "speed_limit"),
        ("createDeployment", "engine is not in the list", "engine"),
        ("createDeployment", "gpu_device breaks the pattern", "gpu_device"),
        ("createDeployment", "no_such_field is unknown", "no_such_field"),
        ("createDeployment", "config.context_size is string", "config.context_size"),
        ("createDeployment", "model_id or ref is missing", "model_id"),
        ("createDeployment", "model_id and ref together", "model_id"),
        ("createMessage", "parent_id breaks the pattern", "parent_id"),
        ("updateModel", "body is empty", ""),
        ("updateModel", "tags has an item twice", "tags"),
        ("updateModel", "body is array", ""),
    ],
)
def test_names_the_bad_field(operation_id, name, field):
    fields = {mutation: bad for mutation, _, bad in CONTRACT.request_mutations(operation_id)}
    assert fields[name] == field


def test_nullable_fields_are_not_mutated_to_null():
    names = {name for name, _, _ in CONTRACT.request_mutations("createDownload")}
    assert "speed_limit is null" not in names and "priority is null" in names


def test_a_bad_alternative_stands_alone():
    bodies = {name: body for name, body, _ in CONTRACT.request_mutations("createDeployment")}
    assert "ref" not in bodies["model_id is integer"] and "model_id" not in bodies["ref is integer"]
    assert {"model_id", "ref"} <= set(bodies["model_id and ref together"])


def test_refuses_to_mutate_an_invalid_example():
    with pytest.raises(AssertionError, match="example of createDownload"):
        list(CONTRACT.request_mutations("createDownload", {"ref": ""}))


def test_methods_cover_the_document():
    assert {method for item in DOCUMENT["paths"].values() for method in item} <= {*METHODS, "parameters"}
