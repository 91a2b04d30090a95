"""The gateway with the real engine: OpenAI's, Anthropic's and Ollama's dialect, their errors, and the usage."""

import json
import time

import pytest
from gateway_client import ANSWER, QUESTION, ask, call, lines, stream, usage
from service import Service


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    service = Service(tmp_path_factory.mktemp("gateway") / "home")
    service.pull("demo:tiny-chat")
    service.deploy("demo:tiny-chat", name="tiny")
    yield service
    service.stop()


def test_openai_models(gateway):
    listed = json.loads(call(gateway, "GET", "/v1/models")[2])
    assert listed["object"] == "list" and [model["id"] for model in listed["data"]] == ["tiny"]
    shown = json.loads(call(gateway, "GET", "/v1/models/tiny")[2])
    assert shown == listed["data"][0] and shown["object"] == "model" and shown["created"] > 1_700_000_000


def test_openai_chat(gateway):
    answer = ask(gateway, "/v1/chat/completions", model="tiny", messages=QUESTION, temperature=0)
    assert answer["choices"][0]["message"]["content"] == ANSWER
    assert answer["usage"]["completion_tokens"] > 0


def test_openai_chat_as_a_stream(gateway):
    chunks = stream(gateway, "/v1/chat/completions", model="tiny", messages=QUESTION, temperature=0)
    assert chunks[-1] == "[DONE]"
    parsed = [json.loads(chunk) for chunk in chunks[:-1]]
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in parsed) == ANSWER
    assert parsed[-1]["choices"][0]["finish_reason"] == "stop"
    with_usage = stream(gateway, "/v1/chat/completions", model="tiny", messages=QUESTION, temperature=0,
                        stream_options={"include_usage": True})
    assert json.loads(with_usage[-2])["usage"]["completion_tokens"] > 0


@pytest.mark.parametrize("name", ["tiny", "tiny:latest", "demo:tiny-chat", "REF"])
def test_a_model_goes_by_several_names(gateway, name):
    if name == "REF":
        name = gateway.data("GET", "/api/v1/deployments/tiny")["model_ref"]
    assert ask(gateway, "/v1/chat/completions", model=name, messages=QUESTION, max_tokens=1)["choices"]


def test_openai_completions_and_responses(gateway):
    assert ask(gateway, "/v1/completions", model="tiny", prompt="The capital", max_tokens=3)["choices"][0]["text"]
    answer = ask(gateway, "/v1/responses", model="tiny", input="What is the capital of France?", temperature=0)
    assert answer["output"][0]["content"][0]["text"] == ANSWER


def test_what_the_engine_does_not_have_is_said_in_its_words(gateway):
    for path, body in (("/v1/embeddings", {"input": "x"}), ("/v1/rerank", {"query": "x", "documents": ["y"]})):
        status, _, text = call(gateway, "POST", path, {"model": "tiny", **body})
        assert (status, json.loads(text)["error"]["type"]) == (501, "not_supported_error")


def test_fields_that_engines_must_not_get_are_dropped(gateway):
    answer = ask(gateway, "/v1/chat/completions", model="tiny", messages=QUESTION, temperature=0, n_discard=5, id_slot=9999,
                 chat_parser="x", api_base="http://example.org")
    assert answer["choices"][0]["message"]["content"] == ANSWER


OPENAI_ERRORS = {
    "no key": (dict(key=None), b"{}", 401, "invalid_api_key"),
    "wrong key": (dict(key="wrong"), b"{}", 401, "invalid_api_key"),
    "no such model": ({}, {"model": "nobody", "messages": []}, 404, "model_not_found"),
    "no model": ({}, {"messages": []}, 400, "validation_failed"),
    "model is a number": ({}, {"model": 5}, 400, "validation_failed"),
    "two models": ({}, b'{"model":"tiny","messages":[],"model":"other"}', 400, "validation_failed"),
    "two models, one escaped": ({}, b'{"model":"tiny","messages":[],"m\\u006fdel":"other"}', 400, "validation_failed"),
    "stream is a word": ({}, {"model": "tiny", "stream": "yes"}, 400, "validation_failed"),
    "no JSON": ({}, b'{"model":', 400, "malformed_json"),
    "a list": ({}, b"[]", 400, "validation_failed"),
    "deep": ({}, b'{"model":"tiny","messages":' + b"[" * 100 + b"]" * 100 + b"}", 400, "malformed_json"),
    "an address for the engine": ({}, {"model": "tiny", "messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "http://127.0.0.1/x.png"}}]}]}, 400, "validation_failed"),
    "too large": (dict(Content_Length=str(33 << 20)), None, 413, "payload_too_large"),
}


@pytest.mark.parametrize("name", OPENAI_ERRORS)
def test_openai_errors(gateway, name):
    extra, body, status, code = OPENAI_ERRORS[name]
    got, headers, text = call(gateway, "POST", "/v1/chat/completions", body, **extra)
    error = json.loads(text)["error"]
    assert (got, error["code"]) == (status, code), text
    assert error["message"] and error["type"] and "param" in error and headers["X-Request-Id"]
    assert "success" not in json.loads(text)


def test_edges_speak_the_dialect_of_their_path(gateway):
    for path, method, status in (("/v1/nothing", "GET", 404), ("/v1/chat/completions", "GET", 405), ("/v1/models", "DELETE", 405)):
        got, headers, text = call(gateway, method, path)
        assert (got, bool(json.loads(text)["error"]["message"])) == (status, True)
        assert status != 405 or headers["Allow"]
    status, _, text = call(gateway, "GET", "/v1/messages")
    assert status == 405 and json.loads(text)["type"] == "error"
    status, _, text = call(gateway, "GET", "/api/nothing")
    assert status == 404 and list(json.loads(text)) == ["error"]
    assert json.loads(call(gateway, "GET", "/api/v1/nothing")[2])["success"] is False


def test_anthropic_messages(gateway):
    body = {"model": "tiny", "max_tokens": 64, "messages": QUESTION, "temperature": 0}
    status, _, text = call(gateway, "POST", "/v1/messages", body, key=None, x_api_key="functional-test-key", anthropic_version="2023-06-01")
    answer = json.loads(text)
    assert status == 200 and answer["type"] == "message" and answer["content"][0]["text"] == ANSWER
    assert answer["stop_reason"] == "end_turn" and answer["usage"]["output_tokens"] > 0
    types = [json.loads(event)["type"] for event in stream(gateway, "/v1/messages", **body)]
    assert types[0] == "message_start" and types[-1] == "message_stop" and "content_block_delta" in types
    assert ask(gateway, "/v1/messages/count_tokens", model="tiny", messages=QUESTION)["input_tokens"] > 0


@pytest.mark.parametrize("extra, body, status, kind", [
    (dict(key=None), {}, 401, "authentication_error"),
    ({}, {"model": "nobody", "messages": []}, 404, "not_found_error"),
    ({}, b"{", 400, "invalid_request_error"),
    (dict(Content_Length=str(33 << 20)), None, 413, "request_too_large"),
])
def test_anthropic_errors(gateway, extra, body, status, kind):
    got, _, text = call(gateway, "POST", "/v1/messages", body, **extra)
    answer = json.loads(text)
    assert (got, answer["type"], answer["error"]["type"]) == (status, "error", kind)
    assert answer["error"]["message"] and answer["request_id"]


def test_ollama_chat_and_generate(gateway):
    options = {"temperature": 0}
    answer = ask(gateway, "/api/chat", model="tiny", messages=QUESTION, options=options, stream=False)
    assert answer["message"] == {"role": "assistant", "content": ANSWER} and answer["done"] is True
    assert answer["done_reason"] == "stop" and answer["eval_count"] > 0 and answer["prompt_eval_count"] > 0 and answer["total_duration"] > 0
    chunks = lines(gateway, "/api/chat", model="tiny:latest", messages=QUESTION, options=options)
    assert "".join(chunk["message"]["content"] for chunk in chunks) == ANSWER
    assert [chunk["done"] for chunk in chunks] == [False] * (len(chunks) - 1) + [True] and chunks[-1]["eval_count"] > 0
    chunks = lines(gateway, "/api/generate", model="tiny", prompt="What is the capital of France?", options={"temperature": 0, "num_predict": 3})
    assert "".join(chunk["response"] for chunk in chunks) == "The capital of"[:len("The capital of")] and chunks[-1]["done_reason"] == "length"
    raw = ask(gateway, "/api/generate", model="tiny", prompt="The", raw=True, stream=False, options={"num_predict": 2})
    assert raw["response"]
    assert ask(gateway, "/api/generate", model="tiny", stream=False)["done_reason"] == "load"


def test_ollama_shelf(gateway):
    assert json.loads(call(gateway, "GET", "/api/version", key=None)[2])["version"]
    tags = json.loads(call(gateway, "GET", "/api/tags")[2])["models"]
    assert [model["name"] for model in tags] == ["tiny:latest"] and len(tags[0]["digest"]) == 64
    assert tags[0]["details"]["family"] == "llama" and tags[0]["details"]["quantization_level"] == "Q8_0"
    assert json.loads(call(gateway, "GET", "/api/ps")[2])["models"][0]["name"] == "tiny:latest"
    shown = ask(gateway, "/api/show", model="tiny")
    assert shown["model_info"]["general.architecture"] == "llama" and shown["capabilities"] == ["completion"]
    assert call(gateway, "POST", "/api/copy", {"source": "tiny", "destination": "twin"})[0] == 200
    assert "twin:latest" in [model["name"] for model in json.loads(call(gateway, "GET", "/api/tags")[2])["models"]]
    assert ask(gateway, "/v1/chat/completions", model="twin", messages=QUESTION, max_tokens=1)["choices"]
    assert call(gateway, "DELETE", "/api/delete", {"model": "twin"})[0] == 200
    assert call(gateway, "POST", "/v1/chat/completions", {"model": "twin", "messages": QUESTION})[0] == 404


def test_ollama_errors(gateway):
    for method, path, body, status in (("POST", "/api/chat", {"model": "nobody", "messages": QUESTION}, 404),
                                       ("POST", "/api/chat", b"{", 400), ("POST", "/api/generate", {}, 400),
                                       ("POST", "/api/show", {"model": "nobody"}, 404), ("DELETE", "/api/delete", {"model": "nobody"}, 404),
                                       ("POST", "/api/copy", {"source": "nobody", "destination": "x"}, 404)):
        got, _, text = call(gateway, method, path, body)
        assert (got, list(json.loads(text))) == (status, ["error"]), (path, text)
    assert call(gateway, "POST", "/api/chat", {}, key=None)[0] == 401


def test_ollama_pulls_deploys_and_deletes(make_service):
    service = make_service()
    told = [line["status"] for line in lines(service, "/api/pull", model="demo:tiny-chat")]
    assert told[0] == "pulling manifest" and told[-1] == "success"
    [model] = json.loads(call(service, "GET", "/api/tags")[2])["models"]
    answer = ask(service, "/api/chat", model=model["name"], messages=QUESTION, options={"temperature": 0}, stream=False)
    assert answer["message"]["content"] == ANSWER
    assert call(service, "DELETE", "/api/delete", {"model": model["name"]})[0] == 200
    assert json.loads(call(service, "GET", "/api/tags")[2])["models"] == []
    assert "error" in json.loads(call(service, "POST", "/api/pull", {"model": "demo:nothing", "stream": False})[2])


def test_usage_counts_every_request(make_service):
    service = make_service(LLM_MANAGER_USAGE_FLUSH_MILLISECONDS="10000")
    service.pull("demo:tiny-chat")
    service.deploy("demo:tiny-chat", name="tiny")
    answer = ask(service, "/v1/chat/completions", model="tiny", messages=QUESTION, temperature=0)
    stream(service, "/v1/chat/completions", model="tiny", messages=QUESTION, temperature=0)
    call(service, "POST", "/v1/chat/completions", {"model": "nobody", "messages": QUESTION})
    call(service, "POST", "/v1/chat/completions", b"{")
    lines(service, "/api/chat", model="tiny", messages=QUESTION, options={"temperature": 0})
    ask(service, "/v1/messages", model="tiny", max_tokens=3, messages=QUESTION)
    ref = service.data("GET", "/api/v1/deployments/tiny")["model_ref"]
    sums = {(item["model"], item["dialect"]): item for item in usage(service)}
    openai = sums[ref, "openai"]
    assert (openai["requests"], openai["failed"], openai["cancelled"]) == (2, 0, 0)
    assert openai["tokens_in"] == 2 * answer["usage"]["prompt_tokens"] and openai["tokens_out"] == 2 * answer["usage"]["completion_tokens"]
    assert openai["mean_first_token_ms"] > 0 and openai["mean_total_ms"] > 0
    assert sums["nobody", "openai"]["failed"] == 1 and sums["", "openai"]["failed"] == 1
    assert sums[ref, "ollama"]["tokens_out"] == answer["usage"]["completion_tokens"] and sums[ref, "anthropic"]["tokens_out"] == 3
    service.stop()
    service.start()
    [total] = usage(service, "caller")
    assert (total["caller"], total["requests"]) == ("admin", 6)
    status, headers, table = service.request("GET", "/api/v1/usage?group_by=day,model&format=csv")
    assert status == 200 and headers["Content-Type"].startswith("text/csv")
    assert table.decode().splitlines()[0].startswith("day,model,requests,failed,cancelled,tokens_in")
    assert service.error("GET", "/api/v1/usage?group_by=nonsense") == "VALIDATION_FAILED"


def test_a_killed_service_has_lost_at_most_one_interval_of_usage(make_service):
    service = make_service(LLM_MANAGER_USAGE_FLUSH_MILLISECONDS="100")
    for _ in range(5):
        call(service, "POST", "/v1/chat/completions", {"model": "nobody", "messages": QUESTION})
    time.sleep(1)  # ten intervals
    service.kill()
    service.start()
    [total] = usage(service, "model")
    assert (total["model"], total["requests"], total["failed"]) == ("nobody", 5, 5)
