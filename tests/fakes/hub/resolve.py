"""/{repo}/resolve/{rev}/{path} and the cache behind it: the way to the bytes of a file."""

import re
import zlib
from urllib.parse import quote, urlencode

from hub import access
from hub.access import Caller
from hub.api import KINDS, not_found
from hub.cdn import signed_path
from hub.messages import HubError, Request, Response, quote_path, ranged, redirect
from hub.repos import Catalogue, File, Repo, Snapshot
from hub.settings import Settings
from hub.signing import Signer

EXPOSED = ("X-Repo-Commit,X-Request-Id,X-Error-Code,X-Error-Message,X-Total-Count,ETag,Link,Accept-Ranges,"
           "Content-Range,X-Linked-Size,X-Linked-ETag,X-Xet-Hash")
COMMIT = re.compile(r"[0-9a-f]{40}")


class Resolver:
    def __init__(self, catalogue: Catalogue, settings: Settings, signer: Signer, cdn_url: str) -> None:
        self._catalogue = catalogue
        self._settings = settings
        self._signer = signer
        self._cdn_url = cdn_url

    def resolve(self, request: Request, caller: Caller) -> Response:
        segments = request.segments
        kind = segments.pop(0) if segments[0] in KINDS[1:] else "models"
        at = next((at for at in (1, 2) if segments[at:at + 1] == ["resolve"]), None)
        if at is None or len(segments) < at + 3:
            raise not_found()
        repo = access.open_repo(request, caller, self._catalogue, kind, "/".join(segments[:at]))
        snapshot = repo.snapshot(segments[at + 1])
        access.check_files(repo, caller, snapshot and snapshot.commit)
        file = _find(request, access.find_snapshot(repo, segments[at + 1]), segments[at + 2:])
        headers = _common(repo.snapshot(segments[at + 1]))
        if file.sha256:
            return self._to_cdn(request, repo, headers, file)
        query = urlencode({request.path: "", "etag": f'"{file.oid}"'})
        path = quote_path(f"/api/resolve-cache/{kind}/{repo.id}/{headers['X-Repo-Commit']}/{file.path}")
        return redirect(307, f"{path}?{query}", headers)

    def from_cache(self, request: Request, caller: Caller) -> Response:
        """/api/resolve-cache/{kind}/{repo}/{commit}/{path}: regular files by exact commit."""
        kind, *rest = request.segments[2:]
        at = next((at for at in (1, 2) if COMMIT.fullmatch("".join(rest[at:at + 1]))), None)
        if kind not in KINDS or at is None:
            raise HubError(400, "Invalid commit: expected 40 hexadecimal digits")
        repo = access.open_repo(request, caller, self._catalogue, kind, "/".join(rest[:at]))
        snapshot = repo.at_commit(rest[at])
        access.check_files(repo, caller, snapshot and snapshot.commit)
        if snapshot is None:
            raise HubError(404, f"Invalid rev id: {rest[at]}", "RevisionNotFound")
        file = _find(request, snapshot, rest[at + 1:])
        if file.sha256:
            raise access.entry_not_found(snapshot.commit)
        return _serve(request, file, _common(snapshot))

    def _to_cdn(self, request: Request, repo: Repo, headers: dict[str, str], file: File) -> Response:
        location = self._cdn_url + self._signer.sign(
            signed_path(repo, file), file.path.rpartition("/")[2], self._settings.url_lifetime)
        commit = headers["X-Repo-Commit"]
        api = f"{request.base_url()}/api/{repo.kind}/{quote_path(repo.id)}"
        return redirect(302, location, headers | {
            "X-Linked-Size": str(file.size),
            "X-Linked-ETag": f'"{file.sha256}"',
            "ETag": f'"{file.sha256}"',
            "X-Xet-Hash": file.xet_hash,
            "Accept-Ranges": "bytes",
            "Link": f'<{api}/xet-read-token/{commit}>; rel="xet-auth", '
                    f'<{self._cdn_url}/v1/reconstructions/{file.xet_hash}>; rel="xet-reconstruction-info"',
        })


def _find(request: Request, snapshot: Snapshot, path: list[str]) -> File:
    file = snapshot.files.get("/".join(path))
    if file is None:
        raise access.entry_not_found(snapshot.commit)
    request.file = file
    return file


def _common(snapshot: Snapshot) -> dict[str, str]:
    return {"X-Repo-Commit": snapshot.commit, "Vary": "Origin", "Access-Control-Expose-Headers": EXPOSED}


def _serve(request: Request, file: File, headers: dict[str, str]) -> Response:
    kind = "text/plain; charset=utf-8" if file.is_text else "application/octet-stream"
    name = file.path.rpartition("/")[2]
    headers |= {"Content-Type": kind, "ETag": f'"{file.oid}"',
                "Content-Disposition": f"inline; filename*=UTF-8''{quote(name, safe='')}; filename=\"{name}\";"}
    if file.is_text and _accepts_gzip(request.headers.get("accept-encoding", "")):
        # As the Hub's CloudFront does: what it compresses has no length, and a Range is ignored.
        response = Response(200, headers | {"Content-Encoding": "gzip", "ETag": f'W/"{file.oid}"'}, chunked=True)
        packer = zlib.compressobj(wbits=31)
        response.set_body(packer.compress(file.content.read(0, file.size)) + packer.flush())
        return response
    return ranged(file.content, request.headers.get("range"), headers)


def _accepts_gzip(header: str) -> bool:
    for item in header.lower().split(","):
        name, _, weight = item.partition(";")
        if name.strip() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0")
    return False
