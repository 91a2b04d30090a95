"""One store for the ecosystem: imports, links for others, garbage, verification."""

import hashlib
import json
import os
import shutil
import subprocess

import pytest

from service import KEY, PROGRAM, ROOT, until

TINY = ROOT / "share/demo/tiny-chat.q8_0.gguf"
SHA256 = "b90a95e80d3a26f2f68410c87a2fe0023ce1c4d8c2887d19dddd9fa0ee4e280e"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
SIZE = TINY.stat().st_size


@pytest.fixture
def outside(tmp_path):
    """A folder that belongs to somebody else's program."""
    folder = tmp_path / "outside"
    folder.mkdir()
    return folder


@pytest.fixture
def opened(make_service, outside):
    return make_service(LLM_MANAGER_LOCAL_ROOTS=str(outside))


def hf_cache(folder, repos=("acme--tiny-GGUF", "acme--damaged")):
    """A cache as HuggingFace's tools leave it: one whole repository, one with a damaged blob, one half downloaded, one in parts."""
    for repo in repos:
        content = TINY.read_bytes()[:-1] + b"\0" if repo == "acme--damaged" else TINY.read_bytes()
        home = folder / f"models--{repo}"
        (home / "blobs").mkdir(parents=True)
        (home / "blobs" / SHA256).write_bytes(content)
        (home / "snapshots" / COMMIT).mkdir(parents=True)
        (home / "snapshots" / COMMIT / "tiny-Q8_0.gguf").symlink_to(f"../../blobs/{SHA256}")
        (home / "refs").mkdir()
        (home / "refs/main").write_text(COMMIT)
    (folder / "models--acme--half/blobs").mkdir(parents=True)
    (folder / f"models--acme--half/blobs/{SHA256}.0a1b2c3d.incomplete").write_bytes(b"GGUF")
    shutil.copytree(ROOT / "tests/data/tiny-model/hf-repo", folder / "models--acme--weights/snapshots" / COMMIT)
    return folder


def ollama_store(folder):
    (folder / "blobs").mkdir(parents=True)

    def blob(data):
        digest = hashlib.sha256(data).hexdigest()
        (folder / f"blobs/sha256-{digest}").write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    layer = "application/vnd.ollama.image."
    manifest = {"schemaVersion": 2, "config": blob(b'{"model_format":"gguf","model_family":"llama","file_type":"Q8_0"}'),
                "layers": [{"mediaType": layer + "model"} | blob(TINY.read_bytes()),
                           {"mediaType": layer + "system"} | blob(b"Be brief.")]}
    target = folder / "manifests/registry.ollama.ai/library/tiny/1b"
    target.parent.mkdir(parents=True)
    target.write_text(json.dumps(manifest))
    hostile = folder / "manifests/registry.ollama.ai/library/evil/latest"
    hostile.parent.mkdir(parents=True)
    hostile.write_text(json.dumps({"schemaVersion": 2, "layers": [
        {"mediaType": layer + "model", "digest": "sha256:../../../../etc/passwd", "size": 1}]}))
    return folder


def wait(service, work):
    path = f"/api/v1/store/imports/{work['id']}"
    return until(lambda: next((i for i in [service.data("GET", path)] if i["state"] not in ("queued", "running")), None), "the import is over")


def import_from(service, source, path, **more):
    return wait(service, service.data("POST", "/api/v1/store/imports", {"source": source, "path": str(path)} | more))


def blobs(service):
    return sorted(path for path in (service.home / "blobs").rglob("*") if path.is_file())


def refs(service):
    return sorted(model["ref"] for model in service.data("GET", "/api/v1/models?status=ready")["items"])


# Importing

def test_a_file_comes_in_by_link(opened, outside):
    shutil.copy(TINY, outside / "tiny-Q8_0.gguf")
    done = wait(opened, opened.data("POST", "/api/v1/models", {"path": str(outside / "tiny-Q8_0.gguf")}))
    assert (done["state"], done["result"]["copies"], done["result"]["bytes"]) == ("succeeded", 0, SIZE)
    assert done["result"]["reflinks"] + done["result"]["hard_links"] == 1
    model = opened.data("GET", f"/api/v1/models/{done['result']['models'][0]}")
    assert (model["status"], model["source"], model["architecture"], model["quantization"]) == ("ready", "local", "llama", "Q8_0")
    assert [path.name for path in blobs(opened)] == [SHA256]
    if done["result"]["hard_links"]:
        assert blobs(opened)[0].samefile(outside / "tiny-Q8_0.gguf")
    assert opened.deploy(model["ref"], name="tiny")["status"] == "running"
    again = wait(opened, opened.data("POST", "/api/v1/models", {"path": str(outside / "tiny-Q8_0.gguf")}))
    assert again["result"]["already_here"] == 1 and again["result"]["models"] == done["result"]["models"]


def test_a_damaged_blob_does_not_swallow_a_good_file(opened, outside):
    opened.pull("demo:tiny-chat")
    blob = blobs(opened)[0]
    blob.chmod(0o644)
    with open(blob, "r+b") as file:
        file.seek(1000)
        file.write(b"\xff")
    shutil.copy(TINY, outside / "tiny-Q8_0.gguf")
    assert wait(opened, opened.data("POST", "/api/v1/models", {"path": str(outside / "tiny-Q8_0.gguf")}))["state"] == "succeeded"
    assert blobs(opened) == [blob] and blob.read_bytes() == TINY.read_bytes()


def test_a_folder_comes_in(opened, outside):
    shutil.copytree(ROOT / "tests/data/tiny-model/hf-repo-sharded", outside / "weights")
    done = wait(opened, opened.data("POST", "/api/v1/models", {"path": str(outside / "weights")}))
    assert done["state"] == "succeeded", done
    assert opened.data("GET", f"/api/v1/models/{done['result']['models'][0]}")["format"] == "safetensors"


def test_a_huggingface_cache_comes_in(opened, outside):
    done = import_from(opened, "hf-cache", hf_cache(outside / "hub"))
    assert done["state"] == "succeeded"
    result = done["result"]
    assert len(result["models"]) == 2 and result["copies"] == 0
    assert [(row["ref"].split("@")[0], row["error"]) for row in result["skipped"]] == [("huggingface:acme/damaged", "DIGEST_MISMATCH")]
    assert any(ref == f"huggingface:acme/tiny-GGUF@{COMMIT}:Q8_0" for ref in refs(opened))


def test_an_import_that_is_over_tells_its_whole_result(opened, outside):
    """Asked as often as it goes, so that some answer is made just while the import ends."""
    hf_cache(outside / "hub")
    for _ in range(60):
        path = "/api/v1/store/imports/" + opened.data("POST", "/api/v1/store/imports", {"source": "hf-cache", "path": str(outside / "hub")})["id"]
        while (work := opened.data("GET", path))["state"] in ("queued", "running"):
            pass
        assert (len(work["result"]["models"]), len(work["result"]["skipped"])) == (2, 1)


def test_an_ollama_store_comes_in_and_a_hostile_manifest_does_not(opened, outside):
    done = import_from(opened, "ollama", ollama_store(outside / "ollama"))
    assert done["state"] == "succeeded" and len(done["result"]["models"]) == 1, done
    model = opened.data("GET", f"/api/v1/models/{done['result']['models'][0]}")
    assert model["ref"].startswith("ollama:library/tiny:1b@") and model["metadata"]["source"]["system"] == "Be brief."
    assert [path.name for path in blobs(opened)] == [SHA256]


def test_one_blob_whatever_it_came_from(opened, outside):
    import_from(opened, "hf-cache", hf_cache(outside / "hub"))
    import_from(opened, "ollama", ollama_store(outside / "ollama"))
    opened.pull("demo:tiny-chat")
    assert [path.name for path in blobs(opened)].count(SHA256) == 1
    facts = opened.data("GET", "/api/v1/store")
    assert facts["saved_size"] >= 2 * SIZE and facts["models"] == 4


@pytest.mark.parametrize("path, error", [("/etc", "URL_FORBIDDEN"), ("relative", "VALIDATION_FAILED"), ("/dev/random", "URL_FORBIDDEN"),
                                         ("{outside}/../secret", "VALIDATION_FAILED"), ("{outside}/missing", "HUB_FILE_NOT_FOUND"),
                                         ("{outside}/link/x.gguf", "UNSAFE_FILE"), ("{outside}/pipe.gguf", "UNSUPPORTED_FORMAT"),
                                         ("{outside}/notes.txt", "UNSUPPORTED_FORMAT")])
def test_what_can_not_be_imported(opened, outside, path, error):
    (outside.parent / "secret").mkdir()
    (outside.parent / "secret/x.gguf").write_bytes(b"GGUF")
    (outside / "link").symlink_to(outside.parent / "secret")
    os.mkfifo(outside / "pipe.gguf")
    (outside / "notes.txt").write_text("notes")
    assert opened.error("POST", "/api/v1/models", {"path": path.format(outside=outside)}) == error
    assert not blobs(opened)


@pytest.mark.parametrize("content, error", [(b"<!DOCTYPE html><html>log in</html>" * 40, "UNSAFE_FILE"), (b"PK\x03\x04" * 200, "UNSAFE_FILE"),
                                            (b"version https://git-lfs.github.com/spec/v1\n" * 4, "UNSAFE_FILE"), (b"GGUF" + b"\xff" * 600, "UNSAFE_FILE")])
def test_what_is_no_model_is_refused(opened, outside, content, error):
    (outside / "m-Q8_0.gguf").write_bytes(content)
    done = wait(opened, opened.data("POST", "/api/v1/models", {"path": str(outside / "m-Q8_0.gguf")}))
    assert done["state"] == "failed" and done["error_code"] in (error, "UNSUPPORTED_FORMAT"), done
    assert not refs(opened) and (outside / "m-Q8_0.gguf").read_bytes() == content


def test_imports_are_closed_by_default(shared_service, tmp_path):
    for body in ({"source": "hf-cache", "path": str(tmp_path)}, {"source": "ollama", "path": str(tmp_path)}):
        assert shared_service.error("POST", "/api/v1/store/imports", body) == "URL_FORBIDDEN"
    assert shared_service.error("POST", "/api/v1/store/links", {"layout": "ollama", "path": str(tmp_path)}) == "URL_FORBIDDEN"
    assert shared_service.error("GET", "/api/v1/store/imports/0199c0de-0000-7000-8000-000000000001") == "NOT_FOUND"


# Publishing

def test_links_in_the_layout_of_huggingfaces_cache(make_service, hub, outside):
    service = make_service(HF_ENDPOINT=hub.url, LLM_MANAGER_LOCAL_ROOTS=str(outside))
    done = service.pull("acme/tiny-GGUF")
    service.pull("acme/sharded")
    service.pull("demo:tiny-chat")
    result = service.data("POST", "/api/v1/store/links", {"layout": "hf-cache", "path": str(outside / "hub")})
    assert len(result["linked"]) == 2 and [row["ref"].split(":")[0] for row in result["skipped"]] == ["demo"]
    home = outside / "hub/models--acme--tiny-GGUF"
    commit = done["ref"].split("@")[1].split(":")[0]
    assert (home / "refs/main").read_text() == commit
    link = home / "snapshots" / commit / "tiny-chat-Q8_0.gguf"
    assert os.readlink(link) == f"../../blobs/{SHA256}" and link.read_bytes() == TINY.read_bytes()
    assert (home / "blobs" / SHA256).samefile(service.home / "blobs/sha256" / SHA256[:2] / SHA256)
    # Regular files are named by git's SHA-1, as the hub's ETag is.
    config = ROOT / "tests/data/tiny-model/hf-repo-sharded/config.json"
    sha1 = hashlib.sha1(b"blob %d\0" % config.stat().st_size + config.read_bytes()).hexdigest()
    sharded = outside / "hub/models--acme--sharded"
    if any(path.name == "config.json" for path in sharded.rglob("*")):
        assert (sharded / "blobs" / sha1).read_bytes() == config.read_bytes()
    again = service.data("POST", "/api/v1/store/links", {"layout": "hf-cache", "path": str(outside / "hub")})
    assert len(again["linked"]) == 2
    # What was published comes in elsewhere as the same model.
    other = make_service("other", LLM_MANAGER_LOCAL_ROOTS=str(outside))
    assert import_from(other, "hf-cache", outside / "hub")["state"] == "succeeded"
    assert done["ref"] in refs(other)


def test_links_in_the_layout_of_ollamas_store(make_service, hub, outside):
    service = make_service(HF_ENDPOINT=hub.url, OLLAMA_REGISTRY=hub.url, LLM_MANAGER_LOCAL_ROOTS=str(outside))
    hub.add_ollama("library/tiny:1b", [{"type": "model", "disk": str(TINY)}, {"type": "template", "text": "{{ .Prompt }}"}])
    service.pull("ollama:tiny:1b")
    service.pull("acme/tiny-GGUF")
    service.pull("acme/split-GGUF")
    result = service.data("POST", "/api/v1/store/links", {"layout": "ollama", "path": str(outside / "ollama")})
    assert sorted(row["name"] for row in result["linked"]) == ["hf.co/acme/tiny-GGUF:Q8_0", "library/tiny:1b"]
    assert [row["error"] for row in result["skipped"]] == ["UNSUPPORTED_FORMAT"]
    manifest = json.loads((outside / "ollama/manifests/registry.ollama.ai/library/tiny/1b").read_text())
    kinds = {layer["mediaType"].rpartition(".")[2]: layer["digest"] for layer in manifest["layers"]}
    assert kinds["model"] == f"sha256:{SHA256}"
    for layer in [manifest["config"], *manifest["layers"]]:
        data = (outside / "ollama/blobs" / layer["digest"].replace(":", "-")).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (layer["size"], layer["digest"].removeprefix("sha256:"))
    assert (outside / "ollama/blobs" / kinds["template"].replace(":", "-")).read_text() == "{{ .Prompt }}"


def test_links_refuse_a_folder_that_leads_out(opened, outside):
    opened.pull("demo:tiny-chat")
    (outside.parent / "secret").mkdir()
    (outside / "out").symlink_to(outside.parent / "secret")
    assert opened.error("POST", "/api/v1/store/links", {"layout": "ollama", "path": str(outside / "out")}) == "UNSAFE_FILE"
    (outside / "ollama").mkdir()
    (outside / "ollama/blobs").symlink_to(outside.parent / "secret")
    result = opened.data("POST", "/api/v1/store/links", {"layout": "ollama", "path": str(outside / "ollama")})
    assert [row["error"] for row in result["skipped"]] == ["UNSAFE_FILE"] and not list((outside.parent / "secret").iterdir())


# Garbage

def test_garbage_is_found_before_it_is_deleted(service):
    done = service.pull("demo:tiny-chat")
    orphan = service.home / "blobs/sha256/ab" / ("ab" * 32)
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(b"x" * 1000)
    part = service.home / "downloads/0199c0de-0000-7000-8000-000000000001"
    part.mkdir(parents=True)
    (part / "0.part").write_bytes(b"y" * 500)
    dangling = service.home / "models/demo/gone"
    dangling.symlink_to("../../blobs/sha256/00/" + "0" * 64)

    def gc(**body):
        return service.data("POST", "/api/v1/store/gc", body)

    assert gc(dry_run=True)["garbage"] == [{"kind": "link", "name": "demo/gone", "size": 0}]  # the others are young
    seen = gc(dry_run=True, min_age_seconds=0)
    assert {(row["kind"], row["size"]) for row in seen["garbage"]} == {("blob", 1000), ("part", 500), ("link", 0)}
    assert seen["size"] == 1500 and orphan.exists() and part.exists() and dangling.is_symlink()
    assert gc(min_age_seconds=0)["garbage"] == seen["garbage"]
    assert not orphan.exists() and not part.exists() and not dangling.is_symlink()
    assert [path.name for path in blobs(service)] == [SHA256]
    blobs(service)[0].unlink()
    assert gc()["missing"] == [SHA256]
    assert service.data("GET", f"/api/v1/models/{done['model_id']}")["status"] == "ready"


def test_deleting_one_of_two_models_keeps_the_shared_blob(opened, outside):
    shutil.copy(TINY, outside / "tiny-Q8_0.gguf")
    demo = opened.pull("demo:tiny-chat")["model_id"]
    wait(opened, opened.data("POST", "/api/v1/models", {"path": str(outside / "tiny-Q8_0.gguf")}))
    assert opened.data("DELETE", f"/api/v1/models/{demo}")["freed_size"] == 0
    assert [path.name for path in blobs(opened)] == [SHA256]


# Verification

def test_the_whole_store_is_verified(service):
    done = service.pull("demo:tiny-chat")

    def verify():
        task = service.data("POST", "/api/v1/store/verify")
        path = f"/api/v1/tasks/{task['id']}"
        return until(lambda: next((t for t in [service.data("GET", path)] if t["state"] not in ("queued", "running")), None), "the end")

    assert verify()["state"] == "succeeded"
    assert service.data("GET", "/api/v1/store")["oldest_verification"]
    blob = blobs(service)[0]
    blob.chmod(0o644)
    with open(blob, "r+b") as file:
        file.seek(1000)
        file.write(b"\xff")
    broken = verify()
    assert broken["state"] == "failed" and "1 of 1" in broken["error"]
    assert service.data("GET", f"/api/v1/models/{done['model_id']}")["status"] == "broken"


# The command line

def run(service, *arguments):
    return subprocess.run([PROGRAM, "--url", f"http://127.0.0.1:{service.port}", "--api-key", KEY, *arguments], text=True,
                          capture_output=True, timeout=60, check=False, env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"})


def test_commands(opened, outside):
    hf_cache(outside / "hub")
    done = run(opened, "import", "--from-hf-cache", str(outside / "hub"))
    assert done.returncode == 0 and "2 models" in done.stdout and "damaged" in done.stderr, done
    done = run(opened, "import", str(outside / "hub/models--acme--tiny-GGUF/snapshots" / COMMIT / "tiny-Q8_0.gguf"), "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["state"] == "succeeded", done
    done = run(opened, "link", "--ollama", str(outside / "ollama"))
    assert done.returncode == 0 and "hf.co/acme/tiny-GGUF:Q8_0" in done.stdout, done
    assert run(opened, "verify").stdout.startswith("Every file")
    assert "0 things would be deleted" in run(opened, "gc", "--dry-run").stderr
    assert "将删除 0 项" in run(opened, "--lang", "zh", "gc", "--dry-run").stderr
    assert run(opened, "import").returncode == 2 and run(opened, "link").returncode == 2
    assert run(opened, "import", "/etc").returncode == 1
