"""Repositories of any size on the fake hub: files that begin as a real model and go on with noise."""

import base64
import hashlib
import re

from service import ROOT

TINY = (ROOT / "share/demo/tiny-chat.q8_0.gguf").read_bytes()
CHUNK = 4 << 20  # bytes that may be fetched again for each connection that is cut


def add_repo(hub, name, sizes):
    """`sizes`: {file name: bytes}, each at least as large as the demo model."""
    prefix = base64.b64encode(TINY).decode()
    files = {path: {"size": size, "seed": number, "prefix_base64": prefix}
             for number, (path, size) in enumerate(sorted(sizes.items()), start=1)}
    hub.control("POST", "repos", {"id": name, "files": files})


def transfers(hub):
    """The requests for parts of files that the hub's CDN answered."""
    return [entry for entry in hub.log() if entry["host"] == "cdn" and entry["method"] == "GET"
            and entry["status"] in (200, 206)]


def is_cut(entry):
    """Whether the client went away in the middle of the answer."""
    bounds = re.fullmatch(r"bytes=(\d+)-(\d+)", entry.get("range") or "")
    return bool(bounds) and entry["sent"] < int(bounds[2]) - int(bounds[1]) + 1


def check_blobs(home):
    """Every file under a final name has the content that the name says; answers their digests."""
    digests = set()
    for blob in (home / "blobs/sha256").glob("??/*"):
        with open(blob, "rb") as file:
            assert hashlib.file_digest(file, "sha256").hexdigest() == blob.name, f"{blob} is not what its name says"
        digests.add(blob.name)
    return digests
