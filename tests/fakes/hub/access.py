"""Who may see what: tokens, private, gated, disabled, missing and renamed repositories."""

from dataclasses import dataclass

from hub.messages import HubError, Moved, Request, quote_path
from hub.repos import Catalogue, Repo, Snapshot
from hub.settings import Settings


@dataclass(frozen=True)
class Caller:
    token: str | None
    name: str | None


ANONYMOUS = Caller(None, None)


def identify(request: Request, catalogue: Catalogue, settings: Settings) -> Caller:
    header = request.headers.get("authorization")
    if header is None:
        return ANONYMOUS
    scheme, _, token = header.partition(" ")
    if scheme.lower() == "bearer":
        if token in settings.tokens:
            return Caller(token, settings.tokens[token])
        if token in catalogue.tokens():
            return Caller(token, "user")
    if settings.ignore_bad_token:
        return ANONYMOUS
    raise HubError(401, "Invalid credentials in Authorization header")


def login_required() -> HubError:
    return HubError(401, "Invalid username or password.", headers={
        "WWW-Authenticate": 'Bearer realm="Authentication required", charset="UTF-8"'})


def open_repo(request: Request, caller: Caller, catalogue: Catalogue, kind: str, repo_id: str) -> Repo:
    """The repository if the caller may know of it. A private one and a missing one must look alike."""
    new_id = catalogue.renamed(kind, repo_id)
    repo = catalogue.find(kind, new_id or repo_id)
    if repo is None or not repo.visible_to(caller.token):
        if caller.token is None:
            raise login_required()
        raise HubError(404, "Repository not found", "RepoNotFound")
    if new_id:
        raise Moved(request.target.replace(f"/{quote_path(repo_id)}", f"/{quote_path(new_id)}", 1))
    return repo


def check_files(repo: Repo, caller: Caller, commit: str | None = None) -> None:
    """Refuses the contents of disabled and gated repositories; what describes a gated one stays public."""
    headers = {"X-Repo-Commit": commit} if commit else {}
    check_disabled(repo, headers)
    if not repo.facts.get("gated") or caller.token in repo.tokens:
        return
    restricted = f"Access to model {repo.id} is restricted"
    if caller.token is None:
        raise HubError(401, f"{restricted}. You must have access to it and be authenticated to access it. "
                       "Please log in.", "GatedRepo", headers=headers)
    raise HubError(403, f"{restricted} and you are not in the authorized list. "
                   f"Visit https://huggingface.co/{repo.id} to ask for access.", "GatedRepo", headers=headers)


def check_disabled(repo: Repo, headers: dict[str, str] | None = None) -> None:
    if repo.facts.get("disabled"):
        raise HubError(403, "Access to this resource is disabled.", headers=headers)


def find_snapshot(repo: Repo, rev: str) -> Snapshot:
    snapshot = repo.snapshot(rev)
    if snapshot is None:
        raise HubError(404, f"Invalid rev id: {rev}", "RevisionNotFound")
    return snapshot


def entry_not_found(commit: str | None = None) -> HubError:
    return HubError(404, "Entry not found", "EntryNotFound", plain=True,
                    headers={"X-Repo-Commit": commit} if commit else None)
