# SPDX-License-Identifier: Apache-2.0
"""Number types of the command line that are stricter than click's ranges."""

from __future__ import annotations

from typing import Any

import click


class Real(click.FloatRange):
    """A real number in a range; ``nan``, which is neither below nor above anything, is none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number.

        Raises:
            click.BadParameter: none, or outside the range.
        """
        number = super().convert(value, param, ctx)
        if number != number:
            self.fail(f"{value!r} is not a number", param, ctx)
        return number
