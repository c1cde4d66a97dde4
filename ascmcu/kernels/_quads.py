# SPDX-License-Identifier: Apache-2.0
"""int8 weights by fours for products with int16 vectors: SXTB16 widens them, SMLAD multiplies."""

from __future__ import annotations

import numpy as np

from ascmcu.ir.types import Array

QUAD = 4
# Where a word's bytes come from, so that SXTB16 gives neighbours: bytes 0 and 2, then 1 and 3.
_ORDER = (0, 2, 1, 3)


def interleaved(weights: Array, groups: int) -> Array:
    """(groups × rows, taps) as words: row by row, quad by quad, group by group; taps that fill are zero."""
    taps = weights.shape[1]
    filled = np.zeros((len(weights), -(-taps // QUAD) * QUAD), np.int8)
    filled[:, :taps] = weights
    quads = filled.reshape(groups, -1, filled.shape[1] // QUAD, QUAD)[..., _ORDER]
    return np.ascontiguousarray(quads.transpose(1, 2, 0, 3)).view("<i4").reshape(-1).astype(np.int32)
