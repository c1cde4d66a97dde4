# SPDX-License-Identifier: Apache-2.0
"""Number types of the command line that are stricter than click's ranges."""

from __future__ import annotations

import math
import re
from typing import Any

import click


class Real(click.FloatRange):
    """A finite number in a range; ``nan``, which is neither below nor above anything, is none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number.

        Raises:
            click.BadParameter: none, or outside the range.
        """
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return number


_UNITS_BYTES = {"": 1, "k": 1_024, "m": 1_024**2}


# Of an address of a Cortex-M.
_MOST_BYTES = 4 * 1_024**3 - 1


class Bytes(click.IntRange):
    """A number of bytes above zero: ``20000``, ``20k`` or ``5.5 KiB``; k is 1,024."""

    name = "bytes"

    def __init__(self) -> None:
        super().__init__(min=1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number of bytes, rounded down.

        Raises:
            click.BadParameter: none, or less than one.
        """
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d{1,15}(?:\.\d{1,9})?) ?([km]?)(?:i?b)?", str(value).strip().casefold())
        count = int(float(found[1]) * _UNITS_BYTES[found[2]]) if found else 0
        if not 1 <= count <= _MOST_BYTES:
            self.fail(f"{value!r} is no number of bytes from 1 to 4095m, such as 20000 or 20k", param, ctx)
        return count


_UNITS_S = {"": 1.0, "s": 1.0, "ms": 1e-3}


class Seconds(click.FloatRange):
    """A duration above zero: ``1s``, ``250ms`` or ``0.25``."""

    name = "duration"

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number of seconds.

        Raises:
            click.BadParameter: none, or not above zero.
        """
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?) ?(ms|s|)", str(value).strip().casefold())
        seconds = float(found[1]) * _UNITS_S[found[2]] if found else 0.0
        if seconds <= 0:
            self.fail(f"{value!r} is no duration, such as 1s or 250ms", param, ctx)
        return seconds


class Megahertz(click.ParamType[int]):
    """A frequency in MHz, as a number of hertz: ``25`` or ``32.768e-3``."""

    name = "megahertz"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The frequency in hertz.

        Raises:
            click.BadParameter: none, or one that no microcontroller has.
        """
        if isinstance(value, int):
            return value
        try:
            hertz = round(float(str(value)) * 1e6)
        except (ValueError, OverflowError):
            hertz = -1
        if not 0 <= hertz <= 1_000_000_000:
            self.fail(f"{value!r} is no frequency in MHz, such as 25", param, ctx)
        return hertz
