"""How much the peers ask for at once: what faults that begin with a certain load go by."""

import threading


class Load:
    """Exchanges in work and bytes sent, by key."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, int] = {}
        self._sent: dict[str, int] = {}

    def enter(self, key: str) -> int:
        """Answers how many are in work now, this one included."""
        with self._lock:
            self._open[key] = self._open.get(key, 0) + 1
            return self._open[key]

    def leave(self, key: str) -> None:
        with self._lock:
            self._open[key] -= 1

    def count(self, key: str) -> int:
        with self._lock:
            return self._open.get(key, 0)

    def add(self, key: str, count: int) -> int:
        with self._lock:
            self._sent[key] = self._sent.get(key, 0) + count
            return self._sent[key]
