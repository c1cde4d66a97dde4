# SPDX-License-Identifier: Apache-2.0
"""A golden input of an export and the outputs that the integer interpreter gives for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import ascmcu.ops  # noqa: F401  (registers the operators)
from ascmcu.benchmark import wire
from ascmcu.benchmark.clips import outputs
from ascmcu.benchmark.pushes import pushed
from ascmcu.benchmark.session import Session
from ascmcu.errors import LinkError
from ascmcu.ir import interp, text
from ascmcu.ir.types import Array
from ascmcu.toolchain.manifest import IMPORTED, Manifest, TensorSpec

# Floating-point outputs: the C adds in another order than NumPy does. Integers are equal.
_FLOAT_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Golden:
    """One input as the device takes it, and the outputs, each in the network's shape."""

    data: bytes
    outputs: tuple[Array, ...]


def golden(folder: Path, manifest: Manifest) -> Golden:
    """Run one fixed random input through the network as it was imported.

    Raises:
        InputError: the export's folder does not hold the network.
    """
    graph = text.load(folder / IMPORTED)
    rng = np.random.default_rng(1)
    values = [_value(spec, rng) for spec in manifest.inputs]
    return Golden(pushed(values, manifest.inputs), tuple(interp.run(graph, values)))


def _value(spec: TensorSpec, rng: np.random.Generator) -> Array:
    dtype = np.dtype(spec.dtype)
    if dtype.kind == "f":
        return rng.uniform(-1.0, 1.0, spec.shape).astype(dtype)
    return rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, spec.shape, dtype, endpoint=True)


def check(session: Session, manifest: Manifest, wanted: Golden) -> None:
    """Send the input, compare the answer.

    Raises:
        LinkError: the device answers otherwise, or not at all.
    """
    found = outputs(manifest, session.run(wanted.data, wire.Kind.TENSOR).outputs)
    for spec, a, b in zip(manifest.outputs, found, wanted.outputs, strict=True):
        tolerance = _FLOAT_TOLERANCE if a.dtype.kind == "f" else 0.0
        if not np.allclose(a, b.reshape(a.shape), rtol=tolerance, atol=tolerance):
            raise LinkError(
                "the device's outputs differ from the reference",
                where=spec.name,
                expected=b.ravel()[:16].tolist(),
                found=a.ravel()[:16].tolist(),
            )
