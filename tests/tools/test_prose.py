# SPDX-License-Identifier: Apache-2.0
"""What ``tools/prose`` reads: the prose of a page and nothing of its code; spelling holds where codespell is there."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import tool

ROOT = Path(__file__).resolve().parents[2]
prose = tool.load("prose")
PAGE = """# A heading

Prose with `code` and [a
link](page.md).

```
a comand
```

| a | table |

    indented code
"""


def test_prose_is_what_is_left_without_code() -> None:
    assert prose.without_code(PAGE).split() == ["Prose", "with", "NAME0", "and", "a", "link."]


def test_every_page_and_the_help_are_read() -> None:
    pages = dict(prose.prose())
    assert {"README.md", "CHANGELOG.md", "help"} <= set(pages)
    assert len([name for name in pages if name.startswith("docs/")]) == len(
        list((ROOT / "docs").glob("*.md"))
    )
    assert "Print a completion script for SHELL." in pages["help"]


def test_spelling() -> None:
    if importlib.util.find_spec("codespell_lib") is None:
        pytest.skip("codespell is not installed: pip install codespell")
    done = subprocess.run(
        [sys.executable, "-m", "codespell_lib", *prose.SPELLED],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
