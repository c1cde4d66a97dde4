# SPDX-License-Identifier: Apache-2.0
"""The compilers of this machine at the levels that the generated C is tried at."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

# GCC's dump of the pass that looks for functions without effect, and what it says where it took an access for one
# through a null pointer (ascmcu/toolchain/flags.py): from there on it has not read the function.
_DUMP = "-fdump-tree-local-pure-const2-details={}"
_MISREAD = "NULL memory access"


@dataclass(frozen=True)
class Native:
    """One compiler at one level."""

    name: str
    level: str

    def __str__(self) -> str:
        return f"{self.name} {self.level}"

    @property
    def there(self) -> bool:
        """Whether this machine has it."""
        return shutil.which(self.name) is not None

    def command(self, dump: Path) -> list[str]:
        """The program, the level, and GCC's dump."""
        return [self.name, self.level, *([_DUMP.format(dump)] if self.name == "gcc" else [])]

    @staticmethod
    def misread(dump: Path) -> list[str]:
        """The functions whose effects GCC missed, as its dump tells."""
        if not dump.is_file():
            return []
        bodies = dump.read_text().split(";; Function ")[1:]
        return [body.split()[0] for body in bodies if _MISREAD in body]


DEFAULT = Native("gcc", "-O1")
QUICK = Native("gcc", "-O0")
MATRIX = tuple(Native(name, level) for name in ("gcc", "clang") for level in ("-O1", "-O2", "-O3"))


def turn(number: int) -> Native:
    """The compiler of case ``number``: each gets its part of the cases, those that are there in turn."""
    there = [native for native in MATRIX if native.there]
    return there[number % len(there)]


def needed(native: Native) -> None:
    """Skip a test whose compiler is missing, and say what to install."""
    if not native.there:
        pytest.skip(f"{native.name} is not installed: apt-get install {native.name}")
