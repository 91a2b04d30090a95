"""Fixed-window rate limits per client, as the Hub counts them."""

import math
import threading
import time

from hub.messages import HubError, Request
from hub.settings import Settings

# Requests a window: (anonymous, with a token of a free account). Source: the Hub's documentation of rate limits.
DEFAULT_QUOTAS = {"api": (500, 1000), "resolvers": (3000, 5000), "pages": (100, 200)}


class RateLimiter:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}  # (bucket, client) -> (end, requests so far)

    def count(self, request: Request) -> dict[str, str]:
        """Counts one request; returns the headers that every answer carries, raises 429 when the window is used up."""
        bucket = _bucket(request.segments)
        token = request.headers.get("authorization")
        quota = self._settings.quotas.get(bucket, DEFAULT_QUOTAS[bucket][1 if token else 0])
        window = self._settings.window
        now = time.monotonic()
        with self._lock:
            end, used = self._windows.get((bucket, token or request.client), (0.0, 0))
            if now >= end:
                end, used = now + window, 0
            self._windows[bucket, token or request.client] = end, used + 1
        wait = math.ceil(end - now)
        headers = {
            "RateLimit": f'"{bucket}";r={max(0, quota - used - 1)};t={wait}',
            "RateLimit-Policy": f'"fixed window";"{bucket}";q={quota};w={window}',
        }
        if used >= quota:
            raise HubError(429, "Rate limit exceeded, try again later.", headers=headers | {"Retry-After": str(wait)})
        return headers

    def reset(self) -> None:
        with self._lock:
            self._windows.clear()


def _bucket(segments: list[str]) -> str:
    if "resolve" in segments or segments[:2] == ["api", "resolve-cache"]:
        return "resolvers"
    return "api" if segments[0] == "api" else "pages"
