# SPDX-License-Identifier: Apache-2.0
"""Numbers of the command line: bytes with a unit, and reals that are finite."""

from __future__ import annotations

import ast
from pathlib import Path

import click
import pytest

from ascmcu import cli
from ascmcu.cli.numbers import Bytes, Real


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("1", 1), ("20000", 20_000), ("20k", 20_480), ("20K", 20_480), ("20 kB", 20_480), ("5.5KiB", 5_632),
        ("1M", 1_048_576), ("4095m", 4095 << 20), ("0.001k", 1), (" 7b ", 7),
    ],
)  # fmt: skip
def test_bytes(text: str, count: int) -> None:
    assert Bytes().convert(text, None, None) == count


@pytest.mark.parametrize(
    "text",
    ["", "0", "0.0001k", "-1", "k", "1g", "4096m", "9999999m", "1 2", "1e3", "nan", "9" * 400, "0x10", "1.k"],
)
def test_no_bytes(text: str) -> None:
    with pytest.raises(click.BadParameter, match="no number of bytes from 1 to 4095m"):
        Bytes().convert(text, None, None)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e400", "x", "-1"])
def test_no_real(text: str) -> None:
    with pytest.raises(click.BadParameter):
        Real(min=0).convert(text, None, None)


def test_no_option_takes_what_is_no_number() -> None:
    """click's own float types take ``nan`` and ``inf``."""
    verbs = sorted(Path(cli.__file__).parent.glob("*.py"))
    assert len(verbs) > 20
    for path in verbs:
        for call in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
            types = [ast.unparse(word.value) for word in call.keywords if word.arg == "type"]
            assert not any(kind in ("float", "click.FLOAT") or "FloatRange(" in kind for kind in types), path
