# SPDX-License-Identifier: Apache-2.0
"""Small HTML cards: how a plan or a result shows itself in a notebook."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.jinja import render


@dataclass(frozen=True)
class Row:
    """A line of a card's table: its cells, the first a name, and the share of the whole that its bar shows."""

    cells: tuple[str, ...]
    percent: float | None = None


@dataclass(frozen=True)
class Card:
    """A heading, figures with their names, a table (none without ``head``), and a note.

    The table's first ``texts`` columns are words, the others figures.
    """

    title: str
    figures: tuple[tuple[str, str], ...]
    head: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    note: str = ""
    texts: int = 1

    def html(self) -> str:
        """The card as a piece of a page: it brings its style along, and takes the page's colours."""
        return render("card.html.j2", card=self)
