# SPDX-License-Identifier: Apache-2.0
"""A graph's own features against those of a specification, on signals that show where two front ends differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ascmcu.features import extract
from ascmcu.features.spec import FeatureSpec
from ascmcu.frontends.ingraph import floats
from ascmcu.frontends.ingraph.operators import Subgraph

# Values may differ by the rounding of single precision: at a half they then fall to the other side.
EQUAL_LEAST = 0.999
_STEPS = 255
# Of full scale, some 80 dB below it: quieter than nearly all microphones.
_NOISE = 1e-4


@dataclass(frozen=True)
class Evidence:
    """Both front ends on the same signals.

    Attributes:
        values: how many were compared, as integers of eight bits.
        equal: how many of them are the same.
        deviation: the largest difference, in steps of those integers.
    """

    values: int
    equal: int
    deviation: float

    @property
    def holds(self) -> bool:
        """Whether the two are equal but for rounding."""
        return self.equal >= EQUAL_LEAST * self.values

    def __str__(self) -> str:
        share = 100 * self.equal / self.values
        return (
            f"{share:.3f} % of {self.values:,} values equal, at most {self.deviation:.2g} steps of 255 apart"
        )


def compare(graph: Subgraph, audio: int, tensor: int, spec: FeatureSpec, unit: float) -> Evidence:
    """Run both on the signals.

    Raises:
        NotRunError: the graph has an operator that is not run here.
    """
    values = equal = 0
    deviation = 0.0
    clips = signals(spec.clip_samples)
    wanted = [_of_graph(graph, audio, tensor, clip, unit) for clip in clips]
    found = [extract.to_input(extract.extract(clip, spec), spec).reshape(-1) for clip in clips]
    scale, zero_point = graph.quantizations.get(tensor, (0.0, 0))
    least, most = (f(float(f(x)) for x in wanted) for f in (min, max))
    if not scale:
        scale, zero_point = max(most - least, 1e-6) / _STEPS, 0
    for a, b in zip(wanted, found, strict=True):
        if graph.dtypes[tensor] == "float32":
            steps = np.abs(a - b) / scale
            same = np.rint(a / scale) == np.rint(b / scale)
        else:
            b = extract.quantize(b, scale, zero_point, graph.dtypes[tensor])
            steps, same = np.abs(a.astype(np.float64) - b), a == b
        values, equal = values + len(a), equal + int(np.sum(same))
        deviation = max(deviation, float(steps.max()))
    return Evidence(values, equal, deviation)


def _of_graph(
    graph: Subgraph, audio: int, tensor: int, clip: npt.NDArray[np.int16], unit: float
) -> npt.NDArray[np.float64]:
    samples = clip[:, 0].astype(np.float64) * (unit / 32768)
    dtype = graph.dtypes[audio]
    given = samples if dtype == "float32" else np.rint(samples).astype(dtype)
    return floats.run(graph, {audio: given.reshape(graph.shapes[audio])}, tensor).reshape(-1)


def signals(samples: int) -> list[npt.NDArray[np.int16]]:
    """Loud and quiet noise, a chirp, pulses, a constant, silence: int16 (samples, 1).

    All but silence have the noise of a recording. Without it, bins between the chirp's hold nothing but the rounding of
    window and transform, which is the graph's own.
    """
    random = np.random.default_rng(24)
    at = np.arange(samples)
    chirp = 0.5 * np.sin(np.pi * 0.45 * at**2 / samples)
    pulses = np.where(at % 997 == 5, 0.9, 0.0)
    parts = (
        random.normal(0, 0.2, samples),
        random.normal(0, 0.001, samples),
        chirp,
        pulses,
        np.full(samples, 0.3),
    )
    heard = [np.rint((part + random.normal(0, _NOISE, samples)) * 32768) for part in parts]
    return [np.clip(part, -32768, 32767).astype(np.int16)[:, None] for part in (*heard, np.zeros(samples))]
