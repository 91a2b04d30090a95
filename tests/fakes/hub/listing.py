"""GET /api/models: search, filters, order, pages."""

from hub.access import Caller
from hub.messages import HubError, Request, Response, json_response
from hub.paging import page
from hub.records import FULL_LIST_FIELDS, LIST_FIELDS, check_expand, repo_record, repo_tags
from hub.repos import Catalogue, Repo
from hub.settings import Settings

SORT_KEYS = ("createdAt", "downloads", "lastModified", "likes", "trendingScore")
# Known to the Hub, not to this stand-in: refusing is better than a list that ignores what was asked for.
UNSUPPORTED = ("apps", "inference", "inference_provider", "num_parameters")


def list_repos(request: Request, caller: Caller, catalogue: Catalogue, settings: Settings, kind: str) -> Response:
    for name in UNSUPPORTED:
        if request.value(name) is not None:
            raise HubError(501, f"parameter {name} is not implemented by this hub")
    repos = [repo for repo in catalogue.all(kind) if repo.visible_to(caller.token) and _matches(request, repo)]
    rows, headers = page(request, _ordered(request, repos), _limit(request, settings))
    expand = check_expand(request.values("expand"))
    if expand:
        fields = expand
    else:
        fields = FULL_LIST_FIELDS if request.flag("full") else LIST_FIELDS
        fields += tuple(name for name in ("config", "cardData") if request.flag(name))
    return json_response([repo_record(repo, repo.main, fields) for repo in rows], headers=headers)


def _matches(request: Request, repo: Repo) -> bool:
    tags = set(repo_tags(repo))
    pipeline = repo.facts.get("pipeline_tag")
    if pipeline:
        tags.add(pipeline)
    wanted = {tag for value in request.values("filter") for tag in value.split(",") if tag}
    author, pipeline_asked, gated = (request.value(name) for name in ("author", "pipeline_tag", "gated"))
    return (all(text.lower() in repo.id.lower() for text in request.values("search"))
            and (author is None or repo.id.startswith(author + "/"))
            and wanted <= tags
            and (pipeline_asked is None or pipeline == pipeline_asked)
            and (gated is None or bool(repo.facts.get("gated")) == request.flag("gated")))


def _ordered(request: Request, repos: list[Repo]) -> list[Repo]:
    key = request.value("sort") or "trendingScore"
    if key not in SORT_KEYS:
        raise HubError(400, f"Invalid sort value {key!r}, expected one of: {', '.join(SORT_KEYS)}")
    missing = "" if key in ("createdAt", "lastModified") else 0
    repos.sort(key=lambda repo: repo.id)
    # Without a direction the Hub sorts downwards, too: current clients send none.
    repos.sort(key=lambda repo: repo.facts.get(key, missing), reverse=request.value("direction") in (None, "-1"))
    return repos


def _limit(request: Request, settings: Settings) -> int:
    text = request.value("limit")
    if text is None:
        return settings.list_page
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise HubError(400, "Invalid limit: expected a positive number")
    return min(int(text), settings.list_page)
