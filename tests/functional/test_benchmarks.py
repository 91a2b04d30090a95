"""The built-in benchmark, against the stand-in engine, whose times are known, and the real one."""

import json
import os
import subprocess
import time

from engine import FakeEngine
from service import KEY, PROGRAM, until


def deployed(make_service, folder, **script):
    engine = FakeEngine(folder / "engine", **script)
    service = make_service(**engine.environment)
    service.pull("demo:tiny-chat")
    service.deploy("demo:tiny-chat", name="tiny", config={"parallel": 4})
    return service, engine


def ended(service, benchmark):
    path = f"/api/v1/benchmarks/{benchmark}"
    return until(lambda: next((b for b in [service.data("GET", path)] if b["status"] not in ("queued", "running")), None),
                 "the benchmark ends", 120)


def cli(service, *arguments):
    environment = {**os.environ, "LLM_MANAGER_URL": f"http://127.0.0.1:{service.port}", "LLM_MANAGER_API_KEY": KEY, "LANG": "C.UTF-8"}
    return subprocess.run([PROGRAM, *arguments], env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_a_sweep_measures_what_the_engine_does(make_service, tmp_path):
    service, engine = deployed(make_service, tmp_path, tokens=10, ms_per_token=20, first_token_ms=100)
    status, headers, answer = service.request("POST", "/api/v1/deployments/tiny/benchmark", {"concurrency": [1, 3], "requests": 4})
    task = answer["data"]
    assert (status, task["kind"]) == (202, "benchmark_deployment")
    assert headers["Location"] == f"/api/v1/tasks/{task['id']}"
    assert service.error("POST", "/api/v1/deployments/tiny/benchmark") == "STATE_CONFLICT"
    benchmark = ended(service, task["subject"])
    assert (benchmark["status"], benchmark["deployment_name"]) == ("completed", "tiny")
    assert [(level["concurrency"], level["requests"], level["failed"]) for level in benchmark["levels"]] == [(1, 4, 0), (3, 4, 0)]
    for level in benchmark["levels"]:
        assert level["completion_tokens"] == 40
        # The stand-in waits 100 ms and then 20 ms before each of ten words; a busy machine adds to that.
        assert 119 <= level["time_to_first_token_ms"]["p50"] < 3000
        assert 15 <= level["inter_token_ms"]["p50"] < 600
        assert 299 <= level["total_ms"]["p50"] < 9000
        assert abs(level["tokens_per_second"] - 40 / level["seconds"]) < 0.1
    one, three = benchmark["levels"]
    assert three["seconds"] < one["seconds"], "three at a time take less than one after the other"
    # One more to warm up, and no prompt twice.
    prompts = [entry["body"] for entry in engine.log("request") if entry["path"] == "/v1/chat/completions"]
    assert len(prompts) == 9
    assert until(lambda: service.data("GET", f"/api/v1/tasks/{task['id']}")["state"] == "succeeded", "the task has ended")

    listed = service.data("GET", "/api/v1/benchmarks")["items"]
    assert [b["id"] for b in listed] == [benchmark["id"]]
    service.data("DELETE", "/api/v1/deployments/tiny")
    assert service.data("GET", f"/api/v1/benchmarks/{benchmark['id']}")["deployment_id"] is None
    service.data("DELETE", f"/api/v1/benchmarks/{benchmark['id']}")
    assert service.error("GET", f"/api/v1/benchmarks/{benchmark['id']}") == "NOT_FOUND"
    assert service.error("POST", "/api/v1/deployments/none/benchmark") == "DEPLOYMENT_NOT_FOUND"


def test_errors_are_counted_by_kind(make_service, tmp_path):
    service, _ = deployed(make_service, tmp_path, exceed_context=True)
    task = service.data("POST", "/api/v1/deployments/tiny/benchmark", {"concurrency": [2], "requests": 4})
    (level,) = ended(service, task["subject"])["levels"]
    assert (level["failed"], level["errors"], level["total_ms"]) == (4, {"CONTEXT_EXCEEDED": 4}, None)


def test_a_cancelled_one_keeps_its_levels(make_service, tmp_path):
    service, engine = deployed(make_service, tmp_path, tokens=20, ms_per_token=20)
    task = service.data("POST", "/api/v1/deployments/tiny/benchmark", {"concurrency": [1, 1, 1, 1, 1, 1], "requests": 3})
    path = f"/api/v1/benchmarks/{task['subject']}"
    until(lambda: service.data("GET", path)["levels"], "a level is done")
    assert service.error("DELETE", path) == "STATE_CONFLICT"
    service.data("POST", f"/api/v1/tasks/{task['id']}/cancel")
    benchmark = ended(service, task["subject"])
    assert benchmark["status"] == "cancelled" and 1 <= len(benchmark["levels"]) < 6
    asked = len(engine.log("request"))
    time.sleep(0.5)
    assert len(engine.log("request")) == asked, "it went on"


def test_the_command_line_prints_a_table_or_json(make_service):
    service = make_service()
    service.pull("demo:tiny-chat")
    service.deploy("demo:tiny-chat", name="tiny")
    done = cli(service, "bench", "tiny", "--concurrency", "1,2", "--requests", "2", "--max-tokens", "8")
    assert done.returncode == 0, done.stderr
    title, *rows = done.stdout.splitlines()
    assert title.split()[:3] == ["CONCURRENCY", "REQUESTS", "FAILED"]
    assert [row.split()[:3] for row in rows] == [["1", "2", "0"], ["2", "2", "0"]]
    done = cli(service, "bench", "tiny", "--concurrency", "1", "--requests", "1", "--max-tokens", "8", "--json")
    benchmark = json.loads(done.stdout)
    assert benchmark["status"] == "completed" and benchmark["levels"][0]["completion_tokens"] > 0
    assert "tiny" in cli(service, "benchmarks").stdout
    assert cli(service, "bench", "none").returncode == 1
    assert cli(service, "bench", "tiny", "--concurrency", "0").returncode == 2
