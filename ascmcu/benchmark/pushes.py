# SPDX-License-Identifier: Apache-2.0
"""The bytes of an inference, as a device takes them: push after push, each with the next row of every input.

An input whose rows are all there has none in the pushes that are left. One that the network takes in strips is pushed
once for each, the columns of that strip alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ascmcu.ir.types import Array
from ascmcu.toolchain.manifest import TensorSpec


def pushed(values: Sequence[Array], specs: Sequence[TensorSpec]) -> bytes:
    """Inputs of the network's shapes, one for each spec, as the device takes them."""
    inputs = [_rows(value, spec) for value, spec in zip(values, specs, strict=True)]
    if len(inputs) == 1:
        return b"".join(inputs[0])
    return b"".join(rows[push] for push in range(pushes(specs)) for rows in inputs if push < len(rows))


def taken(data: bytes, specs: Sequence[TensorSpec]) -> list[Array]:
    """The inputs in the network's shapes, of the bytes that the device takes."""
    parts: list[list[bytes]] = [[] for _ in specs]
    at = 0
    for push in range(pushes(specs)):
        for part, spec in zip(parts, specs, strict=True):
            if push < spec.rows:
                part.append(data[at : at + spec.row_bytes])
                at += spec.row_bytes
    return [_value(b"".join(part), spec) for part, spec in zip(parts, specs, strict=True)]


def pushes(specs: Sequence[TensorSpec]) -> int:
    """How many there are: the rows of the input that has the most."""
    return max(spec.rows for spec in specs)


def total_bytes(specs: Sequence[TensorSpec]) -> int:
    """Bytes of all inputs."""
    return sum(spec.rows * spec.row_bytes for spec in specs)


def _rows(value: Array, spec: TensorSpec) -> list[bytes]:
    turned = np.transpose(value, spec.permutation)
    if spec.sweeps:
        turned = np.concatenate([turned[:, :, b : b + spec.sweep_columns] for b in spec.sweeps], axis=1)
    turned = np.ascontiguousarray(turned)
    data = turned.astype(turned.dtype.newbyteorder("<")).tobytes()
    return [data[i * spec.row_bytes : (i + 1) * spec.row_bytes] for i in range(spec.rows)]


def _value(data: bytes, spec: TensorSpec) -> Array:
    dtype = np.dtype(spec.dtype).newbyteorder("<")
    turned = tuple(spec.shape[axis] for axis in spec.permutation)
    found = np.zeros(turned, dtype)
    if spec.sweeps:
        rows = turned[1]
        pushed = np.frombuffer(data, dtype).reshape(1, -1, spec.sweep_columns, turned[3])
        for number, begin in enumerate(spec.sweeps):
            part = pushed[:, number * rows : (number + 1) * rows]
            found[:, :, begin : begin + spec.sweep_columns] = part
    else:
        assert len(data) == math.prod(turned) * dtype.itemsize
        found = np.frombuffer(data, dtype).reshape(turned)
    return found.transpose(np.argsort(spec.permutation))
