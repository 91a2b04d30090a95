"""tools/check-levels on made-up source trees."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def check(tmp_path):
    """Writes a tree {path: included names} and returns the checker's exit status and lines."""

    def run(tree):
        for path, included in tree.items():
            file = tmp_path / "src" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("".join(f"#include {name}\n" for name in included))
        done = subprocess.run(
            [sys.executable, ROOT / "tools/check-levels", "--src", tmp_path / "src"],
            capture_output=True, text=True, check=False)
        assert done.stderr == ""
        return done.returncode, done.stdout.splitlines()

    return run


def test_a_tree_that_keeps_every_rule_passes(check):
    assert check({
        "main.cpp": ['"app/app.hpp"'],
        "app/app.hpp": ['"features/chat/chat_service.hpp"', '"http/server.hpp"', '"storage/database.hpp"'],
        "features/chat/chat_service.hpp": ['"features/models/model_service.hpp"', '"base/error.hpp"', "<vector>"],
        "features/chat/chat_routes.cpp": ['"http/server.hpp"', "<boost/json.hpp>"],
        "features/models/model_service.hpp": ['"features/models/model_store.hpp"'],
        "features/models/model_store.hpp": ['"storage/database.hpp"'],
        "features/models/model_service_test.cpp": ['"storage/database.hpp"', "<boost/json.hpp>"],
        "features/models/model_json.cpp": ["<boost/json/value.hpp>"],
        "http/server.hpp": ['"base/json.hpp"', "<boost/json.hpp>"],
        "storage/database.hpp": ['"base/error.hpp"'],
        "integrations/huggingface/client.cpp": ["<boost/json.hpp>"],
        "base/json.hpp": ["<boost/json.hpp>"],
        "base/error.hpp": [],
    }) == (0, ["check-levels: no violation"])


@pytest.mark.parametrize("path, included, complaint", [
    ("base/a.hpp", "http/b.hpp", "base may not include http (http/b.hpp)"),
    ("http/a.hpp", "storage/b.hpp", "http may not include storage (storage/b.hpp)"),
    ("integrations/docker/a.hpp", "storage/b.hpp", "integrations may not include storage (storage/b.hpp)"),
    ("features/models/a.hpp", "features/tasks/b.hpp",
     "features/models may not include features/tasks (features/tasks/b.hpp)"),
    ("features/downloads/a.hpp", "features/chat/b.hpp",
     "features/downloads may not include features/chat (features/chat/b.hpp)"),
    ("features/chat/a_test.cpp", "features/gateway/b.hpp",
     "features/chat may not include features/gateway (features/gateway/b.hpp)"),
    ("features/chat/chat_service.cpp", "http/b.hpp", "only *_routes may include http/"),
    ("features/chat/chat_service.cpp", "storage/database.hpp", "only *_store may include storage/database"),
])
def test_a_forbidden_include_is_named_with_its_line(check, path, included, complaint):
    status, lines = check({path: ["<vector>", f'"{included}"'], included: []})
    assert (status, lines) == (1, [f"{path}:2: {complaint}"])


@pytest.mark.parametrize("path", ["features/chat/chat_service.cpp", "storage/blob.cpp"])
@pytest.mark.parametrize("header", ["<boost/json.hpp>", "<boost/json/parse.hpp>"])
def test_the_json_library_stays_at_the_rim(check, path, header):
    status, lines = check({path: [header]})
    assert status == 1
    assert lines == [f"{path}:1: the JSON library belongs in base/, *_json, *_routes, http/, integrations/ and app/"]


@pytest.mark.parametrize("code, complains", [
    ("boost::json::value value;", True),
    ("// boost::json would be slower here", False),
    ("my_boost::json value;", False),
])
def test_the_json_library_is_found_by_name_too(tmp_path, check, code, complains):
    file = tmp_path / "src/storage/log.cpp"
    file.parent.mkdir(parents=True)
    file.write_text(code + "\n")
    status, lines = check({"base/pch.hpp": ["<boost/json.hpp>"]})
    assert status == complains
    assert (lines[0].split(":")[:2] == ["storage/log.cpp", "1"]) == complains


def test_a_name_beside_the_including_file_counts_as_that_file(check):
    status, lines = check({"base/net/a.hpp": ['"b.hpp"'], "base/net/b.hpp": ['"a.hpp"']})
    assert status == 1
    assert lines == ["base/net/a.hpp: include loop: base/net/a.hpp -> base/net/b.hpp -> base/net/a.hpp"]


def test_a_longer_loop_is_shown_without_the_way_into_it(check):
    status, lines = check({
        "base/entry.hpp": ['"base/one.hpp"'],
        "base/one.hpp": ['"base/two.hpp"'],
        "base/two.hpp": ['"base/three.hpp"'],
        "base/three.hpp": ['"base/one.hpp"'],
    })
    assert status == 1
    assert lines == ["base/one.hpp: include loop: base/one.hpp -> base/two.hpp -> base/three.hpp -> base/one.hpp"]


def test_a_folder_that_has_no_level_is_refused(check):
    status, lines = check({"util/a.hpp": [], "features/misc/b.hpp": []})
    assert status == 1
    assert lines == ["features/misc/b.hpp: is in no folder of the levels", "util/a.hpp: is in no folder of the levels"]


def test_the_gateway_speaks_http_and_json_everywhere_and_sql_in_its_store_only(check):
    status, lines = check({
        "http/exchange.hpp": [], "storage/database.hpp": [],
        "features/gateway/gateway_service.cpp": ['"http/exchange.hpp"', "<boost/json.hpp>"],
        "features/gateway/model_directory.cpp": ['"storage/database.hpp"'],
        "features/chat/chat_service.cpp": ['"http/exchange.hpp"'],
    })
    assert status == 1
    assert [line.split(":")[0] for line in lines] == ["features/chat/chat_service.cpp", "features/gateway/model_directory.cpp"]
