"""Deployments in containers, on a real Docker Engine of the tests' own with an image of the real llama-server."""

import json
import os
import signal
import sqlite3
import time

import pytest
from docker_daemon import IMAGE, DockerDaemon, why_no_kernel, why_not
from service import ROOT, until
from test_deployments import settled, stream_answer
from test_hostile_deployments import TEXTS
from test_way import ask

TINY = "demo:tiny-chat"
REASON = why_not()
KERNEL = None if REASON else why_no_kernel()

pytestmark = pytest.mark.needs("a Docker Engine", REASON or KERNEL, ci=not KERNEL)


@pytest.fixture(scope="module")
def docker(tmp_path_factory):
    assert not REASON, REASON
    daemon = DockerDaemon(tmp_path_factory.mktemp("docker"))
    daemon.import_llama_server()
    yield daemon
    daemon.stop()


def service_with_docker(make_service, docker, tmp_path):
    """One whose template for llama.cpp names the image of the tests."""
    home = tmp_path / "home"
    templates = home / "engines.d/docker"
    templates.mkdir(parents=True)
    shipped = (ROOT / "share/engines/docker/llama.cpp.toml").read_text()
    image = next(line for line in shipped.splitlines() if line.startswith("image ="))
    (templates / "llama.cpp.toml").write_text(shipped.replace(image, f'image = "{IMAGE}"'))
    (templates / "absent.toml").write_text(shipped.replace("preference = 100", "preference = 0").replace(image, 'image = "127.0.0.1:1/nobody/nothing:1"'))
    service = make_service(DOCKER_HOST=f"unix://{docker.socket}")
    service.pull(TINY)
    return service


@pytest.fixture
def service(make_service, docker, tmp_path):
    service = service_with_docker(make_service, docker, tmp_path)
    yield service
    service.stop()
    assert docker.containers() == [], "a container was left behind"


def deploy(service, **more):
    return service.deploy(TINY, name="tiny", engine="docker", **more)


def test_deploy_chat_stop_and_start_again(service, docker):
    engine = next(e for e in service.data("GET", "/api/v1/engines")["items"] if e["name"] == "docker")
    assert engine["available"] and engine["version"] and "gguf" in engine["formats"], engine
    assert {"llama.cpp", "vllm", "sglang"} <= {template["name"] for template in engine["templates"]}
    deployment = deploy(service, config={"context_size": 512, "parallel": 2, "threads": 1})
    assert deployment["config"]["template"] == "llama.cpp" and deployment["container_id"]
    assert deployment["effective"]["context_per_slot"] in (256, 512) and deployment["effective"]["parallel"] == 2
    assert ask(service)["content"] == "The capital of France is Paris."
    host = docker.inspect(deployment["container_id"])["HostConfig"]
    assert host["CapDrop"] == ["ALL"] and host["ReadonlyRootfs"] and host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["PidsLimit"] == 1024 and not host["Privileged"] and host["RestartPolicy"]["Name"] == "no"
    assert [mount["ReadOnly"] for mount in host["Mounts"]] == [True]
    assert [b["HostIp"] for b in host["PortBindings"]["8080/tcp"]] == ["127.0.0.1"]
    until(lambda: "model loaded" in json.dumps(service.data("GET", "/api/v1/deployments/tiny/logs")), "the log is there")
    # The engine's own count of running requests lags behind its answers.
    metrics = until(lambda: next((m for m in [service.data("GET", "/api/v1/deployments/tiny/metrics")] if m["requests_running"] == 0), None),
                    "no request runs")
    assert metrics["generated_tokens_total"] > 0, metrics
    memory = service.data("GET", "/api/v1/deployments/tiny")["memory"]
    # The same sum as for a llama-server without a container.
    plan = service.data("POST", "/api/v1/deployments/plan", {"ref": TINY, "engine": "llama-server",
                                                             "config": {"context_size": 256, "parallel": 2, "threads": 1}})
    assert memory["measured_bytes"] and memory["estimated_bytes"] == plan["estimated_bytes"], (memory, plan)
    service.data("POST", "/api/v1/deployments/tiny/stop")
    settled(service, "tiny", lambda d: d["status"] == "stopped", "stopped")
    assert docker.containers() == []
    service.data("POST", "/api/v1/deployments/tiny/start")
    settled(service, "tiny", lambda d: d["status"] == "running", "running again")
    assert ask(service)["content"] == "The capital of France is Paris."


def test_a_container_outlives_the_manager_and_is_adopted(service, docker):
    before = deploy(service)
    service.kill()
    assert docker.inspect(before["container_id"])["State"]["Running"]
    service.start()
    after = settled(service, "tiny", lambda d: d["status"] == "running", "running")
    assert after["container_id"] == before["container_id"] and after["restarts"] == 0
    assert ask(service)["content"] == "The capital of France is Paris."
    log = json.dumps(service.data("GET", "/api/v1/deployments/tiny/logs?tail=1000"))
    assert log.count("model loaded") == 1, "the log was copied twice"


def test_a_container_that_nobody_wants_is_removed_when_the_manager_starts(service, docker):
    before = deploy(service)
    service.kill()

    with sqlite3.connect(service.home / "llm-manager.db") as database:
        database.execute("PRAGMA foreign_keys = ON")
        database.execute("DELETE FROM deployments WHERE id = ?", (before["id"],))
    service.start()
    until(lambda: docker.containers() == [], "the container is gone")


def test_a_killed_container_and_a_restart_of_docker_are_survived(service, docker):
    before = deploy(service)
    os.kill(docker.inspect(before["container_id"])["State"]["Pid"], signal.SIGKILL)
    after = settled(service, "tiny", lambda d: d["restarts"] == 1 and d["status"] == "running", "started again")
    assert "signal 9" in after["last_error"], after["last_error"]
    docker.end()
    time.sleep(1)
    docker.start()
    again = settled(service, "tiny", lambda d: d["restarts"] >= 2 and d["status"] == "running", "running after Docker's restart")
    assert again["container_id"] not in (before["container_id"], after["container_id"])
    assert ask(service)["content"] == "The capital of France is Paris."
    assert len(docker.containers()) == 1


def test_a_change_of_settings_replaces_the_container_without_a_gap(service, docker):
    before = deploy(service, config={"context_size": 512})
    service.data("PATCH", "/api/v1/deployments/tiny", {"config": {"context_size": 768}})
    while True:
        assert stream_answer(service, "tiny", max_tokens=8)[-1] == "message.end"
        now = service.data("GET", "/api/v1/deployments/tiny")
        if now["container_id"] != before["container_id"] and len(now["instances"]) == 1:
            break
    assert now["effective"]["context_size"] == 768 and now["config"]["template"] == "llama.cpp"
    assert len(docker.containers()) == 1


def test_an_image_that_can_not_be_pulled_says_so(service):
    service.data("POST", "/api/v1/deployments", {"ref": TINY, "name": "tiny", "engine": "docker", "config": {"template": "absent"}})
    failed = settled(service, "tiny", lambda d: d["status"] == "failed", "failed")
    assert "can't be fetched" in failed["last_error"], failed["last_error"]
    tasks = [task for task in service.data("GET", "/api/v1/tasks")["items"] if task["kind"] == "pull_image"]
    assert tasks and tasks[0]["subject"] == "127.0.0.1:1/nobody/nothing:1" and tasks[0]["state"] == "failed", tasks


def test_what_is_not_in_the_template_is_refused(service):
    for config in ({"template": "nobody"}, {"image": "evil:1"}, {"privileged": True}, {"context_size": "--help"}, {"context_size": 1}):
        assert service.error("POST", "/api/v1/deployments", {"ref": TINY, "engine": "docker", "config": config}) == "VALIDATION_FAILED"
    for text in TEXTS:
        for config in ({"template": text}, {"image": text}, {"environment": {text: text}}, {"entrypoint": [text]}, {"threads": text}, {text: 1}):
            body = {"ref": TINY, "engine": "docker", "config": config}
            assert service.error("POST", "/api/v1/deployments", body) == "VALIDATION_FAILED", body
