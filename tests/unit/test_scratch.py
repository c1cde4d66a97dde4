# SPDX-License-Identifier: Apache-2.0
"""Scratch folders: what a dead process left is cleared, what anybody else has is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ascmcu import scratch

LEAVES = """
import os, sys
from pathlib import Path
from ascmcu import scratch
with scratch.folder(Path(sys.argv[1]) if len(sys.argv) > 1 else None) as made:
    (made / "half").write_text("x")
    print(made, flush=True)
    os._exit(9)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's temporary folder, here and in children."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def _left(*arguments: str) -> Path:
    """The folder of a process that died within its context."""
    died = subprocess.run(
        [sys.executable, "-c", LEAVES, *arguments], capture_output=True, text=True, check=False
    )
    assert died.returncode == 9, died.stderr
    return Path(died.stdout.strip())


def test_what_a_dead_process_left_is_cleared(temporary: Path) -> None:
    left = _left()
    assert left.parent == temporary and (left / "half").is_file()
    with scratch.folder() as made:
        assert not left.exists() and made.is_dir()
    assert not made.exists()


def test_a_living_one_and_anything_else_stay(temporary: Path) -> None:
    """Caches, folders of tests, of other programs and of earlier versions are nobody's scratch."""
    others = [
        temporary / name for name in ("ascmcu-0", "ascmcu-1000", "ascmcu-mutate-ab12", "ascmcu-x1", "scratch")
    ]
    for other in others:
        other.mkdir()
        (other / "kept").write_text("x")
    with scratch.folder() as first, scratch.folder() as second:
        assert first.is_dir() and second.is_dir() and first != second
    assert all((other / "kept").is_file() for other in others)


def test_beside_a_target_only_its_own_are_cleared(temporary: Path) -> None:
    left, other = _left(str(temporary / "build")), _left(str(temporary / "build2"))
    assert left.name.startswith(".build-ascmcu-")
    with scratch.folder(temporary / "build") as made:
        assert made.parent == temporary and not left.exists() and other.exists()


def test_what_a_dead_process_moved_away_comes_back(temporary: Path) -> None:
    target = temporary / "build"
    left = _left(str(target))
    (left / scratch.PREVIOUS).mkdir()
    (left / scratch.PREVIOUS / "manifest.json").write_text("{}")
    with scratch.folder(target):
        assert (target / "manifest.json").is_file() and not left.exists()
