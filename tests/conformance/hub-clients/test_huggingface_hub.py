"""huggingface_hub against the stand-in, and against the cache that we write."""

import json
import os
import subprocess

import pytest

from conftest import TINY


def run(python, hub_url, tmp_path, code, token=None, **more):
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_TELEMETRY": "1",
                   "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", **more}
    if hub_url:
        environment["HF_ENDPOINT"] = hub_url
    if token:
        environment["HF_TOKEN"] = token
    done = subprocess.run([python, "-c", code], env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


def error_of(python, hub_url, tmp_path, repo, token=None):
    code = f"""
import json
from huggingface_hub import hf_hub_download
try:
    hf_hub_download({repo!r}, "m.gguf")
    print(json.dumps("none"))
except Exception as error:
    print(json.dumps(type(error).__name__))
"""
    return run(python, hub_url, tmp_path, code, token)


def test_info_search_and_tree(python, hub, tmp_path):
    found = run(python, hub.url, tmp_path, """
import json
from huggingface_hub import HfApi
api = HfApi()
info = api.model_info("acme/tiny-GGUF", files_metadata=True)
print(json.dumps({"sha": info.sha, "files": {s.rfilename: [s.size, s.lfs.sha256 if s.lfs else None] for s in info.siblings},
                  "search": [m.id for m in api.list_models(search="tiny", filter="gguf", limit=5)],
                  "tree": sorted(getattr(e, "path") for e in api.list_repo_tree("acme/tiny-GGUF", recursive=True)),
                  "refs": [b.name for b in api.list_repo_refs("acme/tiny-GGUF").branches]}))
""")
    assert len(found["sha"]) == 40 and found["search"] == ["acme/tiny-GGUF"] and found["refs"] == ["main"]
    assert found["files"]["tiny-Q8_0.gguf"][0] == TINY.stat().st_size and len(found["files"]["tiny-Q8_0.gguf"][1]) == 64
    assert found["tree"] == ["README.md", "sub", "sub/config.json", "tiny-Q8_0.gguf"]


def test_tree_in_pages_of_one(python, hub, tmp_path):
    hub.control("POST", "settings", {"tree_page": 1})
    found = run(python, hub.url, tmp_path, """
import json
from huggingface_hub import HfApi
print(json.dumps(HfApi().list_repo_files("acme/tiny-GGUF")))
""")
    assert sorted(found) == ["README.md", "sub/config.json", "tiny-Q8_0.gguf"]


@pytest.mark.parametrize("repo", ["acme/tiny-GGUF", "old/name"])
def test_snapshot(python, hub, tmp_path, repo):
    folder = run(python, hub.url, tmp_path, f"""
import json
from huggingface_hub import snapshot_download
print(json.dumps(snapshot_download({repo!r})))
""")
    with open(f"{folder}/tiny-Q8_0.gguf", "rb") as file:
        assert file.read() == TINY.read_bytes()
    with open(f"{folder}/sub/config.json", encoding="utf-8") as file:
        assert file.read() == '{"a": 1}'


def test_passing_failure(python, hub, tmp_path):
    """It asks again for what describes a file; for the file itself (seen with 2.4.0) a 503 or a reset ends the download."""
    hub.fault({"kind": "status", "status": 503}, host="hub", method="HEAD", path="*/resolve/*", nth=1)
    path = run(python, hub.url, tmp_path, """
import json
from huggingface_hub import hf_hub_download
print(json.dumps(hf_hub_download("acme/tiny-GGUF", "tiny-Q8_0.gguf")))
""")
    with open(path, "rb") as file:
        assert file.read() == TINY.read_bytes()
    assert len([entry for entry in hub.log() if entry["method"] == "HEAD" and entry["status"] == 503]) == 1


def test_refusals(python, hub, tmp_path):
    assert error_of(python, hub.url, tmp_path, "acme/gated") == "GatedRepoError"
    assert error_of(python, hub.url, tmp_path, "acme/gated", "hf_friend") == "none"
    assert error_of(python, hub.url, tmp_path, "acme/private", "hf_friend") == "none"
    assert error_of(python, hub.url, tmp_path, "acme/tiny-GGUF") in ("EntryNotFoundError", "RemoteEntryNotFoundError")


def test_it_reads_the_cache_that_we_publish(python, hub, tmp_path, make_service):
    folder = tmp_path / "shared"
    folder.mkdir()
    service = make_service(HF_ENDPOINT=hub.url, LLM_MANAGER_LOCAL_ROOTS=str(folder))
    assert service.pull("acme/tiny-GGUF")["status"] == "completed"
    service.data("POST", "/api/v1/store/links", {"layout": "hf-cache", "path": str(folder / "hub")})
    path = run(python, None, tmp_path, """
import json
from huggingface_hub import hf_hub_download, scan_cache_dir
print(json.dumps([hf_hub_download("acme/tiny-GGUF", "tiny-Q8_0.gguf"), len(scan_cache_dir().repos), [str(w) for w in scan_cache_dir().warnings]]))
""", HF_HUB_CACHE=str(folder / "hub"), HF_HUB_OFFLINE="1")
    assert path[1:] == [1, []]
    with open(path[0], "rb") as file:
        assert file.read() == TINY.read_bytes()


def test_we_take_over_the_cache_that_it_wrote(python, hub, tmp_path, make_service):
    run(python, hub.url, tmp_path, """
import json
from huggingface_hub import snapshot_download
print(json.dumps(snapshot_download("acme/tiny-GGUF")))
""")
    service = make_service(LLM_MANAGER_LOCAL_ROOTS=str(tmp_path / "hf"))
    work = service.data("POST", "/api/v1/store/imports", {"source": "hf-cache", "path": str(tmp_path / "hf/hub")})
    from service import until
    done = until(lambda: next((i for i in [service.data("GET", f"/api/v1/store/imports/{work['id']}")] if i["state"] not in ("queued", "running")), None), "the end")
    assert done["state"] == "succeeded" and done["result"]["copies"] == 0 and len(done["result"]["models"]) == 1, done
