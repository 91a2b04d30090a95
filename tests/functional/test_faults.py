"""One test for each way in which a hub, its storage or the network goes wrong without meaning harm, with the outcome that a
user has to see: the right bytes in the end, or an error that says why. How the transfer gets there is its own business."""


import pytest

from hub_process import HubProcess
from service import ROOT, Service, until

TINY = ROOT / "share/demo/tiny-chat.q8_0.gguf"
SHA256 = "b90a95e80d3a26f2f68410c87a2fe0023ce1c4d8c2887d19dddd9fa0ee4e280e"
SIZE = TINY.stat().st_size
REPO = "acme/tiny-GGUF"
CDN = {"host": "cdn", "method": "GET"}
ENDED = ("completed", "failed")


@pytest.fixture(scope="module")
def faulty():
    process = HubProcess()
    process.first = process.control("GET", "settings")
    yield process
    process.stop()


@pytest.fixture(scope="module")
def client(faulty, tmp_path_factory):
    service = Service(tmp_path_factory.mktemp("client") / "home", HF_ENDPOINT=faulty.url, OLLAMA_REGISTRY=faulty.url,
                      MODELSCOPE_ENDPOINT=faulty.url, LLM_MANAGER_HUGGINGFACE_CACHE_SECONDS="0")
    yield service
    service.stop()


@pytest.fixture
def wire(faulty, client):
    faulty.control("POST", "settings", faulty.first)
    faulty.control("DELETE", "faults")
    faulty.control("DELETE", "log")
    faulty.add(REPO, {"tiny-chat-Q8_0.gguf": {"disk": str(TINY)}, "README.md": {"text": "# Tiny\n" * 50}, "config.json": {"text": "{}"}})
    yield faulty
    faulty.control("DELETE", "faults")
    for download in client.data("GET", "/api/v1/downloads")["items"]:
        client.data("DELETE", f"/api/v1/downloads/{download['id']}")
    for model in client.data("GET", "/api/v1/models")["items"]:
        client.data("DELETE", f"/api/v1/models/{model['id']}")
    assert not [path for path in (client.home / "blobs").rglob("*") if path.is_file()]


def pull(service, ref=REPO, **body):
    created = service.data("POST", "/api/v1/downloads", {"ref": ref} | body)
    path = f"/api/v1/downloads/{created['id']}"
    return until(lambda: next((d for d in [service.data("GET", path)] if d["status"] in ENDED), None), f"{ref} has ended", 150)


def arrives(service, ref=REPO, **body):
    done = pull(service, ref, **body)
    assert done["status"] == "completed", (done["error_code"], done["error_message"])
    blob = service.home / "blobs/sha256" / SHA256[:2] / SHA256
    assert blob.read_bytes() == TINY.read_bytes()
    return done


# The hub's own ways

def test_files_of_git_and_of_lfs_together(wire, client):
    done = arrives(client, files=["*"])
    assert {file["path"] for file in done["files"]} == {"README.md", "config.json", "tiny-chat-Q8_0.gguf"}


def test_storage_that_refuses_a_whole_file(wire, client):
    wire.control("POST", "settings", {"cdn_unranged_limit": 1000})
    arrives(client)


def test_signed_address_that_has_expired(wire, client):
    wire.fault({"kind": "status", "status": 403}, **CDN, nth=1, count=2)
    arrives(client)


def test_signed_address_that_expires_on_the_way(wire, client):
    wire.control("POST", "settings", {"url_lifetime": 1})
    wire.fault({"kind": "rate", "bytes_per_second": 400_000}, **CDN)
    wire.fault({"kind": "reset", "after": 600_000}, **CDN, nth=1)
    arrives(client)


def test_renamed_repository(wire, client):
    wire.control("POST", "repos", {"id": "old/name", "rename_to": REPO})
    assert arrives(client, "old/name")["ref"].startswith(f"huggingface:{REPO}@")


def test_window_of_requests_that_is_empty(wire, client):
    wire.control("POST", "settings", {"quotas": {"api": 1, "resolvers": 1}, "window": 3})
    arrives(client)


def test_listing_over_many_pages(wire, client):
    wire.fault({"kind": "missing_size"}, path=f"/api/models/{REPO}")
    wire.control("POST", "settings", {"tree_page": 1})
    arrives(client)
    assert len([entry for entry in wire.log() if "/tree/" in entry["path"]]) == 3


@pytest.mark.parametrize("spec, code", [({"gated": "manual"}, "HUB_GATED"), ({"private": True}, "HUB_REPO_NOT_FOUND"), ({"disabled": True}, "HUB_DISABLED")])
def test_repository_that_is_not_for_us(wire, client, spec, code):
    wire.add("acme/closed", {"m-Q8_0.gguf": {"text": "GGUF"}}, **spec)
    status, _, answer = client.request("POST", "/api/v1/downloads", {"ref": "acme/closed"})
    assert answer["error"] == code and answer["message"]


# Each connection

@pytest.mark.parametrize("action", [{"kind": "rate", "bytes_per_second": 500_000}, {"kind": "latency", "seconds": 0.7}], ids=lambda action: action["kind"])
def test_slow_storage(wire, client, action):
    wire.fault(action, **CDN)
    done = arrives(client)
    assert sum(entry["sent"] for entry in wire.log() if entry["host"] == "cdn") <= SIZE + 64 * 1024, "bytes came twice"
    assert done["attempt"] == 1


@pytest.mark.parametrize("action", [{"kind": "reset", "after": 200_000}, {"kind": "reset"}, {"kind": "truncate", "after": 200_000}, {"kind": "truncate", "after": 0}],
                         ids=lambda action: f"{action['kind']}-{action.get('after')}")
def test_connection_that_breaks(wire, client, action):
    wire.fault(action, **CDN, nth=1, count=2)
    arrives(client)


def test_connection_that_stalls(wire, client):
    wire.fault({"kind": "stall", "after": 300_000}, **CDN, nth=1)
    arrives(client)


def test_connection_that_trickles(wire, client):
    wire.fault({"kind": "trickle", "after": 600_000, "bytes_per_second": 40_000}, **CDN, nth=1)
    arrives(client)


def test_burst_of_errors(wire, client):
    wire.fault({"kind": "status", "status": 503}, **CDN, nth=1, count=3)
    wire.fault({"kind": "status", "status": 500}, host="hub", nth=1, count=2)
    arrives(client)


def test_request_to_wait(wire, client):
    wire.fault({"kind": "status", "status": 429, "retry_after": 1}, **CDN, nth=1, count=2)
    arrives(client)


def test_whole_file_instead_of_a_range(wire, client):
    wire.fault({"kind": "reset", "after": 300_000}, **CDN, nth=1)
    wire.fault({"kind": "ignore_range"}, **CDN)
    arrives(client)


def test_another_range_than_asked_for(wire, client):
    """Never taken: tried again, or given up with the reason."""
    wire.fault({"kind": "content_range"}, **CDN, nth=1)
    done = pull(client)
    assert done["status"] == "completed" or done["error_code"] == "HUB_BAD_RESPONSE", done


def test_byte_that_flips_once(wire, client):
    wire.fault({"kind": "flip", "offset": 700_000}, **CDN, nth=1)
    arrives(client)


def test_login_page_of_a_network(wire, client):
    """In the place of a file it is not kept as one; in the place of the hub's data it is named."""
    wire.fault({"kind": "captive_portal"}, **CDN)
    wire.fault({"kind": "status", "status": 404}, path="/api/v1/models/*")  # ModelScope would have the same file
    assert pull(client)["error_code"] in ("UNSAFE_FILE", "UNSUPPORTED_FORMAT", "HUB_BAD_RESPONSE", "HUB_UNREACHABLE")
    wire.control("DELETE", "faults")
    wire.fault({"kind": "captive_portal"}, host="hub")
    status, _, answer = client.request("GET", f"/api/v1/hub/models/info?ref={REPO}")
    assert answer["error"] == "HUB_BAD_RESPONSE" and "login page" in answer["message"]


def test_source_that_collapses_under_connections(wire, client):
    wire.fault({"kind": "collapse", "connections": 2, "bytes_per_second": 60_000}, **CDN)
    arrives(client)


def test_source_that_collapses_after_some_bytes(wire, client):
    wire.fault({"kind": "collapse", "bytes": 700_000, "bytes_per_second": 100_000}, **CDN)
    arrives(client)


def test_source_that_allows_one_connection(wire, client):
    folder = ROOT / "tests/data/tiny-model/gguf-split"
    wire.add("acme/split-GGUF", {part.name: {"disk": str(part)} for part in folder.glob("*.gguf")})
    wire.fault({"kind": "one_connection"}, **CDN)
    wire.fault({"kind": "rate", "bytes_per_second": 800_000}, **CDN)
    assert pull(client, "acme/split-GGUF")["status"] == "completed"


def test_host_with_a_dead_address(wire, make_service):
    """localhost has two addresses, and on one nobody listens."""
    service = make_service(HF_ENDPOINT=wire.url.replace("127.0.0.1", "localhost"), LLM_MANAGER_NETWORK_ALLOWED_HOSTS="127.0.0.1")
    arrives(service)


def test_hub_that_is_away_for_a_while(wire, client):
    wire.fault({"kind": "reset"}, host="hub", path="*/resolve/*", nth=1, count=3)
    arrives(client)


# Other sources

def test_modelscope_storage_with_a_limit_for_each_connection(wire, client):
    wire.fault({"kind": "rate", "bytes_per_second": 500_000}, path="/api/v1/models/*/repo", method="GET")
    arrives(client, f"modelscope:{REPO}")


def test_modelscope_connection_that_breaks(wire, client):
    wire.fault({"kind": "reset", "after": 400_000}, path="/api/v1/models/*/repo", method="GET", range="bytes=*-*", nth=3)
    arrives(client, f"modelscope:{REPO}")


def test_ollama_address_that_has_expired(wire, client):
    wire.add_ollama("library/tiny:1b", [{"type": "model", "disk": str(TINY)}])
    wire.fault({"kind": "status", "status": 403}, **CDN, nth=1, count=2)
    arrives(client, "ollama:tiny:1b")


def test_ollama_layer_that_comes_twice(wire, client):
    wire.add_ollama("library/twice:1b", [{"type": "model", "disk": str(TINY)}, {"type": "license", "text": "MIT"}, {"type": "license", "text": "MIT"}])
    arrives(client, "ollama:twice:1b")


def test_ollama_layer_that_is_not_there(wire, client):
    wire.add_ollama("library/hole:1b", [{"type": "model", "disk": str(TINY)}], missing=[0])
    assert pull(client, "ollama:hole:1b")["error_code"] == "HUB_FILE_NOT_FOUND"
