"""What the transfer of large files does when hub, network or disk misbehave: it ends with the right bytes, or says why not."""

import os
import subprocess
import time

import pytest
from big_files import CHUNK, add_repo, check_blobs, transfers
from service import Service, until

from hub_process import HubProcess

MIB = 1 << 20
BIG = "acme/big"


@pytest.fixture
def big(make_service, hub):
    """A service, and a hub with one file of 24 MiB."""
    add_repo(hub, BIG, {"big-Q8_0.gguf": 24 * MIB + 777})
    return make_service(HF_ENDPOINT=hub.url)


def begin(service, ref=BIG, **more):
    return "/api/v1/downloads/" + service.data("POST", "/api/v1/downloads", {"ref": ref, **more})["id"]


def wait(service, path, patience=120, status="completed"):
    done = until(lambda: next((d for d in [service.data("GET", path)] if d["status"] in (status, "failed")), None),
                 f"the download is {status}", patience)
    assert done["status"] == status, done
    return done


def sent(hub):
    return sum(entry["sent"] for entry in transfers(hub))


def test_many_connections_over_tls_do_not_stand_still(make_service, tmp_path):
    """As the hubs serve files: connections of TLS, several a file, ended and begun anew. A lost one is given up after 12 s."""
    certificate = tmp_path / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(certificate),
                    "-out", str(tmp_path / "ca.pem")], check=True, capture_output=True)
    with open(certificate, "ab") as both:
        both.write((tmp_path / "ca.pem").read_bytes())
    hub = HubProcess("--cdn-host", "localhost", "--cdn-certificate", str(certificate))
    try:
        add_repo(hub, BIG, {"big-Q8_0.gguf": 160 * MIB})
        service = make_service(HF_ENDPOINT=hub.url, SSL_CERT_FILE=str(tmp_path / "ca.pem"),
                               LLM_MANAGER_NETWORK_ALLOWED_HOSTS=hub.cdn.removeprefix("https://"))
        for _ in range(3):
            began = time.monotonic()
            path = begin(service)
            model = wait(service, path)["model_id"]
            assert time.monotonic() - began < 10, "a connection stood still"
            service.data("DELETE", path, expect=(200, 202, 204))
            service.data("DELETE", f"/api/v1/models/{model}", expect=(200, 202, 204))
        assert len(transfers(hub)) > 6, "several connections"
    finally:
        hub.stop()


def test_a_limit_holds_and_may_change(big, hub):
    started = time.monotonic()
    path = begin(big, speed_limit=4 * MIB)
    time.sleep(2)
    received = big.data("GET", path)["download_size"]
    assert 5 * MIB < received < 11 * MIB, f"{received} bytes in {time.monotonic() - started:.1f} s at 4 MiB/s"
    assert big.data("PATCH", path, {"speed_limit": 1 * MIB})["speed_limit"] == MIB
    time.sleep(0.5)
    before = big.data("GET", path)["download_size"]
    time.sleep(2)
    assert big.data("GET", path)["download_size"] - before < 3.5 * MIB
    big.data("PATCH", path, {"speed_limit": None})
    assert wait(big, path)["files"][0]["status"] == "verified"


def test_a_limit_of_the_whole_program(make_service, hub):
    add_repo(hub, BIG, {"big-Q8_0.gguf": 12 * MIB})
    service = make_service(HF_ENDPOINT=hub.url, LLM_MANAGER_DOWNLOADS_SPEED_LIMIT=str(4 * MIB))
    started = time.monotonic()
    wait(service, begin(service))
    assert time.monotonic() - started > 2.5


@pytest.mark.parametrize("name,action,match", [
    ("a reset", {"kind": "reset", "after": 700_000}, {"count": 6}),
    ("an early end", {"kind": "truncate", "after": 300_000}, {"count": 6}),
    ("no connection", {"kind": "reset"}, {"count": 3}),
    ("errors", {"kind": "status", "status": 503}, {"count": 4}),
    ("an expired address", {"kind": "status", "status": 403}, {"nth": 2, "count": 2}),
    ("too many requests", {"kind": "status", "status": 429, "retry_after": 1}, {"count": 2}),
    ("other bytes", {"kind": "content_range"}, {"count": 3}),
    ("a login page", {"kind": "captive_portal"}, {"count": 2}),
    ("no ranges", {"kind": "ignore_range"}, {}),
], ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "")
def test_passing_faults_cost_little(big, hub, name, action, match):
    hub.fault(action, host="cdn", **match)
    done = wait(big, begin(big))
    assert done["files"][0]["status"] == "verified"
    assert sent(hub) < 24 * MIB + 777 + 8 * CHUNK, name
    check_blobs(big.home)


def test_a_stalled_connection_is_replaced_at_the_exact_byte(big, hub):
    hub.fault({"kind": "stall", "after": 1_000_000}, host="cdn", count=1)
    wait(big, begin(big))
    assert sent(hub) < 24 * MIB + 777 + MIB


def test_wrong_bytes_are_found_and_only_their_segment_is_written_again(big, hub):
    hub.fault({"kind": "flip", "offset": 13 * MIB}, host="cdn", count=1)
    hub.fault({"kind": "flip", "offset": 13 * MIB}, host="cdn", range=f"bytes={12 * MIB}-*", count=1)
    done = wait(big, begin(big))
    assert done["files"][0]["status"] == "verified"
    check_blobs(big.home)


def test_a_source_that_always_sends_wrong_bytes_is_refused(big, hub):
    hub.fault({"kind": "flip", "offset": 5 * MIB}, host="cdn")
    done = wait(big, begin(big), status="failed")
    assert done["error_code"] == "DIGEST_MISMATCH"
    assert check_blobs(big.home) == set()


def test_an_outage_is_waited_out(big, hub):
    hub.fault({"kind": "reset"}, host="cdn")
    path = begin(big)
    until(lambda: big.data("GET", path)["phase"] == "waiting_for_source", "it waits")
    hub.control("DELETE", "faults")
    done = wait(big, path)
    assert done["attempt"] == 1 and done["average_speed"] > 0


def test_pause_and_a_restart_keep_what_has_come(big, hub):
    hub.fault({"kind": "rate", "bytes_per_second": 1_000_000}, host="cdn")
    path = begin(big)
    until(lambda: big.data("GET", path)["download_size"] > 5 * MIB, "some bytes have come")
    rests = big.data("POST", path + "/pause")
    big.stop()
    big.start()
    big.data("POST", path + "/resume")
    hub.control("DELETE", "faults")
    wait(big, path)
    assert rests["status"] == "paused"
    assert sent(hub) < 24 * MIB + 777 + 2 * MIB


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system: needs root")
def test_a_full_disk_makes_it_wait_and_nothing_is_lost(tmp_path, hub):
    home = tmp_path / "small"
    home.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", home], check=True)
    service = None
    try:
        add_repo(hub, BIG, {"big-Q8_0.gguf": 24 * MIB + 777})
        service = Service(home, HF_ENDPOINT=hub.url, LLM_MANAGER_DOWNLOADS_KEEP_FREE_BYTES="0")
        ballast = home / "ballast"
        ballast.write_bytes(bytes(30 * MIB))
        path = begin(service)
        until(lambda: service.data("GET", path)["phase"] == "waiting_for_space", "it waits for space")
        assert sent(hub) == 0, "bytes were fetched before there was room"
        ballast.unlink()
        wait(service, path)
        check_blobs(home)
    finally:
        if service:
            service.stop()
        subprocess.run(["umount", "-l", home], check=True)


def test_many_small_files_and_their_progress(make_service, hub):
    add_repo(hub, "acme/many", {f"many-{i:03}.gguf": MIB + 200_000 for i in range(40)})
    service = make_service(HF_ENDPOINT=hub.url)
    hub.fault({"kind": "rate", "bytes_per_second": 1_000_000}, host="cdn")
    path = begin(service, "acme/many", files=["*.gguf"])
    busy = until(lambda: next((d for d in [service.data("GET", path)] if d["connections"] >= 8), None), "many at once")
    assert sum(file["connections"] for file in busy["files"]) == busy["connections"] <= 16
    hub.control("DELETE", "faults")
    done = wait(service, path)
    assert done["verified_size"] == done["total_size"] and done["source"] == "huggingface"
    assert {file["status"] for file in done["files"]} == {"verified"}
