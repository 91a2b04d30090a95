"""/openapi/v1/models and /api/v1/models: ModelScope's view of the same repositories."""

import secrets
import time

from hub import access
from hub.access import ANONYMOUS, Caller
from hub.cdn import signed_path
from hub.messages import Request, Response, json_response, ranged, redirect
from hub.records import repo_tags
from hub.repos import Catalogue, File, Repo, Snapshot
from hub.settings import Settings
from hub.signing import Signer

DEFAULT_REVISION = "master"
NOT_FOUND = 10010205001
DENIED = 10010201001
MAX_ROWS = 3000  # page_number * page_size


class ModelScope:
    def __init__(self, catalogue: Catalogue, settings: Settings, signer: Signer, cdn_url: str) -> None:
        self._catalogue = catalogue
        self._settings = settings
        self._signer = signer
        self._cdn_url = cdn_url

    def handle(self, request: Request) -> Response:
        caller = self._identify(request)
        match request.segments:
            case ["openapi", "v1", "models"]:
                response = self._search(request, caller)
            case ["openapi", "v1", "models", owner, name]:
                response = self._detail(caller, f"{owner}/{name}")
            case ["api", "v1", "models", owner, name, "repo", "files"]:
                response = self._files(request, caller, f"{owner}/{name}")
            case ["api", "v1", "models", owner, name, "repo"]:
                response = self._download(request, caller, f"{owner}/{name}", request.value("Revision") or DEFAULT_REVISION,
                                          request.value("FilePath") or "")
            case ["api", "v1", "models", owner, name, "revisions"]:
                response = self._revisions(caller, f"{owner}/{name}")
            case ["api", "v1", "models", owner, name]:
                response = self._legacy_detail(caller, f"{owner}/{name}")
            case ["models", owner, name, "resolve", revision, *path]:
                response = self._download(request, caller, f"{owner}/{name}", revision, "/".join(path))
            case _:
                response = refuse(404, NOT_FOUND, "Not Found")
        response.headers |= {"X-Request-ID": secrets.token_hex(16), "x-aliyun-region-id": "cn-hangzhou"}
        return response

    def _identify(self, request: Request) -> Caller:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            cookies = dict(part.strip().partition("=")[::2] for part in request.headers.get("cookie", "").split(";"))
            token = cookies.get("m_session_id", "")
        return Caller(token, "user") if token in self._catalogue.tokens() or token in self._settings.tokens else ANONYMOUS

    def _find(self, caller: Caller, repo_id: str, with_files: bool = True) -> Repo | Response:
        repo = self._catalogue.find("models", repo_id)
        if repo is None or not repo.visible_to(caller.token):
            return refuse(404, NOT_FOUND, f"the model '{repo_id}' is not found")
        if with_files and repo.facts.get("gated") and caller.token not in repo.tokens:
            return refuse(403, DENIED, f"the model '{repo_id}' needs an approval")
        return repo

    def _search(self, request: Request, caller: Caller) -> Response:
        words = (request.value("search") or "").lower()
        library, task = request.value("filter.library"), request.value("filter.task")
        number, size = int(request.value("page_number") or 1), int(request.value("page_size") or 20)
        if number * size > MAX_ROWS:
            return json_response({"success": False, "message": "page out of range"}, 400)
        rows = [repo for repo in self._catalogue.all("models")
                if repo.visible_to(caller.token) and words in repo.id.lower()
                and (library is None or library in repo_tags(repo))
                and (task is None or repo.facts.get("pipeline_tag") == task)
                and request.value("owner") in (None, repo.id.partition("/")[0])]
        key = {"likes": "likes", "last_modified": "lastModified"}.get(request.value("sort") or "", "downloads")
        rows.sort(key=lambda repo: repo.id)
        rows.sort(key=lambda repo: repo.facts.get(key, "" if key == "lastModified" else 0), reverse=True)
        page = rows[(number - 1) * size:number * size]
        return json_response({"success": True, "request_id": secrets.token_hex(8), "data": {
            "models": [self._record(repo) for repo in page], "total_count": len(rows), "page_number": number,
            "page_size": size}})

    def _record(self, repo: Repo) -> dict:
        facts = repo.facts
        tags = [f"library:{tag}" if tag in ("gguf", "safetensors") else tag for tag in repo_tags(repo)]
        if facts.get("pipeline_tag"):
            tags.append(f"task:{facts['pipeline_tag']}")
        return {"id": repo.id, "display_name": repo.id.rpartition("/")[2], "downloads": facts.get("downloads", 0),
                "likes": facts.get("likes", 0), "params": facts.get("gguf", {}).get("total", 0), "tags": tags,
                "private": bool(facts.get("private")), "gated": bool(facts.get("gated")),
                "license": facts.get("cardData", {}).get("license", ""), "last_modified": facts["lastModified"]}

    def _detail(self, caller: Caller, repo_id: str) -> Response:
        repo = self._find(caller, repo_id, with_files=False)
        return repo if isinstance(repo, Response) else json_response({"success": True, "data": self._record(repo)})

    def _legacy_detail(self, caller: Caller, repo_id: str) -> Response:
        repo = self._find(caller, repo_id, with_files=False)
        if isinstance(repo, Response):
            return repo
        owner, _, name = repo_id.partition("/")
        return data({"Id": 1, "Path": owner, "Name": name, "Revision": DEFAULT_REVISION,
                     "Downloads": repo.facts.get("downloads", 0)})

    def _revisions(self, caller: Caller, repo_id: str) -> Response:
        repo = self._find(caller, repo_id)
        if isinstance(repo, Response):
            return repo
        return data({"RevisionMap": {"Branches": [{"Revision": DEFAULT_REVISION, "CreatedAt": int(time.time())}], "Tags": []}})

    def _files(self, request: Request, caller: Caller, repo_id: str) -> Response:
        repo = self._find(caller, repo_id)
        if isinstance(repo, Response):
            return repo
        snapshot = _snapshot(repo, request.value("Revision") or DEFAULT_REVISION)
        if snapshot is None:
            return refuse(404, NOT_FOUND, "the revision is not found")
        root = (request.value("Root") or "").strip("/")
        deep = request.flag("Recursive")
        rows = [_entry(file, snapshot) for file in snapshot.files.values()
                if (not root or file.path.startswith(root + "/")) and
                (deep or "/" not in file.path.removeprefix(root + "/" if root else ""))]
        rows += [{"Name": path.rpartition("/")[2], "Path": path, "Type": "tree", "Size": 0, "Sha256": "",
                  "Revision": snapshot.commit, "IsLFS": False, "Mode": "16384", "Id": snapshot.directories[path]}
                 for path in snapshot.directories]
        return data({"Files": rows, "LatestCommitter": {"Id": snapshot.commit}})

    def _download(self, request: Request, caller: Caller, repo_id: str, revision: str, path: str) -> Response:
        repo = self._find(caller, repo_id)
        if isinstance(repo, Response):
            return repo
        snapshot = _snapshot(repo, revision)
        file = snapshot and snapshot.files.get(path)
        if file is None:
            return refuse(404, NOT_FOUND, f"the file '{path}' is not found")
        request.file = file
        if file.sha256 and self._settings.modelscope_redirect:
            return redirect(302, self._cdn_url + self._signer.sign(signed_path(repo, file), path.rpartition("/")[2],
                                                                   self._settings.url_lifetime))
        response = ranged(file.content, request.headers.get("range"), {
            "Content-Type": "application/octet-stream", "ETag": f'"{secrets.token_hex(8)}"',
            "snapshot-identifier": snapshot.commit})
        if response.status == 206 and self._settings.modelscope_ranges == "200":
            response.status = 200  # with the Content-Range, as the service was seen to answer
        return response


def _snapshot(repo: Repo, revision: str) -> Snapshot | None:
    return repo.main if revision == DEFAULT_REVISION else repo.snapshot(revision)


def _entry(file: File, snapshot: Snapshot) -> dict:
    return {"Name": file.path.rpartition("/")[2], "Path": file.path, "Type": "blob", "Size": file.size,
            "Sha256": file.sha256 or file.content.sha256(), "Revision": snapshot.commit, "IsLFS": file.sha256 is not None,
            "Mode": "33188", "CommittedDate": 1_735_689_600, "CommitterName": "hub", "CommitMessage": snapshot.title,
            "InCheck": False, "Id": file.oid}


def is_modelscope(segments: list[str]) -> bool:
    return segments[:2] in (["openapi", "v1"], ["api", "v1"]) or (segments[0] == "models" and "resolve" in segments)


def data(payload: dict) -> Response:
    return json_response({"Code": 200, "Success": True, "Message": "", "RequestId": secrets.token_hex(8), "Data": payload})


def refuse(status: int, code: int, message: str) -> Response:
    return json_response({"Code": code, "Success": False, "Message": message, "RequestId": secrets.token_hex(8)}, status)
