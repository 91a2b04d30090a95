"""The second listener: content of LFS files behind signed URLs."""

import secrets

from hub.messages import Request, Response, ranged
from hub.registry import BLOB_PREFIX, Registry
from hub.repos import Catalogue, File, Repo
from hub.settings import Settings
from hub.signing import Signer

PREFIX = "xet-bridge-us"


def signed_path(repo: Repo, file: File) -> str:
    return f"/{PREFIX}/{repo.hex_id}/{file.xet_hash}"


class Cdn:
    def __init__(self, catalogue: Catalogue, settings: Settings, signer: Signer, registry: Registry) -> None:
        self._catalogue = catalogue
        self._registry = registry
        self._settings = settings
        self._signer = signer

    def identify(self, request: Request) -> None:
        """Finds out which file a request is about, before anything is checked."""
        match request.segments:
            case [prefix, hex_id, xet_hash] if prefix == PREFIX:
                repo = self._catalogue.by_hex_id(hex_id)
                request.file = repo and repo.lfs_file(xet_hash)
                if request.file:
                    request.label = f"/{repo.id}/{request.file.path}"
            case [prefix, owner, name, "sha256", _, hexed, "data"] if prefix == BLOB_PREFIX:
                request.file = self._registry.blob_file(owner, name, hexed)
                if request.file:
                    request.label = f"/{owner}/{name}/{hexed}"

    def handle(self, request: Request) -> Response:
        if "authorization" in request.headers:
            return _xml_error(400, "InvalidArgument", "Only one auth mechanism allowed")
        if request.method != "GET":  # the URL is signed for GET alone
            return _xml_error(403, "AccessDenied", "Access denied")
        accepts = self._signer.accepts_s3 if request.segments[0] == BLOB_PREFIX else self._signer.accepts
        if not accepts(request.raw_path, request.raw_query) or request.file is None:
            return _xml_error(403, "AccessDenied", "Access denied")
        file = request.file
        response = ranged(file.content, request.headers.get("range"), {
            "Content-Type": "application/octet-stream",
            "ETag": f'"{file.xet_hash}"',
            "Cache-Control": "public,max-age=31536000",
            "Content-Disposition": request.value("response-content-disposition") or "inline",
            "X-Amz-Cf-Id": secrets.token_urlsafe(40),
        })
        if response.status == 200 and file.size > self._settings.cdn_unranged_limit:
            return _xml_error(400, "InvalidRequest", "The requested object is too large to be served without a range")
        return response


def _xml_error(status: int, code: str, message: str) -> Response:
    response = Response(status, {"Content-Type": "application/xml"})
    response.set_body('<?xml version="1.0" encoding="UTF-8"?>\n'
                      f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode())
    return response
