# SPDX-License-Identifier: Apache-2.0
"""The page on recordings has every kind of finding, as the program tells it."""

from __future__ import annotations

import re
from pathlib import Path

from ascmcu.data.found import KINDS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "recordings.md"


def test_the_page_has_every_kind() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    assert rows == [(name, kind.severity, kind.title) for name, kind in KINDS.items()]
