"""The stand-in for llama-server keeps to the shapes of the real one and does wrong exactly what it was told."""
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

import pytest

PROGRAM = pathlib.Path(__file__).with_name("engine")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=10)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Engine:
    def __init__(self, directory, script):
        self.directory = directory
        self.socket = str(directory / "e.sock")
        self.events = directory / "events.jsonl"
        (directory / "script.json").write_text(json.dumps({"requests": str(self.events), **script}))
        self.process = None

    def start(self, *more, endpoint=None):
        endpoint = endpoint or ("--host", self.socket)
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "--model", "/models/tiny.gguf", "--alias", "tiny", "--ctx-size", "1024", "--parallel", "2",
                 "--jinja", "--fit", "off", *endpoint, *more],
                stderr=log, env={"PATH": os.environ["PATH"], "FAKE_ENGINE_SCRIPT": str(self.directory / "script.json")})
        return self

    def wait_listening(self):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                self.get("/health")
                return self
            except OSError:
                assert self.process.poll() is None, self.log()
                time.sleep(0.01)
        raise AssertionError("it does not listen")

    def log(self):
        return (self.directory / "log").read_text()

    def request(self, method, path, body=None):
        connection = UnixConnection(self.socket)
        connection.request(method, path, None if body is None else json.dumps(body))
        return connection.getresponse()

    def get(self, path):
        response = self.request("GET", path)
        return response.status, json.loads(response.read())

    def chat(self, text="What is the capital of France?", **more):
        return self.request("POST", "/v1/chat/completions", {"messages": [{"role": "user", "content": text}], **more})

    def recorded(self, event):
        lines = self.events.read_text().splitlines() if self.events.exists() else []
        return [entry for entry in map(json.loads, lines) if entry["event"] == event]

    def wait_recorded(self, event):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if found := self.recorded(event):
                return found
            time.sleep(0.01)
        raise AssertionError(f"no event {event}")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait(10)


@pytest.fixture
def engine(tmp_path):
    made = []

    def make(**script):
        made.append(Engine(tmp_path, script))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def chunks_of(text):
    return [part.removeprefix("data: ") for part in text.split("\n\n") if part]


def test_says_its_version_and_flags():
    version = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True)
    assert version.stderr.startswith("version: 0.7.0 (build 11669")
    assert "--ctx-size VALUE" in subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, check=True).stdout


def test_refuses_an_unknown_flag():
    result = subprocess.run([PROGRAM, "--tools", "all"], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (1, "error: invalid argument: --tools\n")


def test_describes_itself_and_answers(engine):
    e = engine().start().wait_listening()
    assert e.get("/health") == (200, {"status": "ok"})
    props = e.get("/props")[1]
    assert props["default_generation_settings"]["n_ctx"] == 512
    assert props["total_slots"] == 2
    assert e.get("/v1/models")[1]["data"][0]["id"] == "tiny"
    answer = json.loads(e.chat().read())
    assert answer["choices"][0] == {"finish_reason": "stop", "index": 0,
                                    "message": {"role": "assistant", "content": "The capital of France is Paris."}}
    assert answer["usage"]["completion_tokens"] == 6
    assert e.get("/nothing")[0] == 404
    assert e.recorded("request")[-1]["path"] == "/nothing"


def test_streams_in_the_order_of_the_real_one(engine):
    e = engine().start().wait_listening()
    response = e.chat(stream=True, stream_options={"include_usage": True}, max_tokens=2)
    assert response.headers["Content-Type"] == "text/event-stream"
    *chunks, done = chunks_of(response.read().decode())
    assert done == "[DONE]"
    chunks = [json.loads(chunk) for chunk in chunks]
    assert [c["choices"][0]["delta"] if c["choices"] else None for c in chunks] == [
        {"role": "assistant", "content": None}, {"content": "The"}, {"content": " capital"}, {}, None]
    assert chunks[3]["choices"][0]["finish_reason"] == "length"
    assert chunks[4]["usage"]["completion_tokens"] == 2
    assert e.wait_recorded("finished")[0]["chunks"] == 2


def test_refuses_what_exceeds_the_context_also_when_streaming(engine):
    e = engine().start().wait_listening()
    response = e.chat("x" * 4000, stream=True)
    error = json.loads(response.read())["error"]
    assert (response.status, error["type"], error["n_ctx"]) == (400, "exceed_context_size_error", 512)


def test_listens_on_a_port(engine):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    e = engine().start(endpoint=("--host", "127.0.0.1", "--port", str(port)))
    for _ in range(500):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/health")
            break
        except OSError:
            time.sleep(0.01)
    assert connection.getresponse().status == 200
    assert e.process.poll() is None


def test_stale_socket_and_orderly_exit(engine):
    e = engine().start().wait_listening()
    e.process.terminate()
    assert e.process.wait(10) == 0
    assert os.path.exists(e.socket)
    assert e.start().process.wait(10) == 1
    assert "couldn't bind HTTP server socket" in e.log()


def test_exits_at_start_with_its_last_words(engine):
    e = engine(exit_at_start=3, log=["unknown model architecture: 'x'"], log_bytes=100_000).start()
    assert e.process.wait(10) == 3
    assert "unknown model architecture" in e.log()
    assert len(e.log()) > 100_000


def test_exits_after_a_while(engine):
    e = engine(exit_after_s=0.3, exit_code=9).start().wait_listening()
    assert e.process.wait(10) == 9


def test_loads_for_a_while_and_dies_of_the_signal_meanwhile(engine):
    e = engine(ready_after_s=1).start().wait_listening()
    status, body = e.get("/health")
    assert (status, body["error"]["message"]) == (503, "Loading model")
    time.sleep(1)
    assert e.get("/health")[0] == 200
    e.stop()
    os.unlink(e.socket)
    never = engine(ready_after_s=-1).start().wait_listening()
    never.process.terminate()
    assert never.process.wait(10) == -signal.SIGTERM


def test_crashes_in_the_middle_of_a_stream(engine):
    e = engine(crash_after_chunks=3, tokens=10).start().wait_listening()
    with pytest.raises(http.client.IncompleteRead) as broken:
        e.chat(stream=True).read()
    assert broken.value.partial.count(b"word") == 3
    assert e.process.wait(10) == -signal.SIGKILL


def test_hangs(engine):
    e = engine(hang_after_s=0.2).start().wait_listening()
    _, status = os.waitpid(e.process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)


def test_ignores_the_request_to_stop(engine):
    e = engine(ignore_sigterm=True).start().wait_listening()
    e.process.terminate()
    with pytest.raises(subprocess.TimeoutExpired):
        e.process.wait(0.3)


@pytest.mark.parametrize("stream", [True, False])
def test_notices_that_the_client_is_gone(engine, stream):
    e = engine(tokens=1000, ms_per_token=20).start().wait_listening()
    connection = UnixConnection(e.socket)
    connection.request("POST", "/v1/chat/completions", json.dumps({"messages": [{"role": "user", "content": "x"}], "stream": stream}))
    e.wait_recorded("request")
    time.sleep(0.1)
    connection.close()
    left = time.time()
    closed = e.wait_recorded("client_closed")[0]
    assert closed["time"] - left < 0.5
    assert closed["chunks"] < 100


def test_behaves_differently_at_each_start(engine):
    e = engine(starts=[{"exit_at_start": 4}, {"exit_at_start": 5}, {}])
    assert e.start().process.wait(10) == 4
    assert e.start().process.wait(10) == 5
    e.start().wait_listening()


def test_reads_the_script_beside_a_link_to_it(tmp_path):
    (tmp_path / "llama-server").symlink_to(PROGRAM)
    (tmp_path / "llama-server.json").write_text('{"aliases": {"bad": {"exit_at_start": 6}}}')
    command = [tmp_path / "llama-server", "--model", "/m", "--host", str(tmp_path / "e.sock"), "--alias", "bad"]
    assert subprocess.run(command, env={"PATH": os.environ["PATH"]}, check=False, capture_output=True).returncode == 6
