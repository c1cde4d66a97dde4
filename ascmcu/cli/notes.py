# SPDX-License-Identifier: Apache-2.0
"""Notices that a verb prints as soon as they are known."""

from __future__ import annotations

import click


class Notes:
    """Prints each notice to standard error; ``told`` are those printed so far."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def __call__(self, text: str) -> None:
        click.echo(f"note: {text}", err=True)
        self.told.append(text)
