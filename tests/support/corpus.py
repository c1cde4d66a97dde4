# SPDX-License-Identifier: Apache-2.0
"""Small models that between them take every branch of the templates."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.support import cases, recipes_flat, recurrent_graphs
from tests.support.cases import Case
from tests.support.recipes import Recipe
from tests.support.step_models import ring, sums

_TESTS = Path(__file__).resolve().parents[1]
VARIANTS: dict[str, Any] = tomllib.loads((_TESTS / "toolchain" / "variants.toml").read_text())

_RECURRENT_SEEDS = range(24)


def models() -> Iterator[tuple[str, bytes]]:
    """Name and ``.tflite``: all case rows, what fuzzing found, and the rows that are there for a branch."""
    yield from ((case.id, case.model()) for case in cases.load())
    found = tomllib.loads((_TESTS / "fuzz" / "found.toml").read_text())["graph"]
    for row in (*(row for row in found if row["source"] == "flat"), *VARIANTS["graph"]):
        yield f"graph {row['name']}", recipes_flat.make(Recipe.from_row(row))
    yield "state", ring(np.full((1, 3, 1, 4), -128, np.int8))
    yield "state of many rows", sums((1, 200, 1, 4), 9)
    yield "state with initial values", ring(np.arange(12, dtype=np.int8).reshape(1, 3, 1, 4))
    for seed in _RECURRENT_SEEDS:
        yield f"recurrent {seed}", recurrent_graphs.draw(seed).data
    yield from ((case.id, case.model()) for case in cases.floats() if "LSTM" in case.row["op"])
    for row in VARIANTS["float"]:
        yield from _float_formats(f"{row['op']}, {row['name']}", Case("float", row["name"], row).model())


def _float_formats(name: str, plain: bytes) -> Iterator[tuple[str, bytes]]:
    from ascmcu.errors import ModelError
    from ascmcu.quantize import formats

    yield f"float {name}", plain
    for format in (formats.fp16, formats.dynamic):
        try:
            yield f"{format.__name__} {name}", format(plain)
        except ModelError:  # no weights
            continue
