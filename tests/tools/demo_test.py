"""scripts/demo with a stand-in for the program: what it does when a step fails, and that it leaves nothing running."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))
from ports import free_port  # noqa: E402

PROGRAM = f"""#!{sys.executable}
import http.server, os, signal, sys

class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_): pass

def stop(*_):
    print("stopping", flush=True)
    os._exit(int(os.environ.get("STOP_STATUS", "0")))

if sys.argv[1] == "serve":
    open(os.environ["PID_FILE"], "w").write(str(os.getpid()))
    if "START_STATUS" in os.environ:
        print("this is why", flush=True)
        sys.exit(int(os.environ["START_STATUS"]))
    signal.signal(signal.SIGTERM, stop)
    host, port = os.environ["LLM_MANAGER_LISTEN"].split(":")
    http.server.HTTPServer((host, int(port)), Ready).serve_forever()
print("did", sys.argv[1:], "at", os.environ["LLM_MANAGER_URL"])
sys.exit(sys.argv[1] == os.environ.get("FAILING_STEP"))
"""


def executable(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return path


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def demo(tmp_path):
    """Runs the demo once without a terminal; returns its exit status, its output, and its service's log and pid."""
    engine = executable(tmp_path / "llama-server", "#!/bin/sh\necho 'version: 1 (stand-in)' >&2\n")

    def run(**settings):
        environment = {
            **os.environ, **settings, "PID_FILE": str(tmp_path / "pid"),
            "LLM_MANAGER_HOME": str(tmp_path / "home"), "LLM_MANAGER_LLAMA_SERVER": str(engine),
            "LLM_MANAGER_PROGRAM": str(executable(tmp_path / "llm-manager", PROGRAM)),
            "LLM_MANAGER_LISTEN": f"127.0.0.1:{free_port()}"}
        done = subprocess.run([ROOT / "scripts/demo"], env=environment, text=True, check=False, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        log = (tmp_path / "home/logs/demo.log").read_text()
        return done.returncode, done.stdout, log, int((tmp_path / "pid").read_text())

    return run


def test_every_step_is_done_and_the_service_is_stopped(demo):
    status, output, log, pid = demo()
    assert status == 0
    steps = [line for line in output.splitlines() if line.startswith("did ")]
    assert [step.split(" at ")[0] for step in steps] == [
        "did ['pull', 'demo:tiny-chat']",
        "did ['deploy', 'demo:tiny-chat', '--wait']",
        "did ['run', 'tiny-chat', 'What is the capital of France?']",
    ]
    assert "/docs" in output
    assert log == "stopping\n"
    assert not is_alive(pid)


@pytest.mark.parametrize("step", ["pull", "deploy", "run"])
def test_a_failed_step_fails_the_demo_and_stops_the_service(demo, step):
    status, output, log, pid = demo(FAILING_STEP=step)
    assert status == 1
    assert f"this step failed: llm-manager {step}" in output
    assert "It works" not in output
    assert log == "stopping\n"
    assert not is_alive(pid)


def test_a_service_that_does_not_start_is_explained_by_its_log(demo):
    status, output, _, _ = demo(START_STATUS="2")
    assert status == 1
    assert "the service ended before it was ready" in output
    assert "this is why" in output


def test_a_service_that_does_not_stop_cleanly_fails_the_demo(demo):
    status, output, _, pid = demo(STOP_STATUS="3")
    assert status == 1
    assert "the service did not stop cleanly" in output
    assert not is_alive(pid)
