"""A slice of what tools/link_faults measures: a link with every fault, and not one clip scored wrongly."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest

from tests.support.faulty import KINDS

ROOT = Path(__file__).resolve().parents[2]


def _tool(name: str) -> types.ModuleType:
    loader = importlib.machinery.SourceFileLoader(name, str(ROOT / "tools" / name))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_every_fault_and_no_wrong_score() -> None:
    report = _tool("link_faults").measure(frames=300, rate=0.02, seed=4)
    assert report["clips_scored_wrongly"] == 0
    assert report["clips_scored"] >= 40
    assert set(report["faults"]) == set(KINDS)
    assert sum(report["faults"].values()) > 20, "the test must have disturbed something"
    assert report["interrupted_and_resumed"] > 0
    assert report["longest_run_s"] < 60


@pytest.mark.parametrize("what", ["decoder", "protocol"])
def test_the_frame_fuzzer_finds_nothing_in_a_short_run(what: str) -> None:
    if not shutil.which("gcc"):
        pytest.skip("no compiler")
    command = [sys.executable, str(ROOT / "tools" / "fuzz_frames"), "--what", what, "--runs", "2000"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"findings": 0' in done.stdout
