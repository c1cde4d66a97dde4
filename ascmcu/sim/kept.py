# SPDX-License-Identifier: Apache-2.0
"""Analysed blocks, kept between runs in the user's cache: a program that was simulated once starts at full speed.

A file is of one program and one set of rules: its name is a hash of the ELF and of the sources that say what a block
is and costs. One that cannot be read counts as absent, and the oldest go when there are many.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import capstone

from ascmcu import paths
from ascmcu.m4.timing import State
from ascmcu.sim.blocks import Block

# Where a block starts, its bytes, and the state in which it is entered.
Key = tuple[int, int, State]
MOST_FILES = 64
LEAST_BLOCKS = 100  # fewer are found again as fast as they are read
_RULES = (
    "m4/instruction.py", "m4/fetch.py", "m4/timing.py", "m4/costs.py", "sim/decode.py", "sim/blocks.py", "sim/kept.py",
)  # fmt: skip


@cache
def _rules_sha256() -> str:
    digest = hashlib.sha256(f"{capstone.__version__} {sys.version}".encode())
    for name in _RULES:
        digest.update((Path(__file__).parents[1] / name).read_bytes())
    return digest.hexdigest()


def file_of(elf: Path) -> Path:
    """Where a program's blocks are kept."""
    digest = hashlib.sha256(_rules_sha256().encode() + elf.read_bytes())
    return paths.cache() / "blocks" / digest.hexdigest()[:32]


def load(file: Path) -> dict[Key, Block]:
    """The blocks that are kept; none where there is no such file, or none that can be read."""
    try:
        with file.open("rb") as source:
            found = pickle.load(source)
    except Exception:  # whatever a damaged file makes of itself
        return {}
    return found if isinstance(found, dict) else {}


def save(file: Path, blocks: Mapping[Key, Block]) -> None:
    """Keep blocks, whole or not at all; a cache that cannot be written is done without."""
    if len(blocks) < LEAST_BLOCKS:
        return
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as target:
                pickle.dump(dict(blocks), target, pickle.HIGHEST_PROTOCOL)
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)
        kept = sorted(file.parent.iterdir(), key=lambda path: path.stat().st_mtime)
        for old in kept[:-MOST_FILES]:
            old.unlink(missing_ok=True)
