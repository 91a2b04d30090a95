"""Engines and managers that are killed, stopped, starved and robbed: after each the world is as it is wanted, or the state
says why not, and nothing is left behind. LLM_MANAGER_KILLS=200 makes the long sweep of `make test-kill-deployments`."""

import os
import random
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from service import free_port, until
from test_deployments import settled, stream_answer

TINY = "demo:tiny-chat"
KILLS = int(os.environ.get("LLM_MANAGER_KILLS", "6"))
LIMIT = 15.0  # seconds after which the world is as it is wanted
CGROUP = Path("/sys/fs/cgroup/memory")


def descriptors(service):
    return len(os.listdir(f"/proc/{service.process.pid}/fd"))


def leftovers(service):
    """What must not grow: engines, files of running engines, rows."""
    shown = service.data("GET", "/api/v1/deployments")["items"]
    return {"engines": len(service.engines()), "files": len(list((service.home / "run").iterdir())),
            "instances": sum(len(d["instances"]) for d in shown)}


def wanted_or_told(service, name="tiny", limit=LIMIT):
    """Seconds until it runs again; or it is given up with a reason, and started anew."""
    start = time.monotonic()
    path = f"/api/v1/deployments/{name}"

    def look():
        shown = service.data("GET", path)
        if shown["status"] == "failed":
            assert shown["last_error"], "given up without a word"
            service.data("POST", path + "/start")
            return "told"
        pids = [instance["pid"] for instance in shown["instances"]]
        runs = shown["status"] == "running" and len(pids) == 1 and service.engines() == pids
        return runs and shown["instances"][0]["state"] == "ready" and "runs"

    found = until(look, "it runs, or says why not", limit)
    took = time.monotonic() - start
    if found == "told":
        until(look, "it runs after another start", 2 * LIMIT)
    return took


def report(what, times):
    times = sorted(times)
    print(f"\n{what}: {len(times)} times, settled after {times[len(times) // 2]:.1f} s (median), {times[-1]:.1f} s (longest)")


@pytest.fixture
def tiny(service):
    service.pull(TINY)
    service.deploy(TINY, name="tiny", config={"context_size": 256})
    return service


def test_killed_engines(tiny):
    before, open_before, times = leftovers(tiny), descriptors(tiny), []
    for _ in range(KILLS):
        for pid in tiny.engines():
            os.kill(pid, signal.SIGKILL)
        until(lambda: not tiny.engines() or tiny.data("GET", "/api/v1/deployments/tiny")["status"] != "running", "the end is seen")
        times.append(wanted_or_told(tiny))
    report("kill -9 of the engine", times)
    assert leftovers(tiny) == before
    until(lambda: descriptors(tiny) <= open_before + 2, "no descriptor is left open")
    assert stream_answer(tiny, "tiny", max_tokens=4)[-1] == "message.end"


def test_killed_managers(tiny):
    before, times = leftovers(tiny), []
    pid = tiny.engines()[0]
    for number in range(max(2, KILLS // 2)):
        if number % 3 == 2:  # in the middle of a change
            tiny.data("PATCH", "/api/v1/deployments/tiny", {"config": {"context_size": 256 + number}})
            time.sleep(random.random() / 2)
        tiny.kill()
        if number % 5 == 4:
            for engine in tiny.engines():
                os.kill(engine, signal.SIGKILL)
        tiny.start()
        times.append(wanted_or_told(tiny, limit=2 * LIMIT))
    report("kill -9 of the manager", times)
    assert leftovers(tiny) == before
    assert KILLS > 6 or pid  # short sweeps adopt, long ones also replace
    assert stream_answer(tiny, "tiny", max_tokens=4)[-1] == "message.end"


def test_an_engine_that_hangs(tiny):
    before = leftovers(tiny)
    pid = tiny.engines()[0]
    os.kill(pid, signal.SIGSTOP)
    start = time.monotonic()
    until(lambda: tiny.data("GET", "/api/v1/deployments/tiny")["restarts"] == 1, "the hang is seen", 40)
    wanted_or_told(tiny)
    report("SIGSTOP of the engine", [time.monotonic() - start])
    assert "did not answer" in tiny.data("GET", "/api/v1/deployments/tiny")["last_error"]
    assert leftovers(tiny) == before and pid not in tiny.engines()


def bound(thief, port):
    try:
        thief.bind(("127.0.0.1", port))
        return True
    except OSError:
        return False


def test_a_stolen_port(service):
    service.pull(TINY)
    port = free_port()
    service.deploy(TINY, name="tiny", port=port, config={"context_size": 256})
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        os.kill(service.engines()[0], signal.SIGKILL)
        until(lambda: bound(thief, port), "the engine has let go of its port")
        thief.listen()
        told = settled(service, "tiny", lambda d: "PORT_IN_USE" in (d["last_error"] or "") or "address is in use" in (d["last_error"] or ""),
                       "the reason is told")
        assert told["status"] in ("deploying", "failed")
    wanted_or_told(service, limit=2 * LIMIT)


def test_a_model_that_is_gone(tiny):
    for link in (tiny.home / "models").rglob("*.gguf"):
        link.unlink()
    os.kill(tiny.engines()[0], signal.SIGKILL)
    failed = settled(tiny, "tiny", lambda d: d["status"] == "failed", "it is given up")
    assert "model" in failed["last_error"], failed["last_error"]
    assert leftovers(tiny) == {"engines": 0, "files": 0, "instances": 0}


@pytest.mark.needs("mounts", None if os.geteuid() == 0 else "only root may mount")
def test_a_full_directory_for_sockets(tiny):
    tiny.data("POST", "/api/v1/deployments/tiny/stop")
    settled(tiny, "tiny", lambda d: d["status"] == "stopped", "stopped")
    run = tiny.home / "run"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=2,mode=700", "none", str(run)], check=True)
    try:
        (run / "one").write_bytes(b"x" * 4096)
        tiny.data("POST", "/api/v1/deployments/tiny/start")
        failed = settled(tiny, "tiny", lambda d: d["status"] == "failed", "it is given up")
        assert failed["last_error"], failed
        assert tiny.engines() == []
    finally:
        subprocess.run(["umount", str(run)], check=True)
    tiny.data("POST", "/api/v1/deployments/tiny/start")
    settled(tiny, "tiny", lambda d: d["status"] == "running", "running again")


@pytest.mark.needs("a memory cgroup", None if os.access(CGROUP, os.W_OK) else "none can be written")
def test_the_kernel_takes_its_memory(tiny):
    group = CGROUP / f"llmm-test-{os.getpid()}"
    group.mkdir()
    try:
        pid = tiny.engines()[0]
        (group / "memory.limit_in_bytes").write_text(str(4 << 20))
        (group / "cgroup.procs").write_text(str(pid))
        (group / "memory.force_empty").write_text("0") if (group / "memory.force_empty").exists() else None
        for _ in range(20):
            if pid not in tiny.engines():
                break
            try:
                stream_answer(tiny, "tiny", max_tokens=64)
            except Exception:  # noqa: BLE001 - it dies while it answers
                pass
        failed = settled(tiny, "tiny", lambda d: d["restarts"] >= 1, "its end is seen")
        assert "memory" in failed["last_error"], failed["last_error"]
        wanted_or_told(tiny)
    finally:
        for left in (group / "cgroup.procs").read_text().split():
            (CGROUP / "cgroup.procs").write_text(left)
        group.rmdir()
