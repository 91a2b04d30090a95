"""The content model: repositories, their revisions and files, and the catalogue that holds them."""

import codecs
import hashlib
import threading
from dataclasses import dataclass, field
from functools import cached_property

from hub import git
from hub.content import Content


@dataclass(frozen=True)
class File:
    path: str
    content: Content
    oid: str  # git blob SHA-1: of the content, or of the pointer for an LFS file
    sha256: str | None = None  # LFS files only

    @property
    def size(self) -> int:
        return self.content.size

    @property
    def pointer(self) -> bytes:
        return git.lfs_pointer(self.sha256, self.size)

    @cached_property
    def xet_hash(self) -> str:
        """Stands in for the Xet file hash (a Merkle tree over BLAKE3, which the standard library lacks): what matters
        to a client is that it is 64 hex digits, stable, and not the SHA-256."""
        return hashlib.sha256(f"xet:{self.sha256}".encode()).hexdigest()

    @cached_property
    def is_text(self) -> bool:
        try:
            # Not final: the sample may end inside a character.
            codecs.getincrementaldecoder("utf-8")().decode(head := self.content.read(0, 4096))
        except UnicodeDecodeError:
            return False
        return b"\0" not in head

    @classmethod
    def of(cls, path: str, content: Content, is_lfs: bool) -> "File":
        if not is_lfs:
            return cls(path, content, git.object_sha1("blob", content.read(0, content.size)))
        sha256 = content.sha256()
        return cls(path, content, git.object_sha1("blob", git.lfs_pointer(sha256, content.size)), sha256)


class Snapshot:
    """All files of a repository at one commit."""

    def __init__(self, repo_id: str, files: list[File], date: str) -> None:
        self.files = {file.path: file for file in sorted(files, key=lambda file: file.path)}
        trees = git.tree_sha1s({file.path: file.oid for file in files})
        self.title = "Upload files"
        self.date = date
        self.commit = git.commit_sha1(trees.pop(""), f"{self.title} to {repo_id}")
        self.directories = trees


@dataclass
class Repo:
    kind: str  # "models", "datasets", "spaces": as spelled in API paths
    id: str
    facts: dict  # what repo.json says about it, see loader.FACTS
    refs: dict[str, Snapshot] = field(default_factory=dict)  # full git ref -> snapshot
    tokens: frozenset[str] = frozenset()  # who may see it if private, or read files if gated

    @property
    def hex_id(self) -> str:
        return hashlib.sha1(f"{self.kind}/{self.id}".encode()).hexdigest()[:24]

    @property
    def main(self) -> Snapshot:
        return self.refs["refs/heads/main"]

    def snapshot(self, rev: str) -> Snapshot | None:
        """Finds a branch, a tag, a full ref or a commit; HEAD is main, as the JavaScript client asks for it."""
        if rev == "HEAD":
            return self.main
        for ref in (rev, f"refs/heads/{rev}", f"refs/tags/{rev}"):
            if ref in self.refs:
                return self.refs[ref]
        return self.at_commit(rev)

    def at_commit(self, commit: str) -> Snapshot | None:
        return next((snapshot for snapshot in self.refs.values() if snapshot.commit == commit), None)

    def visible_to(self, token: str | None) -> bool:
        return not self.facts.get("private") or token in self.tokens

    def lfs_file(self, xet_hash: str) -> File | None:
        for snapshot in self.refs.values():
            for file in snapshot.files.values():
                if file.sha256 and file.xet_hash == xet_hash:
                    return file
        return None


class Catalogue:
    """The set of repositories; changed only by whole-object replacement, so readers need no lock beyond the look-up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._repos: dict[tuple[str, str], Repo] = {}
        self._renames: dict[tuple[str, str], str] = {}

    def add(self, repo: Repo) -> None:
        with self._lock:
            self._repos[repo.kind, repo.id] = repo
            self._renames.pop((repo.kind, repo.id), None)

    def rename(self, kind: str, old: str, new: str) -> None:
        with self._lock:
            self._renames[kind, old] = new

    def remove(self, kind: str, repo_id: str) -> bool:
        with self._lock:
            return (self._repos.pop((kind, repo_id), None) or self._renames.pop((kind, repo_id), None)) is not None

    def find(self, kind: str, repo_id: str) -> Repo | None:
        with self._lock:
            return self._repos.get((kind, repo_id))

    def renamed(self, kind: str, repo_id: str) -> str | None:
        with self._lock:
            return self._renames.get((kind, repo_id))

    def all(self, kind: str) -> list[Repo]:
        with self._lock:
            return [repo for repo in self._repos.values() if repo.kind == kind]

    def by_hex_id(self, hex_id: str) -> Repo | None:
        with self._lock:
            repos = list(self._repos.values())
        return next((repo for repo in repos if repo.hex_id == hex_id), None)

    def tokens(self) -> set[str]:
        with self._lock:
            return {token for repo in self._repos.values() for token in repo.tokens}
