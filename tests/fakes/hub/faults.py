"""Which requests go wrong: rules set at run time, matched request by request."""

import fnmatch
import threading
from dataclasses import dataclass

from hub.actions import Action, parse_action
from hub.messages import Request

MATCH_KEYS = frozenset({"path", "host", "method", "range", "nth", "count"})


@dataclass
class Rule:
    match: dict
    action: Action
    raw_action: dict
    seen: int = 0  # requests that fit the patterns
    hits: int = 0  # those of them that got the fault

    def applies(self, request: Request) -> bool:
        """Counts the request; must be called once for each."""
        if not self._fits(request):
            return False
        self.seen += 1
        first = self.match.get("nth", 1)
        count = self.match.get("count", 1 if "nth" in self.match else None)
        if self.seen < first or (count is not None and self.seen >= first + count):
            return False
        self.hits += 1
        return True

    def _fits(self, request: Request) -> bool:
        match = self.match
        if match.get("host", request.role) != request.role or match.get("method", request.method) != request.method:
            return False
        if not fnmatch.fnmatchcase(request.headers.get("range", ""), match.get("range", "*")):
            return False
        pattern = match.get("path", "*")
        return any(fnmatch.fnmatchcase(name, pattern) for name in (request.path, request.label) if name)

    def describe(self) -> dict:
        return {"match": self.match, "action": self.raw_action, "seen": self.seen, "hits": self.hits}


class Faults:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Rule] = []

    def add(self, specs: list[dict]) -> None:
        """All of them or, on the first malformed one, none (ValueError)."""
        rules = [_parse(spec) for spec in specs]
        with self._lock:
            self._rules += rules

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def describe(self) -> list[dict]:
        with self._lock:
            return [rule.describe() for rule in self._rules]

    def select(self, request: Request) -> list[Action]:
        with self._lock:
            return [rule.action for rule in self._rules if rule.applies(request)]


def _parse(spec: object) -> Rule:
    if not isinstance(spec, dict) or spec.keys() - {"match", "action"} or "action" not in spec:
        raise ValueError(f"a fault is {{match, action}}, not {spec!r}")
    match = spec.get("match", {})
    if unknown := match.keys() - MATCH_KEYS:
        raise ValueError(f"unknown match keys {sorted(unknown)}")
    if match.get("host") not in (None, "hub", "cdn"):
        raise ValueError("host must be hub or cdn")
    for key in ("nth", "count"):
        if key in match and (not isinstance(match[key], int) or match[key] < 1):
            raise ValueError(f"{key} must be a positive number")
    return Rule(match, parse_action(spec["action"]), spec["action"])
