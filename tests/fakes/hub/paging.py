"""Pages behind opaque cursors, linked by an absolute `Link: <url>; rel="next"`."""

import base64
import json
from urllib.parse import urlencode

from hub.messages import HubError, Request


def page(request: Request, rows: list, size: int) -> tuple[list, dict[str, str]]:
    """The rows of the page that the request's cursor names, and the headers that lead on."""
    start = _decode(request.value("cursor"))
    end = start + size
    if end >= len(rows):
        return rows[start:end], {}
    query = [(key, value) for key, value in request.query if key != "cursor"] + [("cursor", _encode(end))]
    return rows[start:end], {"Link": f'<{request.base_url()}{request.raw_path}?{urlencode(query)}>; rel="next"'}


def _encode(position: int) -> str:
    return base64.urlsafe_b64encode(json.dumps({"$gt": position}).encode()).decode()


def _decode(cursor: str | None) -> int:
    if cursor is None:
        return 0
    try:
        return int(json.loads(base64.urlsafe_b64decode(cursor))["$gt"])
    except (ValueError, KeyError, TypeError):
        raise HubError(400, "Invalid cursor") from None
