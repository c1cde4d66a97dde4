# SPDX-License-Identifier: Apache-2.0
"""The sensitivity of each layer of a float ``.tflite`` to int8: in the int8 model, and quantized alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ascmcu.quantize import calibrate, flatbuffer, run, static
from ascmcu.quantize.calibrate import Array
from ascmcu.quantize.flatbuffer import Range

# Enough for a figure to one decimal; each clip passes through every layer's own model.
CLIPS = 64
_NO_NOISE_DB = 200.0


@dataclass(frozen=True)
class LayerSensitivity:
    """One operator.

    Attributes:
        layer: the first name of its output tensor.
        sqnr_db: its result in the int8 model against the float model's: noise of all layers up to it.
        alone_db: the network's answer when this layer alone is int8, against the float answer.
        agreement: share of clips whose label stays when this layer alone is int8.
        accuracy: accuracy then; None without labels.
    """

    layer: str
    sqnr_db: float
    alone_db: float
    agreement: float
    accuracy: float | None


def measure(
    model: bytes,
    ranges: Mapping[int, Range],
    clips: Array,
    targets: npt.NDArray[np.int64] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[LayerSensitivity, ...]:
    """Every layer, in the network's order.

    Args:
        model: float32.
        ranges: what ``calibrate.ranges`` gave.
        clips: inputs to measure on, float32 (clips, *input shape).
        targets: their classes.
        progress: called with layers done and layers in all.
    """
    outputs = operator_outputs(model)
    noise = _noise_in_company(model, static.apply(model, ranges), clips)
    answers = run.probabilities(model, clips)
    found = []
    for number, name in enumerate(outputs):
        alone = static.apply_only(model, ranges, [other for other in outputs if other != name])
        heard = run.probabilities(alone, clips)
        labels = heard.argmax(axis=1)
        found.append(
            LayerSensitivity(
                layer=name.split(";")[0],
                sqnr_db=noise.get(name, _NO_NOISE_DB),
                alone_db=sqnr_db(answers, heard),
                agreement=float((labels == answers.argmax(axis=1)).mean()),
                accuracy=None if targets is None else float((labels == targets).mean()),
            )
        )
        progress(number + 1, len(outputs))
    return tuple(found)


def operator_outputs(model: bytes) -> list[str]:
    """The name of every operator's output."""
    graph = flatbuffer.parse(model).subgraphs[0]
    return [flatbuffer.tensor_name(graph.tensors[operator.outputs[0]]) for operator in graph.operators]


def sqnr_db(signal: Array, noisy: Array) -> float:
    """Power of the signal over that of the difference, in decibels; 200 where there is none."""
    noise = float(np.sum((noisy.astype(np.float64) - signal) ** 2))
    power = float(np.sum(signal.astype(np.float64) ** 2))
    return _decibels(power, noise)


def _decibels(power: float, noise: float) -> float:
    if noise == 0.0:
        return _NO_NOISE_DB
    return float(10.0 * np.log10(max(power, 1e-300) / noise))


def _noise_in_company(model: bytes, quantized: bytes, clips: Array) -> dict[str, float]:
    """SQNR of each tensor of the float model that the int8 model has too, by name."""
    names = flatbuffer.activations(model)
    power, noise = dict.fromkeys(names.values(), 0.0), dict.fromkeys(names.values(), 0.0)
    seen: set[str] = set()
    for real, rounded in zip(calibrate.watch(model, clips), run.watch(quantized, clips), strict=True):
        for index, name in names.items():
            if name in rounded:
                seen.add(name)
                values = real[index].astype(np.float64)
                power[name] += float(np.sum(values**2))
                noise[name] += float(np.sum((values - rounded[name]) ** 2))
    return {name: _decibels(power[name], noise[name]) for name in seen}
