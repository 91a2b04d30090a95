"""One hub for all tests of this folder, put back to its first state before each."""

import base64
import json
import random

import pytest

from hub_process import HubProcess

SMALL = random.Random(1).randbytes(300_000)  # content of acme/tiny/weights/small.gguf
CONFIG = b'{"a": 1}\n' * 200  # and of its config.json


def _write(root, repo: str, spec: dict) -> None:
    home = root / repo
    home.mkdir(parents=True)
    (home / "repo.json").write_text(json.dumps(spec))


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    _write(root, "acme/tiny", {
        "tags": ["text-generation-inference", "license:mit"], "downloads": 50, "likes": 5, "trendingScore": 1,
        "pipeline_tag": "text-generation", "lastModified": "2025-03-01T00:00:00.000Z",
        "gguf": {"total": 1000, "architecture": "llama", "context_length": 2048}, "cardData": {"license": "mit"},
        "lfs": ["*.dat"],
        "revisions": {"v1": {"kind": "tag", "dir": ".revisions/v1"}, "dev": {},
                      "refs/pr/1": {"files": {"pr.txt": {"text": "pr"}}},
                      "refs/convert/parquet": {"files": {"x.txt": {"text": "x"}}}},
    })
    home = root / "acme/tiny"
    for path, data in {"config.json": CONFIG, "weights/small.gguf": SMALL, "weights/deep/note.txt": b"note\n",
                       "table.dat": b"tiny but lfs", "empty.txt": b"", "blob.npy": b"\x93NUMPY\0\xff" * 10,
                       ".revisions/v1/config.json": b"old\n", "name with #.txt": b"odd\n"}.items():
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_bytes(data)
    _write(root, "acme/gated", {"gated": "manual", "tokens": ["hf_friend"], "tags": ["license:mit"],
                                "files": {"config.json": {"text": "{}"},
                                          "m.gguf": {"base64": base64.b64encode(b"GGUF").decode()}}})
    _write(root, "acme/secret", {"private": True, "tokens": ["hf_friend"], "files": {"a.txt": {"text": "a"}}})
    _write(root, "acme/off", {"disabled": True, "files": {"a.txt": {"text": "a"}}})
    _write(root, "beta/twin", {"downloads": 70, "likes": 1, "trendingScore": 9, "createdAt": "2026-01-01T00:00:00.000Z",
                               "files": {"model.safetensors": {"size": 3_000_001, "seed": 1}}})
    _write(root, "old/tiny", {"rename_to": "acme/tiny"})
    _write(root, "legacy", {"rename_to": "beta/twin"})
    return root


@pytest.fixture(scope="session")
def process(root):
    hub = HubProcess("--root", str(root), "--token", "hf_stranger=bob", "--hub-host", "localhost")
    yield hub
    assert hub.stop() == 0


@pytest.fixture(scope="session")
def _first_settings(process):
    return process.control("GET", "settings")


@pytest.fixture
def hub(process, _first_settings):
    process.control("POST", "settings", _first_settings)
    process.control("DELETE", "faults")
    process.control("DELETE", "log")
    return process
