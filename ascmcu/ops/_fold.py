"""Maps one column wide, folded: each row holds four steps of time side by side.

(1, H, 1, C) becomes (1, ceil(H / 4), 4, C): the same bytes, but a kernel that wants neighbouring columns finds
neighbouring moments in them, and a schedule that takes rows takes four at a time. A depthwise convolution along time
wants planes instead, (1, ceil(H / 4), C, 4): then a word is one channel at four moments. Moments behind the last are
there only to fill the row, and nothing that counts is computed from them.
"""

from __future__ import annotations

import numpy as np

from ascmcu.ir.graph import with_tensor
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops._planes import Planes

FOLD = 4
# One column of planes per moment, no padding.
TIME_PLANES = Planes(0, FOLD, FOLD)


def folded_rows(rows: int) -> int:
    """Rows of a map of ``rows`` moments once it is folded."""
    return -(-rows // FOLD)


def folded(tensor: Tensor, name: str, *, planes: bool = False) -> Tensor:
    """The type of a (1, H, 1, C) map after folding."""
    _, rows, _, channels = tensor.shape
    inner = (channels, FOLD) if planes else (FOLD, channels)
    return with_tensor(tensor, name=name, shape=(1, folded_rows(rows), *inner), source_index=-1)


def fold(array: Array) -> Array:
    """(1, H, 1, C) → (1, ceil(H / 4), 4, C), the last moment repeated to fill the row."""
    _, rows, _, channels = array.shape
    filled = np.pad(array, ((0, 0), (0, -rows % FOLD), (0, 0), (0, 0)), mode="edge")
    return filled.reshape(1, folded_rows(rows), FOLD, channels)


def unfold(array: Array, rows: int) -> Array:
    """(1, G, 4, C) → its first ``rows`` moments, (1, rows, 1, C)."""
    _, _, _, channels = array.shape
    return array.reshape(1, -1, 1, channels)[:, :rows]
