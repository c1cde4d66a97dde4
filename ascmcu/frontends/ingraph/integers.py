# SPDX-License-Identifier: Apache-2.0
"""The operators of TensorFlow Lite Micro's signal library, run by NumPy number for number.

Source of all formulas: tensorflow/tflite-micro, signal/src and signal/micro/kernels; the transform is KISS FFT's, as in
``features.micro``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from flatbuffers import flexbuffers

from ascmcu.features import micro
from ascmcu.frontends.ingraph import floats
from ascmcu.frontends.ingraph.floats import NotRunError
from ascmcu.frontends.ingraph.operators import Operator, Subgraph
from ascmcu.ir.types import Array

_U32 = np.uint64(0xFFFFFFFF)
_SNR_BITS, _OUTPUT_BITS = 12, 6
PREFIX = "custom Signal"


def options(op: Operator) -> Mapping[str, Any]:
    """The options of one of the library's operators by name."""
    found = flexbuffers.Loads(op.custom) if op.custom else {}
    return found if isinstance(found, dict) else {}


@dataclass
class Stream:
    """A graph that takes a frame after the other; the noise estimates are kept from one to the next."""

    graph: Subgraph
    noise: dict[int, Array] = field(default_factory=dict)

    def run(self, frame: Array, wanted: int) -> Array:
        """The value of a tensor for one frame; call it for one tensor alone.

        Raises:
            NotRunError: an operator on the way is not run here.
        """
        audio = self.graph.inputs[0]
        values: dict[int, Array] = {**self.graph.constants, audio: frame.reshape(self.graph.shapes[audio])}
        for op in self.graph.operators:
            x = [values[i] for i in op.inputs if i in values]
            if len(x) == len(op.inputs):
                made = self._made(op, x, values)
                values.update(zip(op.outputs, made, strict=True))
            if wanted in values:
                return values[wanted]
        raise NotRunError("an operator whose inputs are not known")

    def _made(self, op: Operator, x: list[Array], values: dict[int, Array]) -> tuple[Array, ...]:
        if op.name.endswith("SpectralSubtraction"):
            return self._less_noise(op, x[0])
        if op.name in _SIGNAL:
            return tuple(np.asarray(y) for y in _SIGNAL[op.name](options(op), x))
        if op.name == "DIV" and x[0].dtype == np.int32:
            return (np.trunc(x[0] / x[1]).astype(np.int32),)
        if op.name.startswith("custom "):
            raise NotRunError(op.name.removeprefix("custom "))
        known = {i: values[i] for i in op.inputs}
        made = floats.run(self.graph, known, op.outputs[0])
        return (made if made.dtype == np.float64 else made.astype(self.graph.dtypes[op.outputs[0]]),)

    def _less_noise(self, op: Operator, x: Array) -> tuple[Array, Array]:
        o = options(op)
        even = np.arange(len(x)) % 2 == 0
        new = np.where(even, o["smoothing"], o["alternate_smoothing"]).astype(np.uint64)
        old = np.where(even, o["one_minus_smoothing"], o["alternate_one_minus_smoothing"]).astype(np.uint64)
        bits = np.uint64(o["spectral_subtraction_bits"])
        scaled = (x.astype(np.uint64) << np.uint64(o["smoothing_bits"])) & _U32
        before = self.noise.get(op.index, np.zeros(len(x), np.uint64))
        estimate = ((scaled * new + before * old) >> bits) & _U32
        taken = np.minimum(estimate, scaled)
        estimate = taken if o["clamping"] else estimate
        self.noise[op.index] = estimate
        floor = (x.astype(np.uint64) * np.uint64(o["min_signal_remaining"])) >> bits
        left = (scaled - taken) >> np.uint64(o["smoothing_bits"])
        return np.maximum(left, floor).astype(np.uint32), estimate.astype(np.uint32)


_Run = Callable[[Mapping[str, Any], list[Array]], tuple[Array, ...]]


def _window(o: Mapping[str, Any], x: list[Array]) -> tuple[Array, ...]:
    made = x[0].astype(np.int64) * x[1] >> o["shift"]
    return (np.clip(made, -32768, 32767).astype(np.int16),)


def _scale(o: Mapping[str, Any], x: list[Array]) -> tuple[Array, ...]:
    loudest = int(np.abs(x[0].astype(np.int64)).max())
    # Silence has no highest bit: the library's count of leading zeros then says 32.
    bits = max(0, 15 - (min(loudest, 32767).bit_length() or 32))
    return (x[0].astype(np.int64) << bits).astype(np.int16), np.array(bits, np.int32)


def _transform(o: Mapping[str, Any], x: list[Array]) -> tuple[Array, ...]:
    if x[0].dtype != np.int16:
        raise NotRunError(f"SignalRfft of {x[0].dtype}")
    padded = np.zeros((1, o["fft_length"]), np.int64)
    padded[0, : len(x[0])] = x[0]
    return (micro.real_fft(padded)[0].reshape(-1).astype(np.int16),)


def _energy(o: Mapping[str, Any], x: list[Array]) -> tuple[Array, ...]:
    parts = x[0].reshape(-1, 2).astype(np.int64)
    made = np.zeros(len(parts), np.uint32)
    used = slice(o["start_index"], o["end_index"])
    made[used] = (parts**2).sum(axis=1)[used]
    return (made,)


def _filters(o: Mapping[str, Any], x: list[Array]) -> tuple[Array, ...]:
    energy, weights, unweights, starts, places, widths = (part.astype(np.int64) for part in x)
    sums = []
    for of in (weights, unweights):
        parts = zip(starts, places, widths, strict=True)
        sums.append([int(energy[f : f + n] @ of[w : w + n]) for f, w, n in parts])
    made = np.array(sums[0], np.uint64)
    made[1:] += np.array(sums[1][:-1], np.uint64)
    return (made[1:],)


def _root(o: Mapping[str, Any], x: list[Array]) -> tuple[Array, ...]:
    return ((micro.square_root(x[0].astype(np.int64)) >> int(x[1])).astype(np.uint32),)


def _gain(o: Mapping[str, Any], x: list[Array]) -> tuple[Array, ...]:
    made = [_shrink(int(v) * _curve(int(n), x[2]) >> o["snr_shift"]) for v, n in zip(x[0], x[1], strict=True)]
    return (np.array(made, np.uint32),)


def _curve(estimate: int, table: Array) -> int:
    """A parabola between the values of an octave."""
    if estimate <= 2:
        return int(table[estimate]) & 0xFFFFFFFF
    octave = estimate.bit_length()
    at = 4 * octave - 6
    fraction = (estimate << (11 - octave) if octave < 11 else estimate >> (octave - 11)) & 0x3FF
    made = (int(table[at + 2]) * fraction >> 5) + (int(table[at + 1]) << 5)
    made = (made * fraction + (1 << 14) >> 15) + int(table[at])
    return ((made + 32768) % 65536 - 32768) & 0xFFFFFFFF


def _shrink(ratio: int) -> int:
    ratio &= 0xFFFFFFFF
    if ratio < 2 << _SNR_BITS:
        return (ratio * ratio & 0xFFFFFFFF) >> (2 + 2 * _SNR_BITS - _OUTPUT_BITS)
    return (ratio >> (_SNR_BITS - _OUTPUT_BITS)) - (1 << _OUTPUT_BITS)


def _logarithm(o: Mapping[str, Any], x: list[Array]) -> tuple[Array, ...]:
    scale, correction = int(o["output_scale"]), int(o["input_correction_bits"])
    made = micro.logarithm_of((x[0].astype(np.int64) << correction) & 0xFFFFFFFF, scale)
    return (np.minimum(made, 32767).astype(np.int16),)


_SIGNAL: dict[str, _Run] = {
    f"{PREFIX}Window": _window, f"{PREFIX}FftAutoScale": _scale, f"{PREFIX}Rfft": _transform,
    f"{PREFIX}Energy": _energy, f"{PREFIX}FilterBank": _filters, f"{PREFIX}FilterBankSquareRoot": _root,
    f"{PREFIX}PCAN": _gain, f"{PREFIX}FilterBankLog": _logarithm,
}  # fmt: skip
