"""What the benchmarks share: ports, patience, and where raw figures are kept."""
import ctypes
import datetime
import json
import mmap
import os
import pathlib
import socket
import sys
import time

RESULTS = pathlib.Path(__file__).resolve().parent / "results"

sys.path.insert(0, str(RESULTS.parents[1] / "tests" / "support"))
from ports import free_port  # noqa: E402, F401


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until(condition, what, patience=60.0, pause=0.05):
    """The first true value of the condition."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(pause)
    sys.exit(f"bench: not within {patience:.0f} s: {what}")


def keep(report, what, save=None):
    """Writes results/<date>-<what>-<save>.json, or below results/local/."""
    folder = RESULTS if save else RESULTS / "local"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{datetime.date.today()}-{what}{'-' + save if save else ''}.json"
    text = json.dumps({**report, "measurements": []}, indent=1)
    # One measurement a line: a reader can follow them, and a difference shows.
    lines = ",\n  ".join(json.dumps(measurement) for measurement in report.get("measurements", []))
    path.write_text(text.replace('"measurements": []', f'"measurements": [\n  {lines}\n ]') + "\n")
    return path


def settle(size):
    """So that nobody pays for who came before, or for being first: writes what is still unwritten, and makes the host of a
    virtual machine give memory for so many bytes."""
    os.sync()
    with mmap.mmap(-1, size) as memory:
        view = ctypes.c_char.from_buffer(memory)
        ctypes.memset(ctypes.addressof(view), 1, size)
        del view
