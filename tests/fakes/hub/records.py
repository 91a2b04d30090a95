"""How repositories and files look in the API's JSON."""

from hub.messages import HubError
from hub.repos import File, Repo, Snapshot

EXPANDABLE = (
    "author", "baseModels", "cardData", "childrenModelCount", "config", "createdAt", "disabled", "downloads",
    "downloadsAllTime", "evalResults", "gated", "gguf", "inference", "inferenceProviderMapping", "lastModified",
    "library_name", "likes", "mask_token", "model-index", "pipeline_tag", "private", "resourceGroup", "safetensors",
    "sha", "siblings", "spaces", "tags", "transformersInfo", "trendingScore", "usedStorage", "widgetData",
)
LIST_FIELDS = ("likes", "trendingScore", "private", "downloads", "tags", "pipeline_tag", "library_name", "createdAt",
               "modelId")
FULL_LIST_FIELDS = LIST_FIELDS + ("author", "sha", "lastModified", "gated", "disabled", "siblings")
INFO_FIELDS = ("private", "tags", "downloads", "likes", "modelId", "author", "sha", "lastModified", "gated", "disabled",
               "model-index", "pipeline_tag", "library_name", "config", "cardData", "gguf", "safetensors", "siblings",
               "spaces", "createdAt", "usedStorage", "widgetData", "transformersInfo", "mask_token", "inference")


def repo_tags(repo: Repo) -> list[str]:
    tags = list(repo.facts.get("tags", ()))
    for suffix in ("gguf", "safetensors"):
        if any(path.endswith("." + suffix) for path in repo.main.files):
            tags.append(suffix)
    licence = repo.facts.get("cardData", {}).get("license")
    if licence:
        tags.append(f"license:{licence}")
    return list(dict.fromkeys(tags))


def repo_record(repo: Repo, snapshot: Snapshot, fields: tuple[str, ...], blobs: bool = False) -> dict:
    """The named fields, those that the repository lacks left out."""
    facts = repo.facts
    everything = {
        "private": False, "downloads": 0, "likes": 0, "trendingScore": 0, "gated": False, "disabled": False,
        "spaces": [], "model-index": None,
    } | facts | {
        "tags": repo_tags(repo),
        "modelId": repo.id,
        "sha": snapshot.commit,
        "siblings": [_sibling(file, blobs) for file in snapshot.files.values()],
        "usedStorage": sum(file.size for file in snapshot.files.values()),
    }
    if "/" in repo.id:
        everything["author"] = repo.id.partition("/")[0]
    everything.setdefault("downloadsAllTime", everything["downloads"])
    ggufs = [file.size for file in snapshot.files.values() if file.path.endswith(".gguf")]
    if ggufs:
        everything["gguf"] = {"totalFileSize": max(ggufs)} | facts.get("gguf", {})
    return {"_id": repo.hex_id, "id": repo.id} | {name: everything[name] for name in fields if name in everything}


def check_expand(names: list[str]) -> tuple[str, ...]:
    if unknown := [name for name in names if name not in EXPANDABLE]:
        raise HubError(400, f"Invalid expand value {unknown[0]!r}, expected one of: {', '.join(EXPANDABLE)}")
    return tuple(names)


def _sibling(file: File, blobs: bool) -> dict:
    if not blobs:
        return {"rfilename": file.path}
    record = {"rfilename": file.path, "size": file.size, "blobId": file.oid}
    if file.sha256:
        record["lfs"] = {"sha256": file.sha256, "size": file.size, "pointerSize": len(file.pointer)}
    return record


def file_entry(file: File, snapshot: Snapshot, expand: bool) -> dict:
    entry = {"type": "file", "oid": file.oid, "size": file.size, "path": file.path}
    if file.sha256:
        entry["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": len(file.pointer)}
        entry["xetHash"] = file.xet_hash
    if expand:
        entry["lastCommit"] = last_commit(snapshot)
        entry["securityFileStatus"] = {
            "status": "safe", "avScan": {"status": "safe"}, "pickleImportScan": {"status": "safe", "pickleImports": []}}
    return entry


def directory_entry(path: str, snapshot: Snapshot, expand: bool) -> dict:
    entry = {"type": "directory", "oid": snapshot.directories[path], "size": 0, "path": path}
    return entry | {"lastCommit": last_commit(snapshot)} if expand else entry


def last_commit(snapshot: Snapshot) -> dict:
    return {"id": snapshot.commit, "title": snapshot.title, "date": snapshot.date}
