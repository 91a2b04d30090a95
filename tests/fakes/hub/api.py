"""The /api endpoints about one repository, and the few about none."""

import hashlib
from urllib.parse import parse_qs

from hub import access
from hub.access import Caller
from hub.listing import list_repos
from hub.messages import HubError, Request, Response, json_response
from hub.paging import page
from hub.records import INFO_FIELDS, check_expand, directory_entry, file_entry, last_commit, repo_record, repo_tags
from hub.repos import Catalogue, Repo, Snapshot
from hub.settings import Settings

KINDS = ("models", "datasets", "spaces")
# Segments that end the repository id in /api/models/{id}/…
RESOURCES = ("revision", "tree", "paths-info", "refs", "commits", "auth-check")


class Api:
    def __init__(self, catalogue: Catalogue, settings: Settings) -> None:
        self._catalogue = catalogue
        self._settings = settings

    def handle(self, request: Request, caller: Caller) -> Response:
        match request.segments[1:]:
            case ["whoami-v2"]:
                return self._whoami(caller)
            case ["models-tags-by-type"]:
                return self._tags_by_type()
            case ["telemetry", *_]:
                return json_response({})
            case [kind] if kind in KINDS:
                return list_repos(request, caller, self._catalogue, self._settings, kind)
            case [kind, *rest] if kind in KINDS:
                return self._repo(request, caller, kind, rest)
        raise not_found()

    def _repo(self, request: Request, caller: Caller, kind: str, rest: list[str]) -> Response:
        resource_at = next((at for at in (1, 2) if at < len(rest) and rest[at] in RESOURCES), len(rest))
        if resource_at > 2:
            raise not_found()
        repo = access.open_repo(request, caller, self._catalogue, kind, "/".join(rest[:resource_at]))
        resource = rest[resource_at:]
        if resource and resource[0] != "auth-check":
            access.check_disabled(repo)
        match resource:
            case []:
                return self._info(request, repo, repo.main)
            case ["revision", rev]:
                return self._info(request, repo, access.find_snapshot(repo, rev))
            case ["tree", rev, *directory]:
                return self._tree(request, access.find_snapshot(repo, rev), "/".join(directory))
            case ["paths-info", rev] if request.method == "POST":
                return self._paths_info(request, access.find_snapshot(repo, rev))
            case ["refs"]:
                return self._refs(request, repo)
            case ["commits", rev]:
                access.check_files(repo, caller)
                return self._commits(request, access.find_snapshot(repo, rev))
            case ["auth-check"]:
                access.check_files(repo, caller)
                return json_response({})
        raise not_found()

    def _info(self, request: Request, repo: Repo, snapshot: Snapshot) -> Response:
        fields = check_expand(request.values("expand")) or INFO_FIELDS
        return json_response(repo_record(repo, snapshot, fields, request.flag("blobs")))

    def _tree(self, request: Request, snapshot: Snapshot, directory: str) -> Response:
        if directory and directory not in snapshot.directories:
            raise access.entry_not_found(snapshot.commit)
        expand = request.flag("expand")
        prefix = directory + "/" if directory else ""
        paths = sorted(path for path in (*snapshot.files, *snapshot.directories)
                       if path.startswith(prefix) and (request.flag("recursive") or "/" not in path[len(prefix):]))
        size = self._settings.tree_page_expanded if expand else self._settings.tree_page
        paths, headers = page(request, paths, size)
        return json_response([_entry(path, snapshot, expand) for path in paths], headers=headers)

    def _paths_info(self, request: Request, snapshot: Snapshot) -> Response:
        form = parse_qs(request.body.decode())
        expand = form.get("expand", ["false"])[0].lower() == "true"
        paths = [path for path in form.get("paths", ()) if path in snapshot.files or path in snapshot.directories]
        return json_response([_entry(path, snapshot, expand) for path in paths])

    def _refs(self, request: Request, repo: Repo) -> Response:
        answer: dict[str, list] = {"branches": [], "converts": [], "tags": []}
        if request.flag("include_prs"):
            answer["pullRequests"] = []
        groups = {"refs/heads/": "branches", "refs/convert/": "converts", "refs/tags/": "tags",
                  "refs/pr/": "pullRequests"}
        for ref, snapshot in repo.refs.items():
            prefix = next(prefix for prefix in groups if ref.startswith(prefix))
            if groups[prefix] in answer:
                answer[groups[prefix]].append(
                    {"name": ref.removeprefix(prefix), "ref": ref, "targetCommit": snapshot.commit})
        return json_response(answer)

    def _commits(self, request: Request, snapshot: Snapshot) -> Response:
        commit = last_commit(snapshot) | {"message": "", "authors": [{"user": "hub"}]}
        rows, headers = page(request, [commit], self._settings.tree_page_expanded)
        return json_response(rows, headers=headers)

    def _whoami(self, caller: Caller) -> Response:
        if caller.token is None:
            raise access.login_required()
        return json_response({
            "type": "user", "id": hashlib.sha1(caller.name.encode()).hexdigest()[:24], "name": caller.name,
            "fullname": caller.name, "isPro": False, "orgs": [],
            "auth": {"type": "access_token", "accessToken": {"displayName": "test", "role": "read"}}})

    def _tags_by_type(self) -> Response:
        types: dict[str, dict[str, dict]] = {}
        for repo in self._catalogue.all("models"):
            if repo.facts.get("private"):
                continue
            pairs = [("pipeline_tag", repo.facts.get("pipeline_tag"))]
            for tag in repo_tags(repo):
                kind, colon, _ = tag.partition(":")
                pairs.append((kind if colon else "library" if tag in ("gguf", "safetensors") else "other", tag))
            for kind, tag in pairs:
                if tag:
                    types.setdefault(kind, {})[tag] = {"id": tag, "label": tag.rpartition(":")[2], "type": kind}
        return json_response({kind: [tags[tag] for tag in sorted(tags)] for kind, tags in types.items()})


def _entry(path: str, snapshot: Snapshot, expand: bool) -> dict:
    if path in snapshot.files:
        return file_entry(snapshot.files[path], snapshot, expand)
    return directory_entry(path, snapshot, expand)


def not_found() -> HubError:
    return HubError(404, "Sorry, we can't find the page you are looking for.")
