"""Engines and managers that are killed, stopped, starved and robbed: after each the world is as it is wanted, or the state
says why not, and nothing is left behind. LLM_MANAGER_KILLS=200 makes the long sweep of `make test-kill-deployments`."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from service import free_port, until
from test_containers import KERNEL, REASON, docker, service_with_docker  # noqa: F401 - a fixture
from test_deployments import settled, stream_answer

TINY = "demo:tiny-chat"
KILLS = int(os.environ.get("LLM_MANAGER_KILLS", "6"))
HANGS = max(1, KILLS // 20)
LIMIT = 15.0  # seconds after which the world is as it is wanted
CGROUP = Path("/sys/fs/cgroup/memory")


def descriptors(service):
    """Without those of the database: its pool opens connections when they are needed, up to its size."""
    links = []
    for entry in Path(f"/proc/{service.process.pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            links.append(os.readlink(entry))
    return sum("llm-manager.db" not in link for link in links)


def children(service):
    """Processes that the manager has started and not yet reaped, zombies among them."""
    return len(Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children").read_text().split())


def listening(pids):
    """Ports on which these processes listen."""
    inodes = set()
    for pid in pids:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            try:
                inodes.add(os.readlink(entry))
            except OSError:
                continue
    rows = [line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
    return sum(row[3] == "0A" and f"socket:[{row[9]}]" in inodes for row in rows)


def leftovers(service):
    """What must not grow: engines, files of running engines, ports, rows."""
    shown = service.data("GET", "/api/v1/deployments")["items"]
    engines = service.engines()
    return {"engines": len(engines), "files": len(list((service.home / "run").iterdir())),
            "ports": listening([service.process.pid, *engines]), "instances": sum(len(d["instances"]) for d in shown)}


def is_settled(shown):
    return shown["status"] == "running" and len(shown["instances"]) == 1 and shown["instances"][0]["state"] == "ready"


def wanted_or_told(service, name="tiny", limit=LIMIT, engines=None):
    """(seconds until it runs again, or is given up with a reason; whether it was given up). Then it is started anew."""
    start = time.monotonic()
    path = f"/api/v1/deployments/{name}"

    def look():
        shown = service.data("GET", path)
        if shown["status"] == "failed":
            assert shown["last_error"], "given up without a word"
            return "told"
        there = engines() if engines else service.engines()
        ours = [shown["container_id"]] if engines else [instance["pid"] for instance in shown["instances"]]
        return is_settled(shown) and there == ours and "runs"

    found = until(look, "it runs, or says why not", limit)
    took = time.monotonic() - start
    if found == "told":
        service.data("POST", path + "/start")
        until(look, "it runs after another start", limit)
    return took, found == "told"


def report(what, results):
    times = sorted(took for took, _ in results)
    told = sum(told for _, told in results)
    print(f"\n{what}: {len(times)} times, settled after {times[len(times) // 2]:.1f} s (median), {times[-1]:.1f} s (longest)"
          + (f"; {told} times given up with the reason told" if told else ""))


@pytest.fixture
def tiny(service):
    service.pull(TINY)
    service.deploy(TINY, name="tiny", config={"context_size": 256})
    return service


def test_killed_engines(tiny):
    before, open_before, results = (leftovers(tiny), children(tiny)), descriptors(tiny), []
    for _ in range(KILLS):
        for pid in tiny.engines():
            os.kill(pid, signal.SIGKILL)
        until(lambda: not tiny.engines() or tiny.data("GET", "/api/v1/deployments/tiny")["status"] != "running", "the end is seen")
        results.append(wanted_or_told(tiny))
    report("kill -9 of the engine", results)
    assert (leftovers(tiny), children(tiny)) == before
    until(lambda: descriptors(tiny) <= open_before + 2, "no descriptor is left open")
    assert stream_answer(tiny, "tiny", max_tokens=4)[-1] == "message.end"


def test_killed_managers(tiny):
    before, open_before, results, adopted = leftovers(tiny), descriptors(tiny), [], 0
    for number in range(max(2, KILLS // 2)):
        pids = tiny.engines()
        changes = number % 3 == 2  # in the middle of a change
        if changes:
            tiny.data("PATCH", "/api/v1/deployments/tiny", {"config": {"context_size": 256 + number}})
            time.sleep(random.random() / 2)
        tiny.kill()
        if number % 5 == 4:
            for engine in tiny.engines():
                os.kill(engine, signal.SIGKILL)
        tiny.start()
        results.append(wanted_or_told(tiny))
        if not changes and number % 5 != 4:
            assert tiny.engines() == pids, "an engine that ran was not adopted"
            adopted += 1
    report("kill -9 of the manager", results)
    print(f"{adopted} times the engine was adopted as it ran")
    assert leftovers(tiny) == before
    until(lambda: descriptors(tiny) <= open_before + 2, "no descriptor is left open")
    assert stream_answer(tiny, "tiny", max_tokens=4)[-1] == "message.end"


def test_a_key_that_was_being_written(tiny):
    """A manager that is killed in the middle of that leaves a part of it under another name."""
    instance = tiny.data("GET", "/api/v1/deployments/tiny")["instances"][0]
    before = leftovers(tiny)
    tiny.kill()
    os.kill(instance["pid"], signal.SIGKILL)
    (tiny.home / "run" / f".{instance['id'][-12:]}.key.01234567.tmp").write_text("half")
    tiny.start()
    wanted_or_told(tiny)
    assert leftovers(tiny) == before


def test_an_engine_that_hangs(tiny):
    """The state says so within the limit; after several in a row the next start waits, as after crashes."""
    before, seen, results = leftovers(tiny), [], []
    for number in range(HANGS):
        pid = tiny.engines()[0]
        os.kill(pid, signal.SIGSTOP)
        start = time.monotonic()
        told = settled(tiny, "tiny", lambda d: d["status"] != "running" and d["last_error"] or d["restarts"] > number, "the hang is told", LIMIT)
        assert "did not answer" in told["last_error"], told
        seen.append((time.monotonic() - start, False))
        results.append(wanted_or_told(tiny, limit=2 * LIMIT))
        assert pid not in tiny.engines()
    report("SIGSTOP of the engine, told", seen)
    report("SIGSTOP of the engine, running again after that", results)
    assert leftovers(tiny) == before


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
                       "the reason is told", LIMIT)
        assert told["status"] in ("deploying", "failed")
    wanted_or_told(service)


def test_a_model_that_was_replaced(tiny):
    """Under the name of the model's file lies something else: the engine that runs goes on, and none starts from it."""
    for link in (tiny.home / "models").rglob("*.gguf"):
        link.unlink()
        link.write_bytes(b"GGUF" + bytes(4096))
    os.kill(tiny.engines()[0], signal.SIGKILL)
    failed = settled(tiny, "tiny", lambda d: d["status"] == "failed", "it is given up", LIMIT)
    assert "model" in failed["last_error"], failed["last_error"]
    assert leftovers(tiny) == {"engines": 0, "files": 0, "ports": 1, "instances": 0}


def test_a_model_that_is_gone(tiny):
    for link in (tiny.home / "models").rglob("*.gguf"):
        link.unlink()
    os.kill(tiny.engines()[0], signal.SIGKILL)
    failed = settled(tiny, "tiny", lambda d: d["status"] == "failed", "it is given up", LIMIT)
    assert "model" in failed["last_error"], failed["last_error"]
    assert leftovers(tiny) == {"engines": 0, "files": 0, "ports": 1, "instances": 0}


@pytest.mark.needs("mounts", None if os.geteuid() == 0 else "only root may mount")
def test_a_full_directory_for_sockets(tiny):
    tiny.data("POST", "/api/v1/deployments/tiny/stop")
    settled(tiny, "tiny", lambda d: d["status"] == "stopped", "stopped")
    run = tiny.home / "run"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=2,mode=700", "none", str(run)], check=True)
    try:
        (run / "one").write_bytes(b"x" * 4096)
        tiny.data("POST", "/api/v1/deployments/tiny/start")
        failed = settled(tiny, "tiny", lambda d: d["status"] == "failed", "it is given up", LIMIT)
        assert failed["last_error"], failed
        assert tiny.engines() == []
    finally:
        subprocess.run(["umount", str(run)], check=True)
    tiny.data("POST", "/api/v1/deployments/tiny/start")
    settled(tiny, "tiny", lambda d: d["status"] == "running", "running again", LIMIT)


@pytest.mark.needs("a memory cgroup", None if os.access(CGROUP, os.W_OK) else "none can be written")
def test_the_kernel_takes_its_memory(service):
    """The engine is born in a control group of its own that is then closed around it: the next long prompt is too much."""
    service.pull(TINY)
    lines = Path(f"/proc/{service.process.pid}/cgroup").read_text().splitlines()
    home = CGROUP / next(line.split(":")[2] for line in lines if line.split(":")[1] == "memory").lstrip("/")
    group = CGROUP / f"llmm-test-{os.getpid()}"
    group.mkdir()
    try:
        (group / "cgroup.procs").write_text(str(service.process.pid))
        service.deploy(TINY, name="tiny", config={"context_size": 4096})
        (home / "cgroup.procs").write_text(str(service.process.pid))
        pid, before = service.engines()[0], leftovers(service)
        assert (group / "cgroup.procs").read_text().split() == [str(pid)]
        (group / "memory.limit_in_bytes").write_text((group / "memory.usage_in_bytes").read_text())
        with contextlib.suppress(Exception):  # it dies while it answers
            stream_answer(service, "tiny", content="one two three " * 700, max_tokens=64)
        start = time.monotonic()
        until(lambda: pid not in service.engines(), "the kernel ends it", LIMIT)
        assert "oom_kill 0" not in (group / "memory.oom_control").read_text()
        seen = settled(service, "tiny", lambda d: d["restarts"] >= 1, "its end is seen", LIMIT)
        assert "memory" in seen["last_error"], seen["last_error"]
        _, told = wanted_or_told(service, limit=LIMIT - (time.monotonic() - start))
        report("out of the memory of its control group", [(time.monotonic() - start, told)])
        assert leftovers(service) == before
    finally:
        for left in (group / "cgroup.procs").read_text().split():
            (home / "cgroup.procs").write_text(left)
        group.rmdir()


@pytest.fixture
def contained(make_service, docker, tmp_path):  # noqa: F811
    service = service_with_docker(make_service, docker, tmp_path)
    service.deploy(TINY, name="tiny", engine="docker", config={"context_size": 256, "threads": 1})
    yield service
    service.data("DELETE", "/api/v1/deployments/tiny")
    assert docker.containers() == [], "a container was left behind"


def containers_of(docker):  # noqa: F811
    return [container["Id"] for container in docker.containers()]


@pytest.mark.needs("a Docker Engine", REASON or KERNEL, ci=not KERNEL)
def test_killed_containers_and_daemons(contained, docker):  # noqa: F811
    before, open_before, results = leftovers(contained), descriptors(contained), []
    for _ in range(max(2, KILLS // 10)):
        for container in containers_of(docker):
            os.kill(docker.inspect(container)["State"]["Pid"], signal.SIGKILL)
        until(lambda: contained.data("GET", "/api/v1/deployments/tiny")["status"] != "running", "the end is seen", LIMIT)
        results.append(wanted_or_told(contained, engines=lambda: containers_of(docker)))
    report("kill -9 of a container's engine", results)
    results = []
    for _ in range(max(1, KILLS // 20)):
        docker.end()
        until(lambda: contained.data("GET", "/api/v1/deployments/tiny")["status"] != "running", "the end is seen", LIMIT)
        docker.start()
        results.append(wanted_or_told(contained, engines=lambda: containers_of(docker)))
    report("restart of the Docker daemon", results)
    results = []
    for _ in range(max(1, KILLS // 20)):
        running = containers_of(docker)
        contained.kill()
        contained.start()
        results.append(wanted_or_told(contained, engines=lambda: containers_of(docker)))
        assert containers_of(docker) == running, "a container that ran was not adopted"
    report("kill -9 of the manager of a container", results)
    assert leftovers(contained) == before
    until(lambda: descriptors(contained) <= open_before + 2, "no descriptor is left open")
    assert stream_answer(contained, "tiny", max_tokens=4)[-1] == "message.end"
