# SPDX-License-Identifier: Apache-2.0
"""Where a stored result comes from, for the line below each table in the documentation."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def origin(*results: Path, command: str) -> str:
    """The command, and the commit and date of the results; of files that are not committed yet, the commit they came
    from."""
    paths = [str(path.resolve().relative_to(ROOT)) for path in results]
    changed = _git("status", "--porcelain", "--", *paths)
    commit, date = _git("log", "-1", "--format=%h %as", *([] if changed else ["--", *paths])).split()
    told = "measured at" if changed else "stored in"
    return f"By `{command}`, {told} commit {commit} ({date})."


def commit() -> str:
    """The commit of the sources, short."""
    return _git("log", "-1", "--format=%h")


def _git(*words: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()
