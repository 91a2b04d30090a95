"""The fake hub goes wrong exactly as told, where told, and only there."""

import hashlib
import http.client
import json
import time
import zlib
from urllib.parse import urlsplit

import pytest

from conftest import SMALL
from hub_process import fetch

TINY = "/api/models/acme/tiny"
TREE = f"{TINY}/tree/main?recursive=true"
PATH = "/acme/tiny/resolve/main/weights/small.gguf"
LABEL = "/acme/tiny/weights/small.gguf"  # how a CDN request of that file is matched
SHA256 = hashlib.sha256(SMALL).hexdigest()


class Download:
    """A GET whose end may be anything: what arrived, and how it ended."""

    def __init__(self, url: str, limit: int | None = None, timeout: float = 10.0, **headers: str) -> None:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
        self.body, self.error, self.status = b"", None, None
        started = time.monotonic()
        try:
            connection.request("GET", f"{parts.path}?{parts.query}", headers=headers)
            response = connection.getresponse()
            self.status, self.headers = response.status, response.headers
            while (limit is None or len(self.body) < limit) and (chunk := response.read1(65536)):
                self.body += chunk
        except (OSError, http.client.HTTPException) as error:
            self.error = error
        finally:
            connection.close()
        self.seconds = time.monotonic() - started


@pytest.fixture
def url(hub):
    return hub.signed_url(PATH)


# On the wire

def test_latency(hub, url):
    hub.fault({"kind": "latency", "seconds": 0.4}, host="cdn")
    assert Download(url).seconds >= 0.4
    assert Download(hub.url + TINY).seconds < 0.4


def test_rate(hub, url):
    hub.fault({"kind": "rate", "bytes_per_second": 500_000}, host="cdn")
    got = Download(url)
    assert got.body == SMALL and 0.5 < got.seconds < 1.5  # 300 000 bytes


def test_stall_in_the_body(hub, url):
    hub.fault({"kind": "stall", "after": 1000}, host="cdn")
    got = Download(url, timeout=0.5)
    assert got.body == SMALL[:1000] and isinstance(got.error, TimeoutError)


def test_stall_ends_after_its_time(hub, url):
    hub.fault({"kind": "stall", "after": 1000, "seconds": 0.3}, host="cdn")
    got = Download(url, timeout=5)
    assert got.body == SMALL[:1000] and 0.3 <= got.seconds < 3 and got.headers["Content-Length"] == str(len(SMALL))


def test_stall_before_the_headers(hub, url):
    hub.fault({"kind": "stall"}, host="cdn")
    got = Download(url, timeout=0.5)
    assert got.status is None and isinstance(got.error, TimeoutError)
    assert hub.log()[-1]["status"] is None


@pytest.mark.parametrize("after", [0, 70_000, 250_000])
def test_reset_comes_after_the_bytes(hub, url, after):
    hub.fault({"kind": "reset", "after": after}, host="cdn")
    got = Download(url)
    assert got.status == 200 and got.body == SMALL[:after] and type(got.error) is ConnectionResetError
    assert hub.log()[-1]["sent"] == after


def test_reset_before_the_headers(hub, url):
    hub.fault({"kind": "reset"}, host="cdn")
    got = Download(url)
    # http.client's own RemoteDisconnected, for an orderly end, is a ConnectionResetError too.
    assert got.status is None and type(got.error) is ConnectionResetError


def test_truncated_body_keeps_its_content_length(hub, url):
    hub.fault({"kind": "truncate", "after": 1234}, host="cdn")
    got = Download(url)
    assert got.body == SMALL[:1234] and got.headers["Content-Length"] == str(len(SMALL))
    assert got.error is None  # an orderly end; read1 does not mind the missing bytes


def test_byte_flip_is_at_the_offset_in_the_file(hub, url):
    hub.fault({"kind": "flip", "offset": 70_000, "mask": 1}, host="cdn")
    expected = bytearray(SMALL)
    expected[70_000] ^= 1
    assert fetch(url).body == bytes(expected)
    assert fetch(url, headers={"Range": "bytes=69990-70010"}).body == bytes(expected[69990:70011])
    assert fetch(url, headers={"Range": "bytes=0-100"}).body == SMALL[:101]


def test_endless_body(hub, url):
    hub.fault({"kind": "endless"}, host="cdn")
    got = Download(url, limit=5 * len(SMALL))
    assert len(got.body) >= 5 * len(SMALL) and got.body.startswith(SMALL) and "Content-Length" not in got.headers
    hub.control("DELETE", "faults")
    hub.fault({"kind": "endless", "bytes": 400_000}, path=TINY)
    bounded = Download(hub.url + TINY)
    assert bounded.error is None and 400_000 <= len(bounded.body) < 500_000


# In the answer

def test_200_instead_of_206(hub, url):
    hub.fault({"kind": "ignore_range"}, host="cdn")
    got = fetch(url, headers={"Range": "bytes=10-19"})
    assert got.status == 200 and got.body == SMALL and "Content-Range" not in got.headers


@pytest.mark.parametrize("options, expected", [({}, f"bytes 11-20/{len(SMALL)}"), ({"total": 5}, "bytes 10-19/5"),
                                               ({"start": 0, "end": 9}, f"bytes 0-9/{len(SMALL)}")])
def test_wrong_content_range(hub, url, options, expected):
    hub.fault({"kind": "content_range"} | options, host="cdn")
    got = fetch(url, headers={"Range": "bytes=10-19"})
    assert got.status == 206 and got.headers["Content-Range"] == expected and got.body == SMALL[10:20]


def test_burst_of_5xx(hub):
    hub.fault({"kind": "status", "status": 503, "retry_after": 3}, path=TINY, count=2)
    answers = [hub.get(TINY) for _ in range(3)]
    assert [answer.status for answer in answers] == [503, 503, 200]
    assert answers[0].headers["Retry-After"] == "3"


def test_403_on_the_cdn(hub, url):
    hub.fault({"kind": "status", "status": 403}, host="cdn", count=1)
    assert [fetch(url).status, fetch(url).status] == [403, 200]


def test_captive_portal(hub, url):
    hub.fault({"kind": "captive_portal"})
    for got in (fetch(url, headers={"Range": "bytes=0-9"}), hub.get(TINY)):
        assert got.status == 200 and got.headers["Content-Type"].startswith("text/html")
        assert got.body.startswith(b"<!DOCTYPE html>") and "X-Request-Id" not in got.headers


def test_pointer_instead_of_the_file(hub, url):
    hub.fault({"kind": "pointer"}, path="*small.gguf")
    expected = f"version https://git-lfs.github.com/spec/v1\noid sha256:{SHA256}\nsize {len(SMALL)}\n".encode()
    for got in (fetch(url, headers={"Range": "bytes=0-9"}), hub.get(PATH)):
        assert got.status == 200 and got.body == expected


def test_malformed_json(hub):
    hub.fault({"kind": "malformed_json"}, path=f"{TINY}/tree/*")
    got = hub.get(TREE)
    assert got.status == 200
    with pytest.raises(json.JSONDecodeError):
        got.json()


def test_redirect_and_loop(hub, url):
    hub.fault({"kind": "redirect", "location": "http://127.0.0.1:1/x", "status": 301}, host="cdn")
    got = fetch(url)
    assert (got.status, got.headers["Location"]) == (301, "http://127.0.0.1:1/x")
    hub.fault({"kind": "redirect_loop"}, path=PATH)
    got = hub.get(PATH + "?a=b")
    assert (got.status, got.headers["Location"]) == (302, PATH + "?a=b")


def test_gzip_bomb(hub):
    hub.fault({"kind": "gzip_bomb", "size": 64 << 20}, path=TINY)
    got = hub.get(TINY)
    assert got.headers["Content-Encoding"] == "gzip" and len(got.body) < 200_000
    unpacker, total, data = zlib.decompressobj(wbits=31), 0, got.body
    while data:
        total += len(unpacker.decompress(data, 1 << 20))
        data = unpacker.unconsumed_tail
    assert total + len(unpacker.flush()) == 64 << 20 and unpacker.eof  # one stream, and its checksum was right


# In what is said about files

def tree_entry(hub, path: str = "weights/small.gguf") -> dict:
    return next(entry for entry in hub.get(TREE).json() if entry["path"] == path)


def blobs_entry(hub) -> dict:
    siblings = hub.get(f"{TINY}?blobs=true").json()["siblings"]
    return next(entry for entry in siblings if entry["rfilename"] == "weights/small.gguf")


def test_wrong_size(hub):
    true_size = tree_entry(hub, "config.json")["size"]
    hub.fault({"kind": "wrong_size", "file": "weights/small.gguf"}, path="/api/*")
    for entry in (tree_entry(hub), blobs_entry(hub)):
        assert entry["size"] == entry["lfs"]["size"] == len(SMALL) + 1
    assert tree_entry(hub, "config.json")["size"] == true_size
    assert hub.get(PATH).headers["X-Linked-Size"] == str(len(SMALL))
    hub.fault({"kind": "wrong_size", "value": 3}, path=PATH)
    assert hub.get(PATH).headers["X-Linked-Size"] == "3"


def test_wrong_sha256(hub):
    hub.fault({"kind": "wrong_sha256"}, path="/api/*")
    assert tree_entry(hub)["lfs"]["oid"] == blobs_entry(hub)["lfs"]["sha256"] == SHA256[::-1]
    hub.fault({"kind": "wrong_sha256", "value": "0" * 64}, path=PATH)
    headers = hub.get(PATH).headers
    assert headers["X-Linked-Etag"] == headers["ETag"] == f'"{"0" * 64}"'


def test_missing_size(hub):
    hub.fault({"kind": "missing_size"})
    assert "size" not in tree_entry(hub) and "size" not in tree_entry(hub)["lfs"]
    assert "size" not in blobs_entry(hub) and "X-Linked-Size" not in hub.get(PATH).headers


# Matching

def test_nth_and_count(hub):
    hub.fault({"kind": "status", "status": 500}, path=TINY, nth=2)
    hub.fault({"kind": "status", "status": 501}, path=TINY, nth=4, count=2)
    assert [hub.get(TINY).status for _ in range(6)] == [200, 500, 200, 501, 501, 200]
    assert [rule["hits"] for rule in hub.control("GET", "faults")] == [1, 2]


def test_path_host_method_and_range(hub, url):
    hub.fault({"kind": "status", "status": 500}, path=LABEL, host="cdn", range="bytes=100-*")
    other = hub.signed_url("/acme/tiny/resolve/main/table.dat")
    assert fetch(url, headers={"Range": "bytes=100-109"}).status == 500
    assert fetch(url, headers={"Range": "bytes=0-9"}).status == 206
    assert fetch(other, headers={"Range": "bytes=100-109"}).status != 500
    hub.fault({"kind": "status", "status": 500}, method="HEAD", host="hub")
    assert [hub.get(PATH, method=method).status for method in ("HEAD", "GET")] == [500, 302]


def test_faults_add_up_and_can_be_taken_away(hub, url):
    hub.fault({"kind": "latency", "seconds": 0.3}, host="cdn")
    hub.fault({"kind": "truncate", "after": 10}, host="cdn")
    got = Download(url)
    assert got.seconds >= 0.3 and got.body == SMALL[:10]
    hub.control("DELETE", "faults")
    got = Download(url)
    assert got.seconds < 0.3 and got.body == SMALL


@pytest.mark.parametrize("fault", [
    {}, {"action": {"kind": "typo"}}, {"action": {"kind": "latency"}}, {"action": {"kind": "reset", "typo": 1}},
    {"match": {"typo": 1}, "action": {"kind": "reset"}}, {"match": {"host": "x"}, "action": {"kind": "reset"}},
    {"match": {"nth": 0}, "action": {"kind": "reset"}}])
def test_malformed_faults_are_refused_as_a_whole(hub, fault):
    with pytest.raises(ValueError):
        hub.control("POST", "faults", [{"action": {"kind": "captive_portal"}}, fault])
    assert hub.control("GET", "faults") == []
