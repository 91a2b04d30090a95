"""How scripts/test counts the reports of its parts."""

import importlib.machinery
import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/test"


@pytest.fixture(scope="module")
def runner():
    loader = importlib.machinery.SourceFileLoader("run_tests", str(SCRIPT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("run_tests", loader))
    loader.exec_module(module)
    return module


PASSED = '<testcase name="a" status="run"/>'
FAILED = '<testcase name="b" status="run"><failure message="no"/></testcase>'
ERROR = '<testcase name="c"><error message="no"/></testcase>'
SKIPPED = '<testcase name="d"><skipped/></testcase>'
DISABLED = '<testcase name="e" status="notrun"/>'


@pytest.mark.parametrize("cases, exit_status, expected", [
    (PASSED + PASSED, 0, (2, 0)),
    (PASSED + FAILED, 1, (1, 1)),
    (ERROR + PASSED + FAILED, 1, (1, 2)),
    (SKIPPED + PASSED, 0, (1, 1)),
    (DISABLED + PASSED, 0, (1, 1)),
    ("", 0, (0, 1)),
    (PASSED, 1, (1, 1)),
], ids=["passed", "failure", "error", "skipped", "disabled", "no test at all", "a sanitizer's report at exit"])
def test_counts_of_a_report(runner, tmp_path, cases, exit_status, expected):
    report = tmp_path / "report.xml"
    report.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    assert runner.count(report, exit_status) == expected


def test_a_part_that_crashed_before_its_report_is_one_failure(runner, tmp_path):
    assert runner.count(tmp_path / "missing.xml", -11) == (0, 1)
    cut = tmp_path / "cut.xml"
    cut.write_text("<testsuites><testsuite><testcase name=")
    assert runner.count(cut, -11) == (0, 1)
