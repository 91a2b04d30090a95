"""The command line as its users meet it: the real program against a scripted service."""

import json
import os
import pty
import select
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from scripted_service import Service, deployment, download, envelope, error, model, page

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("LLM_MANAGER_PROGRAM", str(ROOT / "build/release/llm-manager"))


@pytest.fixture
def service():
    scripted = Service()
    yield scripted
    scripted.close()


@pytest.fixture
def environment(tmp_path, service):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LLM_MANAGER_", "LC_"))}
    return {**kept, "LANG": "C.UTF-8", "LLM_MANAGER_HOME": str(tmp_path), "LLM_MANAGER_URL": service.url, "TERM": "xterm",
            "http_proxy": "http://127.0.0.1:9"}


@pytest.fixture
def cli(environment):
    def call(*arguments, env=None, stdin=""):
        return subprocess.run([PROGRAM, *arguments], env={**environment, **(env or {})}, input=stdin, capture_output=True,
                              text=True, timeout=30, check=False)
    return call


class OnTerminal:
    """The program on a pseudo-terminal."""

    def __init__(self, arguments, env):
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen([PROGRAM, *arguments], env=env, stdin=slave, stdout=slave, stderr=slave,
                                        start_new_session=True)
        os.close(slave)
        self.text = ""

    def read_until(self, wanted, seconds=15):
        deadline = time.monotonic() + seconds
        while wanted not in self.text:
            ready, _, _ = select.select([self.master], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"{wanted!r} did not come: {self.text!r}"
            try:
                self.text += os.read(self.master, 4096).decode()
            except OSError:  # the other end is closed
                assert wanted in self.text, f"{wanted!r} did not come: {self.text!r}"
        return self.text

    def write(self, text):
        os.write(self.master, text.encode())

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture
def terminal(environment):
    opened = []

    def start(*arguments):
        opened.append(OnTerminal(arguments, environment))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


# Exit codes and errors

def test_an_answered_command_exits_with_0(service, cli):
    service.on("GET /models", (200, envelope(page(model()))))
    done = cli("list")
    assert done.returncode == 0
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["NAME", "SIZE", "VARIANT", "STATUS", "REF"],
        ["tiny-chat", "1.2", "MB", "Q8_0", "ready", "demo:tiny-chat@b90a:Q8_0"]]


def test_a_refusal_exits_with_1_and_says_what_to_do(service, cli):
    service.on("GET /models", (200, envelope(page(model()))))
    service.on("DELETE /models/m1", (409, error("MODEL_IN_USE", "A deployment uses the model.", {"deployments": ["tiny-chat"]})))
    done = cli("rm", "tiny-chat")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "A deployment uses the model. [MODEL_IN_USE]" in done.stderr
    assert "tiny-chat" in done.stderr
    assert "llm-manager rm --deployment" in done.stderr


def test_bad_fields_are_named(service, cli):
    problem = {"ref": {"problem": "has no source", "allowed": "demo:NAME"}}
    service.on("POST /downloads", (422, error("VALIDATION_FAILED", "The request is not valid.", problem)))
    done = cli("pull", "nonsense")
    assert done.returncode == 1
    assert "  ref: has no source (allowed: demo:NAME)" in done.stderr


@pytest.mark.parametrize("arguments", [[], ["bogus"], ["pull"], ["list", "extra"], ["search", "x", "--limit", "0"],
                                       ["rm"], ["logs", "x", "--follow", "--json"], ["--lang", "fr", "list"]])
def test_wrong_usage_exits_with_2_on_stderr(service, cli, arguments):
    done = cli(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("llm-manager: ")
    assert service.requests == []


def test_wrong_usage_shows_the_help_of_the_command(cli):
    assert "Usage: llm-manager pull" in cli("pull").stderr


def test_a_bad_configuration_exits_with_2_and_names_every_mistake(cli):
    done = cli("config", "--set", "server.grace_seconds=soon", "--set", "log.level=loud")
    assert done.returncode == 2
    assert "server.grace_seconds" in done.stderr
    assert "log.level" in done.stderr


def test_nobody_answering_exits_with_3(service, cli):
    service.close()
    done = cli("list")
    assert done.returncode == 3
    assert service.url in done.stderr
    assert "llm-manager serve" in done.stderr


def test_another_program_answering_exits_with_3(service, cli):
    service.on("GET /models", (200, ["not", "ours"]))
    assert cli("list").returncode == 3


def test_own_texts_and_the_service_speak_chinese(service, cli):
    service.on("GET /models", (200, envelope(page())))
    assert "还没有本地模型" in cli("list", "--lang", "zh").stderr
    assert "还没有本地模型" in cli("list", env={"LANG": "zh_CN.UTF-8"}).stderr
    assert {headers["Accept-Language"] for _, _, _, headers in service.requests} == {"zh"}


# The key

def test_the_key_of_this_machine_is_found(service, cli, tmp_path):
    service.on("GET /models", (200, envelope(page())))
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/admin-key").write_text("from-disk\n", encoding="utf-8")
    cli("list")
    cli("list", env={"LLM_MANAGER_API_KEY": "from-environment"})
    cli("list", "--api-key", "given", env={"LLM_MANAGER_API_KEY": "from-environment"})
    assert [headers["Authorization"] for _, _, _, headers in service.requests] == [
        "Bearer from-disk", "Bearer from-environment", "Bearer given"]


# JSON

@pytest.mark.parametrize("arguments", [["list"], ["downloads"], ["ps"], ["tasks"], ["show", "tiny-chat"],
                                       ["search", "tiny"], ["status"], ["config"], ["version"], ["rm", "tiny-chat"],
                                       ["pull", "demo:tiny-chat"], ["deploy", "demo:tiny-chat", "--wait"],
                                       ["run", "tiny-chat", "Hello"], ["logs", "tiny-chat"], ["stop", "tiny-chat"]])
def test_json_is_one_document_and_nothing_else(service, cli, arguments):
    service.on("GET /models", (200, envelope(page(model()))))
    service.on("DELETE /models/m1", (200, envelope({"id": "m1", "freed_size": 5})))
    service.on("GET /downloads", (200, envelope(page(download()))))
    service.on("POST /downloads", (202, envelope(download("pending", None), 202)))
    service.on("GET /downloads/d1", (200, envelope(download("completed", None, 1000))))
    service.on("GET /deployments", (200, envelope(page(deployment()))))
    service.on("GET /deployments/tiny-chat/logs", (200, envelope({"lines": [], "truncated": False})))
    service.on("POST /deployments/tiny-chat/stop", (200, envelope(deployment("stopped", desired="stopped"))))
    service.on("GET /tasks", (200, envelope(page())))
    service.on("GET /hub/models", (200, envelope(page())))
    service.on("GET /system/info", (200, envelope({"version": "0.1.0"})))
    service.on("GET /readyz", (200, {"ready": True, "checks": []}))
    service.on("POST /chat/sessions", (201, envelope({"id": "s1"}, 201)))
    service.on("POST /chat/sessions/s1/messages", (200, envelope({"content": "Hi"})))
    service.on("DELETE /chat/sessions/s1", (200, envelope({"id": "s1"})))
    done = cli(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    assert isinstance(json.loads(done.stdout), dict)
    assert done.stderr == ""


# pull

def test_pull_writes_plain_lines_without_a_terminal(service, cli):
    service.on("POST /downloads", (202, envelope(download("pending", None), 202)))
    service.on("GET /downloads/d1", *[(200, envelope(download(received=received))) for received in (100, 101, 600)],
               (200, envelope(download("completed", None, 1000))))
    done = cli("pull", "demo:tiny-chat")
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    assert "demo:tiny-chat: downloading 10% (100 B / 1.0 kB), 500 B/s, 3s left" in lines
    assert "demo:tiny-chat: downloading 60% (600 B / 1.0 kB), 500 B/s, 3s left" in lines
    assert not any("101 B" in line for line in lines)
    assert "\x1b" not in done.stderr
    assert done.stdout == "demo:tiny-chat is here (1.0 kB).\n"


def test_pull_of_a_model_that_is_here_says_so(service, cli):
    service.on("POST /downloads", (200, envelope(model())))
    assert cli("pull", "demo:tiny-chat").stdout == "demo:tiny-chat@b90a:Q8_0 is already here (1.2 MB).\n"


def test_pull_resumes_a_paused_download(service, cli):
    service.on("POST /downloads", (200, envelope(download("paused", None, 400))))
    service.on("POST /downloads/d1/resume", (202, envelope(download(received=400), 202)))
    service.on("GET /downloads/d1", (200, envelope(download("completed", None, 1000))))
    assert cli("pull", "demo:tiny-chat").returncode == 0
    assert len(service.asked("POST /downloads/d1/resume")) == 1


def test_pull_that_fails_names_the_error_and_what_to_do(service, cli):
    service.on("POST /downloads", (202, envelope(download("pending", None), 202)))
    service.on("GET /downloads/d1", (200, envelope(download("failed", None, error_code="DISK_FULL", error_message="No room."))))
    done = cli("pull", "demo:tiny-chat")
    assert done.returncode == 1
    assert "No room. [DISK_FULL]" in done.stderr
    assert "llm-manager rm MODEL" in done.stderr


def test_pull_on_a_terminal_shows_a_bar_and_ctrl_c_pauses(service, terminal):
    service.on("POST /downloads", (202, envelope(download(), 202)))
    service.on("GET /downloads/d1", (200, envelope(download(received=500))))
    service.on("POST /downloads/d1/pause", (200, envelope(download("paused", None, 500))))
    started = terminal("pull", "demo:tiny-chat")
    started.read_until("50%  500 B / 1.0 kB  500 B/s  3s left")
    assert "=>" in started.text
    started.interrupt()
    started.read_until("`llm-manager pull demo:tiny-chat` goes on")
    assert started.process.wait(10) == 130
    assert len(service.asked("POST /downloads/d1/pause")) == 1


def test_a_second_ctrl_c_ends_at_once(service, terminal):
    asked, release = threading.Event(), threading.Event()

    def pause_slowly(handler):
        asked.set()
        release.wait(20)
        handler.send_json(200, envelope(download("paused", None)))

    service.on("POST /downloads", (202, envelope(download(), 202)))
    service.on("GET /downloads/d1", (200, envelope(download(received=500))))
    service.on("POST /downloads/d1/pause", pause_slowly)
    started = terminal("pull", "demo:tiny-chat")
    started.read_until("50%")
    started.interrupt()
    assert asked.wait(10)
    started.interrupt()
    try:
        assert started.process.wait(5) == 130
    finally:
        release.set()


# deploy and run

def test_deploy_waits_until_it_runs(service, cli):
    service.on("GET /deployments", (200, envelope(page())))
    service.on("POST /deployments", (202, envelope(deployment("deploying"), 202)))
    service.on("GET /deployments/p1", (200, envelope(deployment("deploying"))), (200, envelope(deployment())))
    done = cli("deploy", "demo:tiny-chat", "--context", "1024", "--set", "flash_attention=on", "--wait")
    assert done.returncode == 0
    assert done.stdout == "tiny-chat is running at http://127.0.0.1:40001.\n"
    assert service.asked("POST /deployments") == [
        {"ref": "demo:tiny-chat", "config": {"context_size": 1024, "flash_attention": "on"}}]


def test_deploy_reuses_what_is_deployed(service, cli):
    service.on("GET /deployments", (200, envelope(page(deployment()))))
    done = cli("deploy", "demo:tiny-chat", "--wait")
    assert done.returncode == 0
    assert "already deployed as tiny-chat" in done.stderr
    assert service.asked("POST /deployments") == []


def test_deploy_that_fails_says_why(service, cli):
    service.on("GET /deployments", (200, envelope(page())))
    service.on("POST /deployments", (202, envelope(deployment("failed", last_error="the engine died"), 202)))
    done = cli("deploy", "demo:tiny-chat", "--wait")
    assert done.returncode == 1
    assert "the engine died" in done.stderr
    assert "llm-manager logs tiny-chat" in done.stderr


def script_a_chat(service, reply):
    service.on("GET /deployments", (200, envelope(page(deployment()))))
    service.on("POST /chat/sessions", (201, envelope({"id": "s1"}, 201)))
    service.on("POST /chat/sessions/s1/messages", reply)
    service.on("POST /chat/messages/r1/stop", (200, envelope({})))
    service.on("DELETE /chat/sessions/s1", (200, envelope({"id": "s1"})))


def test_run_streams_the_answer_as_it_comes(service, environment):
    first_seen = threading.Event()

    def reply(handler):
        handler.begin_events()
        handler.send_event("message.start", {"message": {"id": "r1"}, "user_message": {"id": "u1"}})
        handler.send_event("message.delta", {"message_id": "r1", "content": "Par"})
        if first_seen.wait(10):
            handler.send_event("message.delta", {"message_id": "r1", "content": "is."})
        handler.send_event("message.end", {"message_id": "r1", "status": "complete", "finish_reason": "stop"})

    script_a_chat(service, reply)
    with subprocess.Popen([PROGRAM, "run", "tiny-chat", "Capital?"], env=environment, stdout=subprocess.PIPE) as process:
        assert os.read(process.stdout.fileno(), 100) == b"Par"
        first_seen.set()
        assert process.stdout.read() == b"is.\n"
        assert process.wait(10) == 0
    assert service.asked("POST /chat/sessions")[0]["config"] == {"temperature": 0}
    assert service.asked("POST /chat/sessions/s1/messages") == [{"content": "Capital?", "stream": True}]


def test_run_tells_its_place_in_the_queue(service, cli):
    def reply(handler):
        handler.begin_events()
        handler.send_event("message.start", {"message": {"id": "r1"}, "user_message": {"id": "u1"}})
        handler.send_event("message.queued", {"message_id": "r1", "position": 3})
        handler.send_event("message.delta", {"message_id": "r1", "content": "Paris."})
        handler.send_event("message.end", {"message_id": "r1", "status": "complete", "finish_reason": "stop"})

    script_a_chat(service, reply)
    done = cli("run", "tiny-chat", "Capital?")
    assert (done.returncode, done.stdout) == (0, "Paris.\n")
    assert "The model is busy: place 3 in its queue." in done.stderr


def test_run_takes_the_prompt_from_standard_input_and_reports_a_failure(service, cli):
    def reply(handler):
        handler.begin_events()
        handler.send_event("error", {"message_id": None, "error": "ENGINE_FAILED", "message": "It broke.", "details": {}})

    script_a_chat(service, reply)
    done = cli("run", "tiny-chat", stdin="Hello\n")
    assert done.returncode == 1
    assert "It broke. [ENGINE_FAILED]" in done.stderr
    assert service.asked("POST /chat/sessions/s1/messages")[0]["content"] == "Hello"


def test_run_pulls_and_deploys_what_is_missing(service, cli):
    def reply(handler):
        handler.begin_events()
        handler.send_event("message.end", {"message_id": "r1", "status": "complete", "finish_reason": "stop"})

    script_a_chat(service, reply)
    service.on("GET /deployments", (200, envelope(page())))
    service.on("GET /models", (200, envelope(page())))
    service.on("GET /models/m1", (200, envelope(model())))
    service.on("POST /downloads", (202, envelope(download(), 202)))
    service.on("GET /downloads/d1", (200, envelope(download("completed", None, 1000))))
    service.on("POST /deployments", (202, envelope(deployment("deploying"), 202)))
    service.on("GET /deployments/p1", (200, envelope(deployment())))
    assert cli("run", "demo:tiny-chat", "Hello").returncode == 0
    assert service.asked("POST /deployments") == [{"model_id": "m1"}]


def test_in_a_conversation_ctrl_c_stops_the_reply_and_ctrl_d_leaves(service, terminal):
    def reply(handler):
        handler.begin_events()
        handler.send_event("message.start", {"message": {"id": "r1"}, "user_message": {"id": "u1"}})
        handler.send_event("message.delta", {"message_id": "r1", "content": "Once\x1b[2J upon"})
        time.sleep(3)

    script_a_chat(service, reply)
    started = terminal("run", "tiny-chat")
    started.read_until(">>> ")
    started.write("A story\n")
    started.read_until("Once[2J upon")
    started.text = ""
    started.interrupt()
    started.read_until(">>> ")
    assert len(service.asked("POST /chat/messages/r1/stop")) == 1
    started.interrupt()
    started.read_until("Ctrl-D leaves.\r\n>>> ")
    started.write("\x04")
    assert started.process.wait(10) == 0


def test_ctrl_c_before_the_first_event_stops_the_reply_too(service, terminal):
    def silence(handler):
        time.sleep(3)

    script_a_chat(service, silence)
    service.on("GET /chat/sessions/s1/messages", (200, envelope(page({"id": "r7", "status": "streaming"}))))
    service.on("POST /chat/messages/r7/stop", (200, envelope({"id": "r7"})))
    started = terminal("run", "tiny-chat")
    started.read_until(">>> ")
    started.write("A story\n")
    time.sleep(0.5)
    started.text = ""
    started.interrupt()
    started.read_until(">>> ")
    assert len(service.asked("POST /chat/messages/r7/stop")) == 1
    started.write("/bye\n")
    assert started.process.wait(10) == 0


def test_a_conversation_takes_several_lines_and_begins_anew(service, terminal):
    def reply(handler):
        handler.begin_events()
        handler.send_event("message.start", {"message": {"id": "r1"}, "user_message": {"id": "u1"}})
        handler.send_event("message.delta", {"message_id": "r1", "content": "Yes."})
        handler.send_event("message.end", {"message_id": "r1", "finish_reason": "stop"})

    script_a_chat(service, reply)
    started = terminal("run", "tiny-chat")
    for prompt, line in ((">>> ", '"""one'), ("... ", "two"), ("... ", 'three"""'), ("Yes.\r\n>>> ", "/new"),
                         ("begins.\r\n>>> ", "four"), ("Yes.\r\n>>> ", "/help"), ("lines", "")):
        started.read_until(prompt)
        started.text = ""
        started.write(line + "\n")
    asked = [body["content"] for body in service.asked("POST /chat/sessions/s1/messages")]
    assert asked == ["one\ntwo\nthree", "four"]
    assert len(service.asked("POST /chat/sessions")) == 2
    started.write("/bye\n")
    assert started.process.wait(10) == 0


def test_logs_follow_until_the_stream_ends(service, cli):
    def reply(handler):
        handler.begin_events()
        handler.send_event("log", {"instance_id": None, "time": None, "stream": "stderr", "text": "listening"})

    service.on("GET /deployments/tiny-chat/logs", reply)
    assert cli("logs", "tiny-chat", "-f", "--tail", "5").stdout == "listening\n"
    assert service.requests[0][1].endswith("?tail=5&follow=true")


def test_status_of_a_service_that_is_not_ready_exits_with_1(service, cli):
    service.on("GET /readyz", (503, {"ready": False, "checks": [{"name": "disk", "ok": False, "reason": "full"}]}))
    service.on("GET /system/info", (200, envelope({"version": "0.1.0", "uptime_seconds": 61.5})))
    done = cli("status")
    assert done.returncode == 1
    assert "disk is not ok: full" in done.stdout
    assert "1m 1s" in done.stdout
