# SPDX-License-Identifier: Apache-2.0
"""Lint, layout and strict types: what tools/check runs, as tests."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "command",
    [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]],
    ids=["lint", "format", "types"],
)
def test_the_tree_is_clean(command: list[str], tmp_path: Path) -> None:
    cache = ["--cache-dir", str(tmp_path)] if command[0] == "ruff" else []
    done = subprocess.run(
        [sys.executable, "-m", *command, *cache], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def _without_encoding(path: Path) -> list[str]:
    """Calls that read or write text in the locale's encoding, whatever that is."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        given = {keyword.arg for keyword in node.keywords}
        modes = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        text = {
            "read_text": not node.args,
            "write_text": True,
            "open": any(mode in ("r", "w", "a", "x") for mode in modes),
            "run": "text" in given,
            "Popen": "text" in given,
        }.get(node.func.attr, False)
        if text and "encoding" not in given:
            found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node.func)}")
    return found


def test_text_is_utf8_in_any_locale() -> None:
    assert [
        call for path in sorted((ROOT / "ascmcu").rglob("*.py")) for call in _without_encoding(path)
    ] == []
