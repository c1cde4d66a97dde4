# SPDX-License-Identifier: Apache-2.0
"""Families of operators that move or compare integers and do not scale them: the case rows with scales drawn anew.

Nothing competes. Where input and output differ in scale, LiteRT copies without a look at it; the file is then refused,
or the integers are equal.
"""

from __future__ import annotations

import copy
import functools
from typing import Any

from tests.support import cases
from tests.support.adversary.arithmetic import Draw, Trial
from tests.support.adversary.families import family

# ``Op`` kinds whose integers are the input's, or do not come from a tensor at all (SHAPE, REDUCE_PROD of shapes).
BUILTINS = (
    "BATCH_TO_SPACE_ND", "BROADCAST_TO", "CONCATENATION", "DEPTH_TO_SPACE", "EQUAL", "EXPAND_DIMS", "GATHER",
    "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "MAXIMUM", "MINIMUM", "MIRROR_PAD", "NOT_EQUAL", "PACK",
    "PAD", "PADV2", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "RESHAPE", "RESIZE_BILINEAR",
    "RESIZE_NEAREST_NEIGHBOR", "REVERSE_V2", "SELECT", "SELECT_V2", "SHAPE", "SLICE", "SPACE_TO_BATCH_ND",
    "SPACE_TO_DEPTH", "SPLIT", "SPLIT_V", "SQUEEZE", "STRIDED_SLICE", "TILE", "TRANSPOSE", "UNPACK",
)  # fmt: skip
# Of plain numbers, whose rows are taken as they are.
PLAIN = (
    "ARG_MAX", "ARG_MIN", "CAST", "CUMSUM", "FLOOR_DIV", "FLOOR_MOD", "LOGICAL_AND", "LOGICAL_NOT", "LOGICAL_OR",
    "REDUCE_ALL", "REDUCE_ANY",
)  # fmt: skip


_UNSCALED = ("float32", "bool", "int32", "int64")


@functools.cache
def _rows(builtin: str) -> list[cases.Case]:
    return [c for c in cases.load() if c.row["op"] == builtin]


def _copied(builtin: str, draw: Draw) -> Trial:
    case = draw.pick(*_rows(builtin))
    row: dict[str, Any] = copy.deepcopy(case.row)
    if not any("shape" in spec for spec in row["inputs"]) or case.row["op"] == "SHAPE":
        return Trial(case.model(), case.inputs(3))  # arithmetic on shapes has no scale
    quant = {"scale": draw.scale(-14, 6), "zero_point": draw.zero_point()}
    shifted = draw.chance(0.1)
    for spec in [*row["inputs"], *row.get("outputs", [row.get("output", {})])]:
        if {"shape", "const", "values"} & set(spec) and spec.get("dtype", draw.name) not in _UNSCALED:
            spec |= quant
            if "shape" in spec or "const" in spec:
                spec["dtype"] = draw.name
            if shifted and "like_input" in spec:
                del spec["like_input"]
                spec["scale"] = draw.near(quant["scale"])
    made = cases.Case(case.stem, f"{case.name} {draw.rng.integers(1 << 30)}", row)
    return Trial(made.model(), made.inputs(3))


def _plain(builtin: str, draw: Draw) -> Trial:
    case = draw.pick(*_rows(builtin))
    made = cases.Case(case.stem, f"{case.name} {draw.rng.integers(1 << 30)}", case.row)
    return Trial(made.model(), made.inputs(3))


for _builtin in BUILTINS:
    family(_builtin)(functools.partial(_copied, _builtin))
for _builtin in PLAIN:
    family(_builtin, dtypes=("int8",))(functools.partial(_plain, _builtin))
