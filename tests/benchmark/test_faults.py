# SPDX-License-Identifier: Apache-2.0
"""A slice of what tools/link_faults measures: a link with every fault, and not one clip scored wrongly."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
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


def test_a_compiler_without_its_sanitizers_is_told(tmp_path: Path) -> None:
    """What is to be installed, and status 2: nothing was fuzzed. Without a compiler of either kind as well."""
    lacks = "echo '/usr/bin/ld: cannot find /usr/lib/libclang_rt.fuzzer-x86_64.a: No such file' >&2; exit 1"
    command = [sys.executable, str(ROOT / "tools" / "fuzz_frames"), "--runs", "10"]
    for path, expected in (
        (tmp_path, ("libclang-rt-14-dev", "libgcc-12-dev")),
        (tmp_path / "none", ("no compiler",)),
    ):
        path.mkdir(exist_ok=True)
        if path == tmp_path:
            for name, version in (
                ("clang", "Debian clang version 14.0.6"),
                ("gcc", "gcc (Debian 12.2.0) 12.2.0"),
            ):
                (path / name).write_text(
                    f'#!/bin/sh\n[ "$1" = --version ] && echo "{version}" && exit 0\n{lacks}\n'
                )
                (path / name).chmod(0o755)
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, "PATH": str(path)}
        )
        assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
        for part in expected:
            assert part in done.stderr
