# SPDX-License-Identifier: Apache-2.0
"""Small ``.tflite`` files that take audio: features as converters write them, and a network behind them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ascmcu.features import micro_tables, tables, windows
from ascmcu.features.microspec import MicroSpec
from ascmcu.features.spec import FeatureSpec
from ascmcu.ir.types import Array
from tests.support.tflite_builder import OperatorSpec, TensorSpec, build


@dataclass
class File:
    """A file in the making; ``last`` is the tensor that the next operator takes."""

    tensors: list[TensorSpec] = field(default_factory=list)
    operators: list[OperatorSpec] = field(default_factory=list)
    last: int = 0

    def tensor(
        self, name: str, shape: tuple[int, ...], dtype: str = "float32", data: Array | None = None
    ) -> int:
        """A tensor's index."""
        self.tensors.append(TensorSpec(f"{name}_{len(self.tensors)}", shape, dtype, data=data))
        return len(self.tensors) - 1

    def constant(self, value: Any, dtype: str = "float32") -> int:
        """A constant's index."""
        array = np.asarray(value, dtype)
        return self.tensor("constant", array.shape, dtype, array)

    def apply(
        self, builtin: str, shape: tuple[int, ...], *others: int, dtype: str = "float32", **options: Any
    ) -> int:
        """Append an operator of the last tensor and others; its output is the last tensor then."""
        made = self.tensor(builtin.lower(), shape, dtype)
        self.operators.append(OperatorSpec(builtin, [self.last, *others], [made], options))
        self.last = made
        return made

    def bytes(self) -> bytes:
        """The file: from tensor 0 to the last one."""
        return build(self.tensors, self.operators, [0], [self.last])


def stft(
    spec: FeatureSpec,
    network: bool = True,
    window: Array | None = None,
    matrix: Array | None = None,
    channel: bool = True,
) -> bytes:
    """Features as tf.signal and Keras compute them, by the fields of a spec, and a dense layer on their mean.

    Args:
        window, matrix: other weights than the spec's.
        channel: whether bands by time get an axis of one channel.
    """
    f = File()
    samples, frames, n_fft, length = spec.clip_samples, spec.frames, spec.n_fft, spec.win_length
    f.tensor("audio", (1, samples))
    if spec.center:
        ends = f.constant([[0, 0], [n_fft // 2, n_fft // 2]], "int32")
        if spec.pad_mode == "reflect":
            f.apply("MIRROR_PAD", (1, samples + n_fft), ends, mode=0)
        else:
            f.apply("PAD", (1, samples + n_fft), ends)
    before = (n_fft - length) // 2 if spec.window_place == "center" else 0
    at = np.arange(frames)[:, None] * spec.hop_length + before + np.arange(length)
    f.apply("GATHER", (1, frames, length), f.constant(at, "int32"), axis=1)
    weights = windows.values(spec.window, length, spec.window_symmetric) if window is None else window
    f.apply("MUL", (1, frames, length), f.constant(weights))
    if length < n_fft:
        pads = f.constant([[0, 0], [0, 0], [before, n_fft - length - before]], "int32")
        f.apply("PAD", (1, frames, n_fft), pads)
    f.apply("RESHAPE", (1, frames, 1, n_fft), f.constant([1, frames, 1, n_fft], "int32"))
    lengths = f.constant([1, n_fft], "int32")
    f.apply("RFFT2D", (1, frames, 1, spec.bins), lengths, dtype="complex64")
    f.apply("RESHAPE", (1, frames, spec.bins), f.constant([1, frames, spec.bins], "int32"), dtype="complex64")
    f.apply("COMPLEX_ABS", (1, frames, spec.bins))
    if spec.power == 2:
        f.apply("SQUARE", (1, frames, spec.bins))
    _filters(f, spec, matrix)
    _logarithm(f, spec)
    if spec.layout == "mel_time":
        f.apply("TRANSPOSE", (1, spec.n_mels, frames), f.constant([0, 2, 1], "int32"))
        if channel:
            f.apply("RESHAPE", spec.input_shape, f.constant(spec.input_shape, "int32"))
    if network:
        _network(f, spec)
    return f.bytes()


def _filters(f: File, spec: FeatureSpec, matrix: Array | None) -> None:
    if spec.filters == "none":
        return
    weights = tables.mel_segments(spec).matrix(spec.bins) if matrix is None else matrix
    offset = f.constant(np.full(spec.n_mels, spec.log_offset))
    shape = (1, spec.frames, spec.n_mels)
    f.apply("FULLY_CONNECTED", shape, f.constant(weights), offset, keepNumDims=True)


def _logarithm(f: File, spec: FeatureSpec) -> None:
    shape = (1, spec.frames, spec.n_mels)
    if spec.log_floor:
        f.apply("MAXIMUM", shape, f.constant(spec.log_floor))
    if spec.log != "none":
        f.apply("LOG", shape)
    if spec.log == "db":
        f.apply("MUL", shape, f.constant(10 * (2 if spec.power == 1 else 1) / np.log(10)))
    if spec.top_db is not None:
        values = f.last
        f.apply("REDUCE_MAX", (), f.constant([0, 1, 2], "int32"))
        f.apply("SUB", (), f.constant(spec.top_db))
        peak, f.last = f.last, values
        f.apply("MAXIMUM", shape, peak)
    if spec.normalization == "mean_std":
        f.apply("SUB", shape, f.constant(spec.mean[0]))
        f.apply("DIV", shape, f.constant(spec.std[0]))
    if spec.normalization == "range":
        f.apply("SUB", shape, f.constant(spec.range_low))
        f.apply("MUL", shape, f.constant(1 / (spec.range_high - spec.range_low)))


def _network(f: File, spec: FeatureSpec) -> None:
    """Four scores."""
    second = spec.input_shape[2]
    axes = [1, 3] if len(f.tensors[f.last].shape) == 4 else [1]
    f.apply("MEAN", (1, second), f.constant(axes, "int32"), keepDims=False)
    random = np.random.default_rng(5)
    f.apply(
        "FULLY_CONNECTED",
        (1, 4),
        f.constant(random.normal(0, 0.3, (4, second))),
        f.constant(random.normal(size=4)),
    )


def signal_library(spec: MicroSpec, clamping: bool = False, network: bool = False) -> bytes:
    """One frame by the operators of TensorFlow Lite Micro's signal library, to int8 as micro_speech takes it."""
    f = File()
    points, bins, bank = spec.window_samples, spec.n_fft // 2 + 1, tables_of(spec)
    f.tensor("frame", (1, points), "int16")
    _signal(f, "Window", [((1, points), "int16")], [f.constant(micro_tables.window(spec), "int16")], shift=12)
    f.apply("RESHAPE", (points,), f.constant([points], "int32"), dtype="int16")
    _signal(f, "FftAutoScale", [((points,), "int16"), ((), "int32")], [])
    shift = f.last + 1
    _signal(f, "Rfft", [((2 * bins,), "int16")], [], fft_length=spec.n_fft, T=7)
    _signal(f, "Energy", [((bins,), "uint32")], [], start_index=0, end_index=bins)
    weights = [f.constant(part, "int16") for part in bank]
    _signal(f, "FilterBank", [((spec.n_mels,), "uint64")], weights, num_channels=spec.n_mels)
    _signal(f, "FilterBankSquareRoot", [((spec.n_mels,), "uint32")], [shift])
    even, odd, least = micro_tables.smoothing(spec)
    _signal(
        f, "FilterBankSpectralSubtraction", [((spec.n_mels,), "uint32")] * 2, [], clamping=clamping,
        smoothing=even, alternate_smoothing=odd, one_minus_smoothing=(1 << 14) - even, min_signal_remaining=least,
        alternate_one_minus_smoothing=(1 << 14) - odd, smoothing_bits=spec.smoothing_bits, num_channels=spec.n_mels,
        spectral_subtraction_bits=14,
    )  # fmt: skip
    gains = f.constant(micro_tables.gains(spec), "int16")
    _signal(f, "PCAN", [((spec.n_mels,), "uint32")], [f.last + 1, gains], snr_shift=spec.snr_shift)
    correction = {"input_correction_bits": spec.correction_bits, "output_scale": 1 << spec.log_shift}
    _signal(f, "FilterBankLog", [((spec.n_mels,), "int16")], [], **correction)
    _to_int8(f, (spec.n_mels,))
    return f.bytes()


def _signal(
    f: File, name: str, outputs: list[tuple[tuple[int, ...], str]], others: list[int], **options: Any
) -> None:
    made = [f.tensor(name.lower(), shape, dtype) for shape, dtype in outputs]
    f.operators.append(OperatorSpec(f"Signal{name}", [f.last, *others], made, custom=options))
    f.last = made[0]


def _to_int8(f: File, shape: tuple[int, ...]) -> None:
    f.apply("CAST", shape, dtype="int32")
    for builtin, value in (("MUL", 256), ("ADD", 333), ("DIV", 666), ("ADD", -128), ("MINIMUM", 127)):
        f.apply(builtin, shape, f.constant(value, "int32"), dtype="int32")
    f.apply("CAST", shape, dtype="int8")


def tables_of(spec: MicroSpec) -> tuple[Array, ...]:
    """Weights, unweights, and by segment its first bin, its place in the weights, and its bins."""
    bank = micro_tables.filters(spec)
    places = np.cumsum(bank.bins) - bank.bins
    return (bank.falling, bank.rising, bank.first_bin + places, places, bank.bins)
