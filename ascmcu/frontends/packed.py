# SPDX-License-Identifier: Apache-2.0
"""Constants that a file holds in fewer bytes than their elements take: 4-bit integers and sparse tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tflite

from ascmcu.ir.types import Array

_VECTORS = {
    tflite.SparseIndexVector.Int32Vector: tflite.Int32Vector,
    tflite.SparseIndexVector.Uint16Vector: tflite.Uint16Vector,
    tflite.SparseIndexVector.Uint8Vector: tflite.Uint8Vector,
}


def nibbles(buffer: Array, elements: int) -> Array:
    """4-bit integers as int8: the lower half of a byte is the earlier element (tflite UnpackDenseInt4IntoInt8).

    Raises:
        ValueError: there are not as many.
    """
    if len(buffer) != (elements + 1) // 2:
        raise ValueError(f"{elements} elements of 4 bits in {len(buffer)} bytes")
    pairs = np.stack([buffer << 4, buffer & 0xF0], axis=-1).reshape(-1)[:elements]
    return pairs.view(np.int8) >> 4


@dataclass(frozen=True)
class _Level:
    """A dimension in the order of storage: ``size`` of a dense one; where entries begin, and their indices."""

    size: int
    segments: Array | None
    indices: Array | None


def dense(stored: Array, shape: Sequence[int], sparsity: Any) -> Array:
    """All elements of a sparse tensor (tflite ``internal::sparsity::FormatConverter``).

    Args:
        stored: the elements that are there, in the order of storage.
        shape: of the tensor.
        sparsity: the file's ``SparsityParameters``.

    Raises:
        ValueError, IndexError: the parameters contradict the shape or the number of elements.
    """
    rank, order = len(shape), [sparsity.TraversalOrder(i) for i in range(sparsity.TraversalOrderLength())]
    blocks = [sparsity.BlockMap(i) for i in range(sparsity.BlockMapLength())]
    levels = [_level(sparsity.DimMetadata(i)) for i in range(sparsity.DimMetadataLength())]
    if sorted(order) != list(range(rank + len(blocks))) or len(levels) != len(order):
        raise ValueError("the order of a sparse tensor's dimensions is not one")
    if any(level.segments is not None for level, d in zip(levels, order, strict=True) if d >= rank):
        raise ValueError("a block of a sparse tensor is sparse itself")
    places, previous = np.zeros((1, 0), np.int64), np.zeros(1, np.int64)
    for level in levels:
        places, previous = _expanded(level, places, previous, len(stored))
    index = np.zeros((rank, len(places)), np.int64)
    for at, dimension in enumerate(order):
        if dimension < rank:
            index[dimension] += places[:, at]
        else:
            whole = blocks[dimension - rank]
            index[whole] = index[whole] * levels[at].size + places[:, at]
    if len(places) != len(stored) or any(len(i) and i.max() >= n for i, n in zip(index, shape, strict=True)):
        raise ValueError("a sparse tensor has another number of elements than its indices")
    values = np.zeros(tuple(shape), stored.dtype)
    values[tuple(index)] = stored
    return values


def _level(metadata: Any) -> _Level:
    if metadata.Format() == tflite.DimensionType.DENSE:
        return _Level(int(metadata.DenseSize()), None, None)
    segments = _vector(metadata.ArraySegments(), metadata.ArraySegmentsType())
    return _Level(0, segments, _vector(metadata.ArrayIndices(), metadata.ArrayIndicesType()))


def _vector(table: Any, kind: int) -> Array:
    vector = _VECTORS[kind]()
    vector.Init(table.Bytes, table.Pos)
    return np.asarray(vector.ValuesAsNumpy(), np.int64).reshape(-1)


def _expanded(level: _Level, places: Array, previous: Array, most: int) -> tuple[Array, Array]:
    """The places known so far, each with every index that the next dimension has there."""
    if level.segments is None or level.indices is None:
        if len(places) * level.size > most:
            raise ValueError("a sparse tensor has more places than elements")
        counts = np.full(len(places), level.size)
        found = np.tile(np.arange(level.size), len(places))
        following = np.repeat(previous, counts) * level.size + found
    else:
        first, counts = level.segments[previous], level.segments[previous + 1] - level.segments[previous]
        starts = np.cumsum(counts) - counts
        following = np.arange(int(counts.sum())) - np.repeat(starts - first, counts)
        found = level.indices[following]
    return np.column_stack([np.repeat(places, counts, axis=0), found]), following
