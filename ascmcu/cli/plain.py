# SPDX-License-Identifier: Apache-2.0
"""Output in any encoding: what a terminal or pipe cannot show is written in the letters that it can."""

from __future__ import annotations

import codecs
import io
import sys
import unicodedata

_NAME = "ascmcu-plain"
_ALIKE = {
    "→": "->", "←": "<-", "≤": "<=", "≥": ">=", "≈": "~", "±": "+/-", "−": "-", "–": "-", "—": "-", "·": ".", "×": "x",
    "…": "...", "µ": "u", "Ω": "Ohm", "Σ": "sum", "✓": "+", "✗": "x", "✅": "[kept]", "❌": "[broken]", "°": " deg ",
    "’": "'", "‘": "'", "“": '"', "”": '"', "─": "-", "━": "-", "│": "|", "█": "#",
}  # fmt: skip


def install() -> None:
    """Let standard output and standard error take every letter."""
    codecs.register_error(_NAME, _alike)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_NAME)


def _alike(error: UnicodeError) -> tuple[str, int]:
    """For ``codecs``: letters in place of those that an encoding lacks, and where to go on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plain, error.object[error.start : error.end])), error.end


def _plain(letter: str) -> str:
    known = _ALIKE.get(letter)
    if known is not None:
        return known
    bare = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
    return bare or "?"
