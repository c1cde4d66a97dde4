# SPDX-License-Identifier: Apache-2.0
"""Options of the whole test suite."""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.snapshots import Snapshot, Snapshots

# The same examples every time, however slow the machine is.
settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")

# A warning of a compiler is an error here; it is not for a user (ascmcu/toolchain/gcc.py).
os.environ["ASCMCU_STRICT"] = "1"

# A shell that runs the suite in the background has it ignore Ctrl-C, and so would every program that a test interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-goldens", action="store_true", help="write golden files anew instead of comparing"
    )
    parser.addoption(
        "--inputs", type=int, default=4, help="inputs per published model in the tests that take long"
    )
    parser.addoption("--op", help="only this operator's case rows in the program of the emulated core")
    parser.addoption("--strict-skips", action="store_true", help="a test that is skipped fails the run")


@pytest.fixture
def update_goldens(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be written."""
    return bool(request.config.getoption("--update-goldens"))


@pytest.fixture
def snapshot(request: pytest.FixtureRequest, update_goldens: bool, tmp_path: Path) -> Snapshot:
    """Compare a text with ``snapshots/<name>.txt`` beside the test; ``--update-goldens`` writes it anew."""
    return Snapshots(request.path.parent / "snapshots", tmp_path, update_goldens)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fuzzing comes last: what it would find is seldom, and the rest answers sooner."""
    items.sort(key=lambda item: "tests/fuzz/" in item.nodeid)


def _skipped(reporter: pytest.TerminalReporter) -> dict[str, list[str]]:
    """The tests that were skipped, by reason."""
    found = defaultdict(list)
    for report in reporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        found[reason.removeprefix("Skipped: ")].append(report.nodeid)
    return found


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what did not run: a green run without the models says nothing of them."""
    skipped = _skipped(terminalreporter)
    if skipped:
        terminalreporter.section("not run")
    for reason, names in sorted(skipped.items()):
        terminalreporter.write_line(f"{len(names)} × {reason}")
        for name in sorted({name.partition("[")[0] for name in names}):
            terminalreporter.write_line(f"    {name}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """With ``--strict-skips`` what was skipped fails the run (on the controller, which has all reports)."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if session.config.getoption("--strict-skips") and reporter is not None and _skipped(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
