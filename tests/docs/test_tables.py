# SPDX-License-Identifier: Apache-2.0
"""Generated tables say where they come from: the command that makes them, and the commit of the figures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(
    r"<!-- (?!end |/)([a-z ]+)(?:: ([\w/ ]+))? -->\n(.*?)<!-- (?:end of \1|end of \2|/\1|end of table) -->",
    re.DOTALL,
)


def _tables() -> dict[str, str]:
    """Blocks that hold a table; what a command prints is another's business, and an empty one is to be measured."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    found = {}
    for page in pages:
        for number, match in enumerate(_BLOCK.finditer(page.read_text())):
            if "\n| " in f"\n{match[3]}":
                found[f"{page.name} {match[1]} {match[2] or ''} {number}"] = match[3]
    return found


TABLES = _tables()


def test_generated_tables_are_found() -> None:
    assert len(TABLES) > 14 and len({name.split()[0] for name in TABLES}) > 7


@pytest.mark.parametrize("name", TABLES)
def test_a_generated_table_names_its_command_and_commit(name: str) -> None:
    table = TABLES[name]
    assert re.search(r"`tools/\w+", table)
    assert re.search(r"\b[0-9a-f]{7,12}\b|of this commit", re.sub(r"^\|.*$", "", table, flags=re.MULTILINE))
