"""The mock upstream of the benchmark as the engine of a service: what happened to each request, by its name."""

import os
import subprocess
import time
from pathlib import Path

from service import ROOT

SOURCE = ROOT / "bench/gateway/mock_upstream.cpp"
PROGRAM = ROOT / "build/mock-upstream"


def build():
    """Compiles it when that was not done since it changed."""
    if not PROGRAM.exists() or PROGRAM.stat().st_mtime < SOURCE.stat().st_mtime:
        PROGRAM.parent.mkdir(exist_ok=True)
        partial = PROGRAM.with_suffix(f".{os.getpid()}")
        subprocess.run(["clang++-19", "-std=c++23", "-O2", SOURCE, "-o", partial], check=True, timeout=300)
        partial.rename(PROGRAM)
    return PROGRAM


class Log:
    def __init__(self, path):
        self.path = Path(path)

    def events(self):
        """{name: {event: seconds of the monotonic clock}}"""
        found = {}
        for line in self.path.read_text().splitlines() if self.path.exists() else ():
            event, name, at = line.split()
            found.setdefault(name, {})[event] = int(at) / 1e9
        return found

    def wait(self, name, event, seconds):
        """When it happened, or None."""
        end = time.monotonic() + seconds
        while True:
            at = self.events().get(name, {}).get(event)
            if at is not None or time.monotonic() > end:
                return at
            time.sleep(0.002)
