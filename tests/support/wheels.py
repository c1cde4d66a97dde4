# SPDX-License-Identifier: Apache-2.0
"""The project's wheel, as a stranger gets it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("templates", "boards", "firmware")


def build(scratch: Path) -> Path:
    """The wheel, in ``scratch``; built from a copy of the sources, so that nothing is written beside them."""
    source = scratch / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("ascmcu", "tools", *FOLDERS):
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    # A module of an earlier build in the same folder must not get in.
    stale = source / ".cache" / "package" / "lib" / "ascmcu" / "gone.py"
    stale.parent.mkdir(parents=True)
    stale.touch()
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-build-isolation",
        "--no-deps",
        "--no-index",
    ]
    done = subprocess.run([*command, "-w", str(scratch), str(source)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (source / "build").exists(), "build/ is for exports"
    (made,) = scratch.glob("ascmcu-*.whl")
    return made
