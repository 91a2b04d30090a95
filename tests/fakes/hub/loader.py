"""Builds repositories from a directory tree or from a description given to the control endpoint."""

import base64
import fnmatch
import json
from collections.abc import Iterator
from pathlib import Path

from hub.content import BytesContent, Content, DiskContent, SyntheticContent
from hub.repos import Catalogue, File, Repo, Snapshot

LFS_PATTERNS = ("*.gguf", "*.safetensors", "*.bin")
LFS_MIN_SIZE = 10_000_000  # the Hub takes no larger regular file
SPEC_FILE = "repo.json"

# Facts that go into the Hub's answers as they are, under the same name.
FACTS = frozenset({
    "tags", "downloads", "downloadsAllTime", "likes", "trendingScore", "gated", "private", "disabled", "createdAt",
    "lastModified", "pipeline_tag", "library_name", "cardData", "config", "gguf", "safetensors", "model-index",
    "mask_token", "widgetData", "transformersInfo", "spaces", "inference",
})
DIRECTIVES = frozenset({"id", "type", "rename_to", "tokens", "lfs", "files", "revisions"})
DEFAULT_DATE = "2025-01-01T00:00:00.000Z"


def load_root(catalogue: Catalogue, root: Path) -> None:
    """ROOT/<org>/<name>/ is a repository; ROOT/<name>/ with a repo.json is a legacy one without namespace."""
    for top in sorted(path for path in root.iterdir() if path.is_dir()):
        homes = [top] if (top / SPEC_FILE).exists() else sorted(path for path in top.iterdir() if path.is_dir())
        for home in homes:
            spec_path = home / SPEC_FILE
            spec = json.loads(spec_path.read_text()) if spec_path.exists() else {}
            add(catalogue, {"id": home.relative_to(root).as_posix()} | spec, home)


def add(catalogue: Catalogue, spec: dict, home: Path | None = None) -> Repo | None:
    """Adds what `spec` describes; relative paths in it start at `home`. A rename adds no repository: None."""
    if unknown := spec.keys() - FACTS - DIRECTIVES:
        raise ValueError(f"{spec.get('id')}: unknown keys {sorted(unknown)}")
    if "id" not in spec:
        raise ValueError("a repository needs an id")
    kind = spec.get("type", "model") + "s"
    if "rename_to" in spec:
        catalogue.rename(kind, spec["id"], spec["rename_to"])
        return None
    facts = {key: spec[key] for key in FACTS & spec.keys()}
    repo = Repo(kind, spec["id"], facts, tokens=frozenset(spec.get("tokens", ())))
    date = repo.facts.setdefault("lastModified", DEFAULT_DATE)
    repo.facts.setdefault("createdAt", date)

    revisions = spec.get("revisions", {})
    aside = {home / revision["dir"] for revision in revisions.values() if home and "dir" in revision}
    main = Snapshot(repo.id, list(_files(spec, home, home, aside)), date)
    repo.refs["refs/heads/main"] = main
    for name, revision in revisions.items():
        own = {"files": revision.get("files", {}), "lfs": spec.get("lfs", ())}
        tree = home / revision["dir"] if home and "dir" in revision else None
        has_own = tree or own["files"]
        repo.refs[_full_ref(name, revision.get("kind", "branch"))] = (
            Snapshot(repo.id, list(_files(own, tree, home, set())), date) if has_own else main)
    catalogue.add(repo)
    return repo


def _full_ref(name: str, kind: str) -> str:
    if name.startswith("refs/"):
        return name
    return {"branch": "refs/heads/", "tag": "refs/tags/"}[kind] + name


def _files(spec: dict, tree: Path | None, home: Path | None, aside: set[Path]) -> Iterator[File]:
    contents: dict[str, Content] = {}
    for path in sorted(tree.rglob("*")) if tree else ():
        if path.is_file() and path != tree / SPEC_FILE and not aside.intersection(path.parents):
            contents[path.relative_to(tree).as_posix()] = DiskContent(path)
    for path, source in spec.get("files", {}).items():
        contents[path] = inline(path, source, home)
    patterns = (*LFS_PATTERNS, *spec.get("lfs", ()))
    for path, content in contents.items():
        is_lfs = content.size > LFS_MIN_SIZE or any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)
        yield File.of(path, content, is_lfs)


def inline(path: str, source: dict, home: Path | None) -> Content:
    """{"text"} | {"base64"} | {"disk": path} | {"size", "seed"[, "prefix" | "prefix_base64"]}"""
    if "text" in source:
        return BytesContent(source["text"].encode())
    if "base64" in source:
        return BytesContent(base64.b64decode(source["base64"]))
    if "disk" in source:
        return DiskContent((home or Path()) / source["disk"])
    if "size" in source:
        prefix = source["prefix"].encode() if "prefix" in source else base64.b64decode(source.get("prefix_base64", ""))
        return SyntheticContent(source["size"], source.get("seed", 0), prefix)
    raise ValueError(f"{path}: no text, base64, disk or size")
