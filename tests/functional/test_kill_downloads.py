"""kill -9 at random moments over a mixed queue of downloads: nothing is lost that was verified, nothing wrong is kept.

KILLS says how often (8; `make test-kill-downloads KILLS=300`), SEED which moments.
"""

import os
import random
import time

from big_files import CHUNK, add_repo, check_blobs, is_cut, transfers
from service import until

KILLS = int(os.environ.get("KILLS", "8"))
SEED = int(os.environ.get("SEED", "1"))
MIB = 1 << 20
REPOS = {
    "acme/one": {"one-Q8_0.gguf": 40 * MIB + 12345},
    "acme/shards": {f"shards-Q8_0-0000{i}-of-00003.gguf": 12 * MIB + i for i in (1, 2, 3)},
    "acme/many": {f"many-{i:02}.gguf": (1 << 20) + 200_000 + i for i in range(16)},
}
ALIVE, ENDED_WELL = {"pending", "downloading"}, {"completed"}


def start_all(service):
    for name in REPOS:
        service.data("POST", "/api/v1/downloads", {"ref": name, "files": ["*.gguf"], "priority": len(name)})


def downloads(service):
    return service.data("GET", "/api/v1/downloads?limit=200")["items"]


def check_rows(service):
    models = {model["id"]: model["status"] for model in service.data("GET", "/api/v1/models?limit=200")["items"]}
    for row in downloads(service):
        assert row["status"] in ALIVE | ENDED_WELL, row
        assert row["download_size"] <= row["total_size"], row
        expected = "ready" if row["status"] == "completed" else "downloading"
        assert models[row["model_id"]] == expected, (row, models)


def finish(service):
    """All downloads complete; then their models go, so that the next round begins with nothing."""
    until(lambda: all(row["status"] == "completed" for row in downloads(service)), "all downloads are complete", 180)
    check_rows(service)
    digests = check_blobs(service.home)
    for row in downloads(service):
        assert {file["sha256"] for file in row["files"]} <= digests
        until(lambda gone=row["id"]: not (service.home / "downloads" / gone).exists(), "its parts are gone", 10)
        service.data("DELETE", f"/api/v1/models/{row['model_id']}")


def test_kills_lose_nothing(make_service, hub):
    for name, sizes in REPOS.items():
        add_repo(hub, name, sizes)
    hub.control("POST", "settings", {"quotas": {"api": 1_000_000, "resolvers": 1_000_000}})
    hub.fault({"kind": "rate", "bytes_per_second": 2_500_000}, host="cdn")
    moments = random.Random(SEED)
    service = make_service(HF_ENDPOINT=hub.url, LLM_MANAGER_DOWNLOADS_CONCURRENT="3")
    start_all(service)
    rounds, kills = 1, 0
    while kills < KILLS:
        time.sleep(moments.uniform(0.0, 1.2))
        service.kill()
        kills += 1
        check_blobs(service.home)
        service.start()
        check_rows(service)
        if all(row["status"] == "completed" for row in downloads(service)):
            finish(service)
            start_all(service)
            rounds += 1
    finish(service)
    wanted = rounds * sum(sum(sizes.values()) for sizes in REPOS.values())
    answers = transfers(hub)
    sent, cut = sum(entry["sent"] for entry in answers), sum(is_cut(entry) for entry in answers)
    print(f"{kills} kills in {rounds} rounds: {sent - wanted} of {wanted} bytes sent again, {cut} answers cut, "
          f"{(sent - wanted) / max(1, cut):.0f} bytes for each")
    assert 0 <= sent - wanted <= cut * CHUNK
