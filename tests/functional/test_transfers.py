"""What the transfer of large files does when hub, network or disk misbehave: it ends with the right bytes, or says why not."""

import base64
import os
import subprocess
import time

import pytest
from big_files import CHUNK, TINY, add_repo, check_blobs, transfers
from service import PROGRAM, Service, until

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


@pytest.fixture
def tls(tmp_path):
    """A hub whose storage speaks TLS, and what a service must be told to trust it."""
    certificate = tmp_path / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(certificate),
                    "-out", str(tmp_path / "ca.pem")], check=True, capture_output=True)
    with open(certificate, "ab") as both:
        both.write((tmp_path / "ca.pem").read_bytes())
    hub = HubProcess("--cdn-host", "localhost", "--cdn-certificate", str(certificate))
    hub.trusted = {"HF_ENDPOINT": hub.url, "SSL_CERT_FILE": str(tmp_path / "ca.pem"),
                   "LLM_MANAGER_NETWORK_ALLOWED_HOSTS": hub.cdn.removeprefix("https://")}
    yield hub
    hub.stop()


def test_many_connections_over_tls_do_not_stand_still(make_service, tls):
    """As the hubs serve files: connections of TLS, several a file, ended and begun anew. A lost one is given up after 12 s."""
    add_repo(tls, BIG, {"big-Q8_0.gguf": 160 * MIB})
    service = make_service(**tls.trusted)
    for _ in range(3):
        began = time.monotonic()
        path = begin(service)
        model = wait(service, path)["model_id"]
        assert time.monotonic() - began < 10, "a connection stood still"
        service.data("DELETE", path, expect=(200, 202, 204))
        service.data("DELETE", f"/api/v1/models/{model}", expect=(200, 202, 204))
    assert len(transfers(tls)) > 6, "several connections"


@pytest.mark.parametrize("action", [{"kind": "truncate", "after": 700_000}, {"kind": "reset", "after": 700_000}, {"kind": "reset"}],
                         ids=["without-a-goodbye", "reset", "no-connection"])
def test_a_tls_connection_that_is_cut_goes_on_at_the_exact_byte(make_service, tls, action):
    """The end of the stream without TLS's own end: what came before is right and kept, and it is not taken for the whole."""
    size = 24 * MIB + 777
    add_repo(tls, BIG, {"big-Q8_0.gguf": size})
    service = make_service(**tls.trusted)
    tls.fault(action, host="cdn", count=5)
    done = wait(service, begin(service))
    assert done["attempt"] == 1 and done["files"][0]["status"] == "verified"
    assert sent(tls) < size + 5 * MIB
    check_blobs(service.home)


def test_a_certificate_that_nobody_trusts_is_no_source(make_service, tls):
    add_repo(tls, BIG, {"big-Q8_0.gguf": 8 * MIB})
    service = make_service(**(tls.trusted | {"SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt"}))
    path = begin(service)
    until(lambda: service.data("GET", path)["phase"] == "waiting_for_source", "it waits")
    assert service.data("GET", path)["download_size"] == 0 and sent(tls) == 0


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
    assert sent(hub) <= 2 * (24 * MIB + 777), "more than one further try"


def test_after_wrong_bytes_a_retry_goes_on_with_the_right_ones(big, hub):
    hub.fault({"kind": "flip", "offset": 5 * MIB}, host="cdn")
    path = begin(big)
    wait(big, path, status="failed")
    hub.control("DELETE", "faults")
    big.data("POST", path + "/retry")
    wait(big, path)
    check_blobs(big.home)
    assert big.log.read_text().count("bytes of a file were wrong") == 1


def test_an_outage_is_waited_out(big, hub):
    hub.fault({"kind": "reset"}, host="cdn")
    path = begin(big)
    until(lambda: big.data("GET", path)["phase"] == "waiting_for_source", "it waits")
    hub.control("DELETE", "faults")
    done = wait(big, path)
    assert done["attempt"] == 1 and done["average_speed"] > 0


def shifted_zone(clock):
    """A time zone in which this machine's clock shows that time now: POSIX counts westwards."""
    hours, minutes, seconds = map(int, clock.split(":"))
    west = (time.time() - (hours * 3600 + minutes * 60 + seconds)) % 86_400
    west -= 86_400 if west > 43_200 else 0
    sign, west = ("-" if west < 0 else ""), abs(round(west))
    return f"TST{sign}{west // 3600:02}:{west // 60 % 60:02}:{west % 60:02}"


def test_the_limit_follows_the_clock(make_service, hub):
    """Six seconds before a window ends: slow at first, and then as fast as it goes."""
    add_repo(hub, BIG, {"big-Q8_0.gguf": 24 * MIB})
    service = make_service(HF_ENDPOINT=hub.url, TZ=shifted_zone("12:59:52"), LLM_MANAGER_DOWNLOADS_SCHEDULE="daily 12:00-13:00 1M")
    limit = service.data("GET", "/api/v1/downloads")["speed_limit"]
    assert limit == {"now": 1_000_000, "otherwise": None, "window": "daily 12:00-13:00 1M", "schedule": ["daily 12:00-13:00 1M"]}
    path = begin(service)
    time.sleep(2)
    slow = service.data("GET", path)
    assert 0 < slow["download_size"] < 4 * MIB and slow["status"] == "downloading", slow
    wait(service, path, patience=15)
    assert service.data("GET", "/api/v1/downloads")["speed_limit"]["now"] is None


def test_a_schedule_that_is_none_is_refused_at_the_start(tmp_path):
    run = subprocess.run([PROGRAM, "serve"], env={"PATH": os.environ["PATH"], "LLM_MANAGER_HOME": str(tmp_path),
                                                  "LLM_MANAGER_DOWNLOADS_SCHEDULE": "mon 25:00-26:00 1M"}, capture_output=True, text=True, timeout=20)
    assert run.returncode == 2 and "downloads.schedule" in run.stderr and "mon-fri 08:00-18:00 5M" in run.stderr


# Other sources of the same content

@pytest.fixture
def second_hub():
    """A mirror: the same repository with the same commit."""
    process = HubProcess()
    add_repo(process, BIG, {"big-Q8_0.gguf": 24 * MIB + 777})
    yield process
    process.stop()


def slow_down(*hubs):
    for one in hubs:
        one.fault({"kind": "rate", "bytes_per_second": 1_500_000}, host="cdn")


def test_a_mirror_takes_over_when_the_hub_dies(make_service, hub, second_hub):
    size = 24 * MIB + 777
    add_repo(hub, BIG, {"big-Q8_0.gguf": size})
    service = make_service(HF_ENDPOINT=hub.url, LLM_MANAGER_HUGGINGFACE_MIRRORS=second_hub.url)
    slow_down(hub, second_hub)
    path = begin(service)
    until(lambda: service.data("GET", path)["download_size"] > 8 * MIB, "a third is here")
    assert service.data("GET", path)["source"] == "huggingface"
    hub.stop()
    received = service.data("GET", path)["download_size"]
    other = until(lambda: next((d for d in [service.data("GET", path)] if d["source"] != "huggingface"), None), "it goes on elsewhere", 20)
    assert other["source"] == "huggingface (127.0.0.1)" and other["download_size"] >= received - CHUNK
    second_hub.control("DELETE", "faults")
    done = wait(service, path)
    assert done["attempt"] == 1
    # What the first had sent is not fetched again, but for what was under way.
    assert sent(second_hub) <= size - received + 2 * MIB, f"{sent(second_hub)} bytes from the mirror, {received} were here"
    check_blobs(service.home)
    assert not any(entry["authorization"] for entry in second_hub.log()), "the mirror got the token"


def test_another_hub_takes_over_where_it_lists_the_same_digest(make_service, hub, second_hub):
    """ModelScope has a repository of the same name, with another commit."""
    size = 24 * MIB + 777
    add_repo(hub, BIG, {"big-Q8_0.gguf": size})
    service = make_service(HF_ENDPOINT=hub.url, MODELSCOPE_ENDPOINT=second_hub.url, LLM_MANAGER_HUBS_FAILOVER="all")
    slow_down(hub)
    path = begin(service)
    until(lambda: service.data("GET", path)["download_size"] > 6 * MIB, "some bytes have come")
    hub.stop()
    received = service.data("GET", path)["download_size"]
    done = wait(service, path)
    assert done["attempt"] == 1
    fetched = sum(entry["sent"] for entry in second_hub.log() if entry["method"] == "GET" and entry["sent"] > 100_000)
    assert size - received - 4 * MIB <= fetched <= size - received + 4 * MIB
    check_blobs(service.home)


def test_another_hub_does_not_hear_of_a_download_unless_it_is_told_to(make_service, hub, second_hub):
    add_repo(hub, BIG, {"big-Q8_0.gguf": 8 * MIB})
    service = make_service(HF_ENDPOINT=hub.url, MODELSCOPE_ENDPOINT=second_hub.url)
    hub.fault({"kind": "reset"}, host="cdn")
    path = begin(service)
    until(lambda: len([entry for entry in hub.log() if entry["host"] == "cdn"]) > 4, "it was tried again and again", 30)
    until(lambda: service.data("GET", path)["phase"] == "waiting_for_source", "it waits for its own")
    hub.control("DELETE", "faults")
    wait(service, path)
    assert second_hub.log() == []


@pytest.mark.parametrize("fault", [None, {"kind": "status", "status": 503}, {"kind": "captive_portal"}],
                         ids=["unreachable", "503", "login-page"])
def test_a_mirror_lists_the_files_when_the_hub_does_not(make_service, hub, second_hub, fault):
    if fault:
        add_repo(hub, BIG, {"big-Q8_0.gguf": 24 * MIB + 777})
        hub.fault(fault, path="/api/models/*")
        hub.control("POST", "settings", {"tokens": {"hf_mine": "me"}})
    service = make_service(HF_ENDPOINT=hub.url if fault else "http://127.0.0.9:9", HF_TOKEN="hf_mine",
                           LLM_MANAGER_HUGGINGFACE_MIRRORS=second_hub.url)
    done = wait(service, begin(service))
    assert done["ref"].startswith("huggingface:acme/big@")
    check_blobs(service.home)
    assert not any(entry["authorization"] for entry in second_hub.log()), "the mirror got the token"
    assert service.data("GET", f"/api/v1/hub/models/info?ref={BIG}")["repo"] == BIG


def test_what_the_hub_says_no_to_is_asked_of_nobody_else(make_service, hub, second_hub):
    service = make_service(HF_ENDPOINT=hub.url, LLM_MANAGER_HUGGINGFACE_MIRRORS=second_hub.url)
    assert service.error("POST", "/api/v1/downloads", {"ref": BIG}) == "HUB_REPO_NOT_FOUND"
    assert second_hub.log() == []


def test_when_the_mirrors_fail_too_the_hubs_own_failure_is_told(make_service, second_hub):
    second_hub.fault({"kind": "captive_portal"})
    service = make_service(LLM_MANAGER_HUGGINGFACE_MIRRORS=second_hub.url)
    assert service.error("POST", "/api/v1/downloads", {"ref": BIG}) == "HUB_UNREACHABLE"


def test_another_hub_with_another_content_is_left_alone(make_service, hub, second_hub):
    add_repo(hub, BIG, {"big-Q8_0.gguf": 8 * MIB})
    service = make_service(HF_ENDPOINT=hub.url, MODELSCOPE_ENDPOINT=second_hub.url, LLM_MANAGER_HUBS_FAILOVER="all")
    slow_down(hub)
    path = begin(service)
    until(lambda: service.data("GET", path)["download_size"] > MIB, "some bytes have come")
    hub.fault({"kind": "reset"})
    until(lambda: any("/repo/files" in entry["path"] or "models" in entry["path"] for entry in second_hub.log()), "the other one was asked", 30)
    until(lambda: service.data("GET", path)["phase"] == "waiting_for_source", "it waits for its own")
    hub.control("DELETE", "faults")
    assert wait(service, path)["source"] == "huggingface"


@pytest.mark.parametrize("wrong", [(5,), (2, 150)], ids=["one", "two"])
def test_wrong_bytes_come_again_from_a_mirror_and_nothing_else(make_service, hub, second_hub, wrong):
    size = 160 * MIB + 777
    for one in (hub, second_hub):
        add_repo(one, BIG, {"big-Q8_0.gguf": size})
    service = make_service(HF_ENDPOINT=hub.url, LLM_MANAGER_HUGGINGFACE_MIRRORS=second_hub.url)
    for place in wrong:
        hub.fault({"kind": "flip", "offset": place * MIB}, host="cdn")
    done = wait(service, begin(service))
    assert done["attempt"] == 1
    check_blobs(service.home)
    assert sent(hub) < size + 8 * MIB, "the hub was asked again"
    # It looks in growing steps: 32 MiB, 64 MiB and so on.
    assert sent(second_hub) < (40 * MIB if max(wrong) < 32 else size + 8 * MIB)
    assert service.log.read_text().count("bytes of a file were wrong") == len(wrong)


def test_a_mirror_that_sends_wrong_bytes_is_not_used_again(make_service, hub, second_hub):
    """The hub fails, the mirror's bytes are wrong, the hub comes back: what the hub gave at first is kept."""
    size = 24 * MIB + 777
    add_repo(hub, BIG, {"big-Q8_0.gguf": size})
    service = make_service(HF_ENDPOINT=hub.url, LLM_MANAGER_HUGGINGFACE_MIRRORS=second_hub.url)
    slow_down(hub)
    for offset in range(MIB, 24 * MIB, MIB):
        second_hub.fault({"kind": "flip", "offset": offset}, host="cdn")
    path = begin(service)
    until(lambda: service.data("GET", path)["download_size"] > 4 * MIB, "some bytes have come")
    hub.fault({"kind": "reset"})
    until(lambda: "has a wrong digest" in service.log.read_text(), "the mirror is found out")
    assert service.data("GET", path)["status"] == "downloading"
    from_mirror = sent(second_hub)
    hub.control("DELETE", "faults")
    done = wait(service, path)
    assert (done["attempt"], done["source"]) == (1, "huggingface")
    check_blobs(service.home)
    assert sent(second_hub) == from_mirror, "the mirror was used again"
    assert sent(hub) < size + 4 * MIB, "what the hub gave was fetched again"


def test_two_sources_with_wrong_bytes_are_told_from_each_other(make_service, hub, second_hub):
    """The mirror is no better, elsewhere in the file: what both agree on stays, and one further try is made."""
    add_repo(hub, BIG, {"big-Q8_0.gguf": 24 * MIB + 777})
    service = make_service(HF_ENDPOINT=hub.url, LLM_MANAGER_HUGGINGFACE_MIRRORS=second_hub.url)
    hub.fault({"kind": "flip", "offset": 5 * MIB}, host="cdn")
    second_hub.fault({"kind": "flip", "offset": 9 * MIB}, host="cdn")
    done = wait(service, begin(service), status="failed")
    assert done["error_code"] == "DIGEST_MISMATCH"
    assert check_blobs(service.home) == set()
    assert sent(hub) + sent(second_hub) < 4 * 25 * MIB


def test_a_mirror_that_leads_inside_is_left_again(make_service, hub, second_hub):
    add_repo(hub, BIG, {"big-Q8_0.gguf": 24 * MIB + 777})
    service = make_service(HF_ENDPOINT=hub.url, LLM_MANAGER_HUGGINGFACE_MIRRORS=second_hub.url)
    slow_down(hub)
    second_hub.fault({"kind": "redirect", "location": "https://169.254.169.254/x"}, path="*/resolve/*")
    path = begin(service)
    until(lambda: service.data("GET", path)["download_size"] > 4 * MIB, "some bytes have come")
    hub.fault({"kind": "reset"})
    until(lambda: any("/resolve/" in entry["path"] for entry in second_hub.log()), "the mirror was asked", 30)
    until(lambda: service.data("GET", path)["phase"] == "waiting_for_source", "it waits for its own")
    hub.control("DELETE", "faults")
    done = wait(service, path)
    assert (done["source"], done["attempt"]) == ("huggingface", 1)


def test_a_gated_repository_is_not_looked_for_elsewhere(make_service, hub, second_hub):
    add_repo(hub, BIG, {"big-Q8_0.gguf": 8 * MIB})
    files = {"big-Q8_0.gguf": {"size": 8 * MIB, "seed": 1, "prefix_base64": base64.b64encode(TINY).decode()}}
    hub.add(BIG, files, gated="manual", tokens=["hf_mine"])
    service = make_service(HF_ENDPOINT=hub.url, HF_TOKEN="hf_mine", MODELSCOPE_ENDPOINT=second_hub.url,
                           LLM_MANAGER_HUGGINGFACE_MIRRORS=second_hub.url, LLM_MANAGER_HUBS_FAILOVER="all")
    slow_down(hub)
    path = begin(service)
    until(lambda: service.data("GET", path)["download_size"] > MIB, "some bytes have come")
    hub.fault({"kind": "reset"})
    until(lambda: service.data("GET", path)["phase"] == "waiting_for_source", "it waits")
    hub.control("DELETE", "faults")
    wait(service, path)
    assert second_hub.log() == []


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


def test_parts_of_what_is_over_go_at_the_next_start(big, hub):
    done = wait(big, begin(big))
    folder = big.home / "downloads"
    big.kill()
    for leftover in (done["id"], "0199c0de-0000-7000-8000-000000000008"):  # killed before they were removed
        (folder / leftover).mkdir()
        (folder / leftover / "0.part").write_bytes(b"x" * 1000)
    (folder / "notes").mkdir()
    big.start()
    assert [entry.name for entry in folder.iterdir()] == ["notes"]


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


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system: needs root")
@pytest.mark.parametrize("kind", ["ext2", "ext4"])
def test_a_disk_that_fills_up_on_the_way_makes_it_wait(tmp_path, hub, kind):
    """ext2 can't reserve space: the bytes themselves find the disk full. On ext4 everything beside them does: journal and database."""
    image, home = tmp_path / "image", tmp_path / "small"
    home.mkdir()
    with open(image, "wb") as file:
        file.truncate(96 * MIB)
    subprocess.run([f"mkfs.{kind}", "-q", "-F", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, home], check=True)
    service, size = None, 40 * MIB + 777
    try:
        add_repo(hub, BIG, {"big-Q8_0.gguf": size})
        service = Service(home / "home", HF_ENDPOINT=hub.url, LLM_MANAGER_DOWNLOADS_KEEP_FREE_BYTES="0")
        path = begin(service, speed_limit=6 * MIB)
        until(lambda: service.data("GET", path)["download_size"] > 8 * MIB, "some bytes have come")
        with open(home / "ballast", "wb", buffering=0) as ballast:
            for step in (MIB, 4096, 512):
                try:
                    while True:
                        ballast.write(bytes(step))
                except OSError:
                    pass
        if kind == "ext2":
            until(lambda: service.data("GET", path)["phase"] == "waiting_for_space", "it waits for space")
        time.sleep(6)
        assert service.data("GET", path)["status"] in ("downloading", "pending")
        (home / "ballast").unlink()
        service.data("PATCH", path, {"speed_limit": None})
        done = wait(service, path)
        assert done["files"][0]["status"] == "verified"
        assert sent(hub) < size + 16 * CHUNK, "it began anew"
        check_blobs(home / "home")
    finally:
        if service:
            service.stop()
        subprocess.run(["umount", "-l", home], check=True)


def test_a_minute_without_the_hub(big, hub):
    """Neither hub nor storage answers for a minute: nobody has to do anything, and no byte is lost."""
    hub.fault({"kind": "rate", "bytes_per_second": 1_000_000}, host="cdn")
    path = begin(big)
    until(lambda: big.data("GET", path)["download_size"] > 4 * MIB, "some bytes have come")
    hub.control("DELETE", "faults")
    hub.fault({"kind": "reset"})
    before = until(lambda: next((d for d in [big.data("GET", path)] if d["phase"] == "waiting_for_source"), None), "it waits")
    time.sleep(60)
    assert big.data("GET", path)["status"] == "downloading"
    hub.control("DELETE", "faults")
    done = wait(big, path, patience=45)
    assert done["attempt"] == 1
    assert sent(hub) < 24 * MIB + 777 + 6 * MIB, f"{sent(hub)} bytes were sent, {before['download_size']} were here"


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
