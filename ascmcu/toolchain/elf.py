# SPDX-License-Identifier: Apache-2.0
"""Read ELF files of unknown origin; any defect becomes one message."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from pathlib import Path

from elftools.common.exceptions import ELFError

from ascmcu.errors import InputError, why

# What pyelftools raises when a header points anywhere.
BROKEN = (
    ELFError, OSError, ValueError, KeyError, IndexError, AttributeError, TypeError, OverflowError, MemoryError,
    RecursionError, struct.error,
)  # fmt: skip


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Read an ELF file inside; nothing but reading belongs there.

    Raises:
        InputError: it is none, or a damaged one.
    """
    try:
        yield
    except BROKEN as error:
        hint = "the file is cut short; copy or build it again" if "past EOF" in str(error) else None
        raise InputError("not a readable ELF file", where=str(path), found=why(error), hint=hint) from error
