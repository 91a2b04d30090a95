"""Drives the clients of OpenAI, Anthropic and Ollama against a service of its own; ends with 1 when a check fails."""

import pathlib
import sys
import tempfile

import anthropic
import ollama
import openai
from client_service import KEY, serving

MESSAGES = [{"role": "user", "content": "What is the capital of France?"}]
ANSWER = "The capital of France is Paris."


def raised(kind, call, **wanted):
    try:
        call()
    except kind as error:
        return all(getattr(error, name, None) == value for name, value in wanted.items()) or repr(vars(error))
    return "nothing was raised"


def checks(url):
    client = openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0)
    stranger = openai.OpenAI(base_url=f"{url}/v1", api_key="wrong", max_retries=0)
    messenger = anthropic.Anthropic(base_url=url, api_key=KEY, max_retries=0)
    llama = ollama.Client(host=url, headers={"Authorization": f"Bearer {KEY}"})
    chat = dict(model="tiny", messages=MESSAGES, temperature=0)

    yield "openai models", [model.id for model in client.models.list()] == ["tiny"]
    yield "openai chat", client.chat.completions.create(**chat).choices[0].message.content == ANSWER
    stream = list(client.chat.completions.create(**chat, stream=True, stream_options={"include_usage": True}))
    yield "openai stream", "".join(c.choices[0].delta.content or "" for c in stream if c.choices) == ANSWER
    yield "openai usage", stream[-1].usage.completion_tokens > 0
    yield "openai completion", bool(client.completions.create(model="tiny", prompt="The", max_tokens=2).choices[0].text)
    yield "openai responses", client.responses.create(model="tiny", input=MESSAGES[0]["content"], temperature=0).output_text == ANSWER
    yield "openai wrong key", raised(openai.AuthenticationError, stranger.models.list, status_code=401, code="invalid_api_key")
    yield "openai no model", raised(openai.NotFoundError, lambda: client.chat.completions.create(**{**chat, "model": "nobody"}),
                                    status_code=404, code="model_not_found")
    yield "openai bad request", raised(openai.BadRequestError, lambda: client.chat.completions.create(**{**chat, "messages": "x"}), status_code=400)

    message = messenger.messages.create(model="tiny", max_tokens=64, messages=MESSAGES, extra_body={"temperature": 0})
    yield "anthropic message", message.content[0].text == ANSWER and message.stop_reason == "end_turn"
    with messenger.messages.stream(model="tiny", max_tokens=64, messages=MESSAGES, extra_body={"temperature": 0}) as events:
        yield "anthropic stream", "".join(events.text_stream) == ANSWER
    yield "anthropic count", messenger.messages.count_tokens(model="tiny", messages=MESSAGES).input_tokens > 0
    yield "anthropic no model", raised(anthropic.NotFoundError, lambda: messenger.messages.create(model="nobody", max_tokens=1, messages=MESSAGES),
                                       status_code=404)

    options = {"temperature": 0}
    yield "ollama list", [model.model for model in llama.list().models] == ["tiny:latest"]
    yield "ollama ps", len(llama.ps().models) == 1
    yield "ollama show", llama.show("tiny").details.family == "llama"
    yield "ollama chat", llama.chat("tiny", MESSAGES, options=options).message.content == ANSWER
    parts = list(llama.chat("tiny", MESSAGES, options=options, stream=True))
    yield "ollama stream", "".join(part.message.content for part in parts) == ANSWER and parts[-1].done
    yield "ollama generate", llama.generate("tiny", MESSAGES[0]["content"], options=options).response == ANSWER
    yield "ollama pull", [part.status for part in llama.pull("demo:tiny-chat", stream=True)][-1] == "success"
    yield "ollama copy", llama.copy("tiny", "twin").status == "success" and llama.delete("twin").status == "success"
    yield "ollama no model", raised(ollama.ResponseError, lambda: llama.chat("nobody", MESSAGES), status_code=404)


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as folder, serving(pathlib.Path(folder)) as url:
        for name, good in checks(url):
            print(f"{name}: {'ok' if good is True else good}")
            failed += good is not True
    print(f"{failed} failed")
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()
