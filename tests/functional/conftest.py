"""Fixtures of the black-box tests."""

import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from service import ROOT, Service  # noqa: E402

from hub_process import HubProcess  # noqa: E402


NOT_RUN = {}


def pytest_configure(config):
    config.addinivalue_line("markers", "needs(what, reason, ci=True): not run where there is a reason why this is not here; in CI only with ci=False")


def pytest_collection_modifyitems(config, items):
    """Tests whose need is not met are left out and counted aloud; in CI they run, and fail."""
    out = []
    for item in items:
        for marker in item.iter_markers("needs"):
            what, reason = marker.args
            if reason and (os.environ.get("CI") != "true" or not marker.kwargs.get("ci", True)):
                out.append(item)
                NOT_RUN.setdefault((what, reason), []).append(item)
    config.hook.pytest_deselected(items=out)
    items[:] = [item for item in items if item not in out]


def pytest_terminal_summary(terminalreporter):
    for (what, reason), items in NOT_RUN.items():
        terminalreporter.write_line(f"{len(items)} tests that need {what} were not run: {reason}")


@pytest.fixture
def make_service(tmp_path):
    started = []

    def make(name="home", **environment):
        service = Service(tmp_path / name, **environment)
        started.append(service)
        return service

    yield make
    for service in started:
        service.stop()


@pytest.fixture
def service(make_service):
    return make_service()


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory):
    """For tests that change nothing."""
    service = Service(tmp_path_factory.mktemp("shared") / "home", LLM_MANAGER_SERVER_HEAD_TIMEOUT_SECONDS="1",
                      LLM_MANAGER_SERVER_BODY_TIMEOUT_SECONDS="1")
    yield service
    service.stop()


@pytest.fixture
def hub(tmp_path):
    """A hub with the demo model as acme/tiny-GGUF, a gated, a private, an empty and a formatless repository."""
    root = tmp_path / "hub"
    tiny = root / "acme/tiny-GGUF"
    tiny.mkdir(parents=True)
    shutil.copy(ROOT / "share/demo/tiny-chat.q8_0.gguf", tiny / "tiny-chat-Q8_0.gguf")
    (tiny / "README.md").write_text("# Tiny\n")
    (tiny / "repo.json").write_text('{"tags": ["gguf"], "downloads": 10, "pipeline_tag": "text-generation"}')
    split = root / "acme/split-GGUF"
    split.mkdir(parents=True)
    for part in (ROOT / "tests/data/tiny-model/gguf-split").glob("*.gguf"):
        shutil.copy(part, split / part.name)
    shutil.copytree(ROOT / "tests/data/tiny-model/hf-repo-sharded", root / "acme/sharded")
    for name, spec, files in (("gated", '{"gated": "manual"}', {"m-Q8_0.gguf": b"GGUF"}),
                              ("private", '{"private": true}', {"m-Q8_0.gguf": b"GGUF"}),
                              ("empty", "{}", {}), ("formatless", "{}", {"README.md": b"nothing to run"}),
                              ("html", "{}", {"m-Q8_0.gguf": b"<!DOCTYPE html><html>log in</html>" * 50})):
        folder = root / "acme" / name
        folder.mkdir(parents=True)
        (folder / "repo.json").write_text(spec)
        for path, content in files.items():
            (folder / path).write_bytes(content)
    process = HubProcess("--root", str(root))
    yield process
    process.stop()
