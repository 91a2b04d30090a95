"""The stand-in engine (tests/fakes/engine) for tests that want its misbehaviour instead of a model's answers."""

import json
import os
from pathlib import Path

from service import ROOT


class FakeEngine:
    """A program for LLM_MANAGER_LLAMA_SERVER, with its script and its log."""

    def __init__(self, folder, **script):
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.program = folder / "llama-server"
        self.log_path = folder / "engine.log"
        if not self.program.exists():
            os.symlink(ROOT / "tests/fakes/engine", self.program)
        self.script(**script)

    def script(self, **script):
        """For starts from now on."""
        Path(f"{self.program}.json").write_text(json.dumps({"requests": str(self.log_path), **script}))

    @property
    def environment(self):
        return {"LLM_MANAGER_LLAMA_SERVER": str(self.program)}

    def log(self, event=None):
        if not self.log_path.exists():
            return []
        entries = [json.loads(line) for line in self.log_path.read_text().splitlines()]
        return [entry for entry in entries if event in (None, entry["event"])]
