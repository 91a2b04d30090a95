"""Every file passes the virus scanner before it is kept, when one is configured."""

import json
import os
import shutil
import subprocess

import pytest
from big_files import TINY, add_repo, check_blobs
from service import ROOT, until
from test_store import hf_cache, import_from, ollama_store, wait

BIG = "acme/big"
MIB = 1 << 20
CLAMD = shutil.which("clamd", path=f"{os.environ['PATH']}:/usr/sbin")
# A piece of the demo model's own bytes, and one that it doesn't have.
EVIL, ABSENT = TINY[700_000:700_024].hex(), b"not to be found in it".hex()


@pytest.fixture
def start_clamd(tmp_path):
    """Starts the stand-in; answers its address and a function that ends it and tells what it has scanned."""
    running = []

    def start(*arguments):
        process = subprocess.Popen([ROOT / "tests/fakes/clamd", *arguments], stdout=subprocess.PIPE, text=True)
        running.append(process)

        def scans():
            process.terminate()
            return [json.loads(line) for line in process.communicate(timeout=20)[0].splitlines()]

        return json.loads(process.stdout.readline())["address"], scans

    yield start
    for process in running:
        process.terminate()
        process.wait(20)


def ended(service, path):
    return until(lambda: next((d for d in [service.data("GET", path)] if d["status"] in ("completed", "failed")), None), "an end")


def begin(service, ref):
    return "/api/v1/downloads/" + service.data("POST", "/api/v1/downloads", {"ref": ref})["id"]


@pytest.mark.parametrize("way", ["socket", "tcp"])
def test_a_clean_file_is_kept(make_service, hub, start_clamd, tmp_path, way):
    address, scans = start_clamd("--signature", f"Test.Absent={ABSENT}", *(["--socket", str(tmp_path / "clamd.ctl")] if way == "socket" else []))
    service = make_service(HF_ENDPOINT=hub.url, LLM_MANAGER_SCAN_CLAMD=address)
    assert service.pull("acme/tiny-GGUF")["status"] == "completed"
    assert len(check_blobs(service.home)) == 1
    assert scans() == [{"bytes": len(TINY), "verdict": None}]


def test_an_infected_file_is_refused_and_deleted(make_service, hub, start_clamd):
    address, _ = start_clamd("--signature", f"Test.Evil-1={EVIL}")
    service = make_service(HF_ENDPOINT=hub.url, LLM_MANAGER_SCAN_CLAMD=address)
    done = service.pull("acme/tiny-GGUF")
    assert (done["status"], done["error_code"], done["attempt"]) == ("failed", "UNSAFE_FILE", 1)
    assert "Test.Evil-1" in done["error_message"] and "tiny-chat-Q8_0.gguf" in done["error_message"]
    assert check_blobs(service.home) == set()
    assert not [path for path in (service.home / "downloads").rglob("*") if path.is_file()]
    assert not [path for path in (service.home / "models").rglob("*") if path.is_symlink()]
    assert service.data("GET", f"/api/v1/models/{done['model_id']}")["status"] != "ready"


def test_a_long_file_is_scanned_in_parts_that_overlap(make_service, hub, start_clamd):
    """The demo model begins each file; its last bytes lie across the first border between two parts."""
    size = 5 * MIB + 777
    add_repo(hub, BIG, {"big-Q8_0.gguf": size})
    border = TINY[MIB - 12:MIB + 12].hex()
    address, scans = start_clamd("--signature", f"Test.Border={border}", "--limit", str(MIB))
    service = make_service(HF_ENDPOINT=hub.url, LLM_MANAGER_SCAN_CLAMD=address, LLM_MANAGER_SCAN_PART_BYTES=str(MIB))
    done = service.pull(BIG)
    assert (done["status"], done["error_code"]) == ("failed", "UNSAFE_FILE")
    assert [scan["verdict"] for scan in scans()] == [None, "Test.Border"]


def test_a_scanner_that_takes_less_at_once_is_named(make_service, hub, start_clamd):
    address, _ = start_clamd("--limit", str(MIB))
    service = make_service(HF_ENDPOINT=hub.url, LLM_MANAGER_SCAN_CLAMD=address)
    path = begin(service, "acme/tiny-GGUF")
    waits = until(lambda: next((d for d in [service.data("GET", path)] if d["error_code"]), None), "it says why")
    assert waits["error_code"] == "SCAN_UNAVAILABLE" and "StreamMaxLength" in waits["error_message"]


def test_without_the_scanner_nothing_is_kept_and_nothing_is_lost(make_service, hub, start_clamd, tmp_path):
    socket = tmp_path / "clamd.ctl"
    service = make_service(HF_ENDPOINT=hub.url, LLM_MANAGER_SCAN_CLAMD=str(socket))
    path = begin(service, "acme/tiny-GGUF")
    waits = until(lambda: next((d for d in [service.data("GET", path)] if d["error_code"]), None), "it says why")
    assert waits["error_code"] == "SCAN_UNAVAILABLE" and "start it" in waits["error_message"]
    assert check_blobs(service.home) == set()
    fetched = sum(entry["sent"] for entry in hub.log() if entry["host"] == "cdn")
    start_clamd("--socket", str(socket))
    assert ended(service, path)["status"] == "completed"
    assert sum(entry["sent"] for entry in hub.log() if entry["host"] == "cdn") == fetched, "bytes were fetched twice"


def test_an_operator_may_do_without_while_the_scanner_is_away(make_service, hub, tmp_path):
    service = make_service(HF_ENDPOINT=hub.url, LLM_MANAGER_SCAN_CLAMD=str(tmp_path / "nobody.ctl"), LLM_MANAGER_SCAN_UNREACHABLE="skip")
    assert service.pull("acme/tiny-GGUF")["status"] == "completed"
    assert "without a scan" in service.log.read_text()


# Files that are on this machine already

@pytest.fixture
def cache(tmp_path):
    """A cache of HuggingFace's tools with one model."""
    return hf_cache(tmp_path / "outside/hub", ("acme--tiny-GGUF",))


def test_an_import_is_scanned(make_service, start_clamd, cache):
    address, scans = start_clamd("--signature", f"Test.Absent={ABSENT}")
    service = make_service(LLM_MANAGER_LOCAL_ROOTS=str(cache.parent), LLM_MANAGER_SCAN_CLAMD=address)
    done = import_from(service, "hf-cache", cache)
    assert (done["state"], len(done["result"]["models"])) == ("succeeded", 2)
    seen = scans()
    assert {"bytes": len(TINY), "verdict": None} in seen and len(seen) > 2, "every file of both models"


@pytest.mark.parametrize("source", ["hf-cache", "ollama", "path"])
def test_an_infected_import_is_refused_and_the_original_stays(make_service, start_clamd, tmp_path, source):
    outside = tmp_path / "outside"
    where = {"hf-cache": lambda: hf_cache(outside / "hub", ("acme--tiny-GGUF",)), "ollama": lambda: ollama_store(outside / "ollama"),
             "path": lambda: outside / "tiny-Q8_0.gguf"}[source]()
    if source == "path":
        outside.mkdir()
        where.write_bytes(TINY)
    address, _ = start_clamd("--signature", f"Test.Evil-1={EVIL}")
    service = make_service(LLM_MANAGER_LOCAL_ROOTS=str(outside), LLM_MANAGER_SCAN_CLAMD=address)
    before = {path: path.read_bytes() for path in outside.rglob("*") if path.is_file()}
    done = import_from(service, source, where) if source != "path" else wait(service, service.data("POST", "/api/v1/models", {"path": str(where)}))
    if source == "hf-cache":  # the other model's weights are clean
        assert done["state"] == "succeeded" and len(done["result"]["models"]) == 1
        assert [(row["ref"].split("@")[0], row["error"]) for row in done["result"]["skipped"]] == [("huggingface:acme/tiny-GGUF", "UNSAFE_FILE")]
        assert "Test.Evil-1" in done["result"]["skipped"][0]["reason"]
    else:
        assert (done["state"], done["error_code"]) == ("failed", "UNSAFE_FILE") and "Test.Evil-1" in done["error"], done
        assert check_blobs(service.home) == set()
    assert not any(TINY == blob.read_bytes() for blob in (service.home / "blobs").rglob("*") if blob.is_file())
    assert not list((service.home / "downloads/incoming").iterdir())
    assert {path: path.read_bytes() for path in before} == before


def test_an_import_waits_for_the_scanner(make_service, start_clamd, cache, tmp_path):
    socket = tmp_path / "clamd.ctl"
    service = make_service(LLM_MANAGER_LOCAL_ROOTS=str(cache.parent), LLM_MANAGER_SCAN_CLAMD=str(socket))
    path = "/api/v1/store/imports/" + service.data("POST", "/api/v1/store/imports", {"source": "hf-cache", "path": str(cache)})["id"]
    until(lambda: "scanner" in (service.data("GET", path)["error"] or ""), "it says why")
    assert check_blobs(service.home) == set()
    start_clamd("--socket", str(socket))
    done = until(lambda: next((i for i in [service.data("GET", path)] if i["state"] in ("succeeded", "failed")), None), "it goes on by itself")
    assert done["state"] == "succeeded" and len(done["result"]["models"]) == 2


@pytest.mark.needs("ClamAV's daemon", None if CLAMD else "clamd is not installed", ci=False)
def test_the_real_clamd(make_service, hub, tmp_path):
    """With a signature database of one line, and clamd's own limit for a stream below the size of the file."""
    (tmp_path / "db").mkdir()
    (tmp_path / "db/test.ndb").write_text(f"Test.Border:0:*:{TINY[MIB - 12:MIB + 12].hex()}\n")
    socket, configuration = tmp_path / "clamd.ctl", tmp_path / "clamd.conf"
    configuration.write_text(f"LocalSocket {socket}\nDatabaseDirectory {tmp_path}/db\nForeground yes\nStreamMaxLength 2M\n"
                             f"LogFile {tmp_path}/clamd.log\n" + ("User root\n" if os.geteuid() == 0 else ""))
    daemon = subprocess.Popen([CLAMD, "--config-file", configuration], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(socket.exists, "clamd listens")
        service = make_service(HF_ENDPOINT=hub.url, LLM_MANAGER_SCAN_CLAMD=str(socket), LLM_MANAGER_SCAN_PART_BYTES=str(2 * MIB))
        add_repo(hub, BIG, {"big-Q8_0.gguf": 5 * MIB})
        done = service.pull(BIG)
        assert (done["status"], done["error_code"]) == ("failed", "UNSAFE_FILE") and "Test.Border" in done["error_message"], done
        assert service.pull("demo:tiny-chat")["status"] == "failed", "the same bytes from another source"
        assert service.pull("acme/sharded")["status"] == "completed"
        # More at once than it takes.
        other = make_service("other", HF_ENDPOINT=hub.url, LLM_MANAGER_SCAN_CLAMD=str(socket))
        path = begin(other, BIG)
        waits = until(lambda: next((d for d in [other.data("GET", path)] if d["error_code"]), None), "it says why")
        assert waits["error_code"] in ("SCAN_UNAVAILABLE", "UNSAFE_FILE"), waits
        assert check_blobs(other.home) == set()
    finally:
        daemon.terminate()
        daemon.wait(60)
