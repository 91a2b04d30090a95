"""The few git object hashes that the Hub shows to its clients."""

import hashlib


def object_sha1(kind: str, data: bytes) -> str:
    return hashlib.sha1(f"{kind} {len(data)}\0".encode() + data).hexdigest()


def lfs_pointer(sha256: str, size: int) -> bytes:
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


def tree_sha1s(blobs: dict[str, str]) -> dict[str, str]:
    """Hashes of all directories of a snapshot, by path; "" is the root. `blobs` maps file path to blob hash."""
    nodes: dict[str, dict[str, str]] = {"": {}}  # directory -> entry name -> blob hash, or "" for a directory
    for path, oid in blobs.items():
        parent, _, name = path.rpartition("/")
        _directory(nodes, parent)[name] = oid
    hashes: dict[str, str] = {}
    for directory in sorted(nodes, key=lambda path: (path != "", path.count("/")), reverse=True):
        entries = []
        for name, oid in nodes[directory].items():
            if oid:
                entries.append((name, b"100644", oid))
            else:
                # git orders directories as if their name ended in a slash.
                entries.append((name + "/", b"40000", hashes[f"{directory}/{name}".lstrip("/")]))
        data = b"".join(mode + b" " + name.rstrip("/").encode() + b"\0" + bytes.fromhex(oid)
                        for name, mode, oid in sorted(entries, key=lambda entry: entry[0].encode()))
        hashes[directory] = object_sha1("tree", data)
    return hashes


def _directory(nodes: dict[str, dict[str, str]], path: str) -> dict[str, str]:
    if path not in nodes:
        nodes[path] = {}
        parent, _, name = path.rpartition("/")
        _directory(nodes, parent)[name] = ""
    return nodes[path]


def commit_sha1(tree: str, message: str) -> str:
    who = "hub <hub@localhost> 0 +0000"
    return object_sha1("commit", f"tree {tree}\nauthor {who}\ncommitter {who}\n\n{message}\n".encode())
