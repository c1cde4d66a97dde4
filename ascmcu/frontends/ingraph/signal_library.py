# SPDX-License-Identifier: Apache-2.0
"""A front end of TensorFlow Lite Micro's signal operators as a ``MicroSpec``."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ascmcu.errors import FeatureError
from ascmcu.features import micro
from ascmcu.features import micro_tables as tables
from ascmcu.features.microspec import NOISE_BITS, UNIT, MicroSpec
from ascmcu.frontends.ingraph import proof
from ascmcu.frontends.ingraph.floats import NotRunError
from ascmcu.frontends.ingraph.integers import PREFIX, Stream, options
from ascmcu.frontends.ingraph.operators import Operator, Subgraph
from ascmcu.ir.types import Array

# The chain whose order and operators a MicroSpec has.
_NEEDED = ("Window", "FftAutoScale", "Rfft", "Energy", "FilterBank", "FilterBankSquareRoot",
           "FilterBankSpectralSubtraction")  # fmt: skip
_OPTIONAL = ("PCAN", "FilterBankLog")
_RATES = (16000, 8000, 22050, 32000, 44100, 48000)
# The Python code that makes these operators has them as its defaults; the file has their tables alone.
_STRENGTH, _OFFSET, _GAIN_BITS, _STEP_MS = 0.95, 80.0, 21, 20
_FRAMES = 60
_STEPS_HZ = (125, 100, 50, 5, 1)
# Of the sum of weights: ends half a bin away change less, another sample rate more.
_NEAR = 0.8


@dataclass(frozen=True)
class Found:
    """A front end of signal operators.

    Attributes:
        words: what the file has.
        spec: what is equal, or ``None``, and ``why`` not.
        evidence: of how many values are equal.
        tensor: of the features.
    """

    words: str
    spec: MicroSpec | None = None
    why: str = ""
    evidence: str = ""
    tensor: int = -1


def has_signals(graph: Subgraph) -> bool:
    """Whether the graph has operators of the library."""
    return any(op.name.startswith(PREFIX) for op in graph.operators)


def read(graph: Subgraph) -> Found:
    """The front end that the library's operators make."""
    by_name = {op.name.removeprefix(PREFIX): op for op in graph.operators if op.name.startswith(PREFIX)}
    words = _words(graph, by_name)
    known = (*_NEEDED, *_OPTIONAL)
    count = sum(op.name.startswith(PREFIX) for op in graph.operators)
    if not set(_NEEDED) <= set(by_name) <= set(known) or count != len(by_name):
        others = [f"Signal{name}" for name in by_name if name not in known]
        missing = [f"no Signal{name}" for name in _NEEDED if name not in by_name]
        repeated = ["operators that come several times"] * (count != len(by_name))
        return Found(words, why=", ".join([*others, *missing, *repeated]))
    for spec in _candidates(graph, by_name):
        tensor, evidence = _compare(graph, by_name, spec)
        if tensor >= 0:
            scaled = graph.dtypes[tensor] == "float32"
            return Found(words, spec.replace(mapping="scaled") if scaled else spec, "", evidence, tensor)
        return Found(words, why=evidence)
    return Found(words, why="tables that no parameters of the micro front end give")


def _words(graph: Subgraph, ops: dict[str, Operator]) -> str:
    """What the operators are, for messages."""
    parts = []
    if "Framer" in ops:
        o = options(ops["Framer"])
        parts.append(f"frames of {o.get('frame_size')} samples every {o.get('frame_step')}")
    if "Window" in ops:
        parts.append(f"a window of {graph.shapes[ops['Window'].inputs[1]][0]} samples")
    if "Rfft" in ops:
        parts.append(f"FFT of {options(ops['Rfft']).get('fft_length')}")
    if "FilterBank" in ops:
        parts.append(f"{options(ops['FilterBank']).get('num_channels')} filters")
    named = ", ".join(f"Signal{name}" for name in ops)
    return f"{', '.join(parts)} ({named})" if parts else named


def _candidates(graph: Subgraph, ops: dict[str, Operator]) -> Iterator[MicroSpec]:
    """The specifications whose tables are those of the file, best first."""
    window = graph.constants[ops["Window"].inputs[1]].reshape(-1)
    noise = options(ops["FilterBankSpectralSubtraction"])
    whole = noise["spectral_subtraction_bits"] == NOISE_BITS and not noise["clamping"]
    if not whole or options(ops["Window"])["shift"] != 12:
        return
    shared: dict[str, Any] = {
        "n_mels": options(ops["FilterBank"])["num_channels"], "smoothing_bits": noise["smoothing_bits"],
        "even_smoothing": _fraction(noise["smoothing"], 0.025),
        "odd_smoothing": _fraction(noise["alternate_smoothing"], 0.06),
        "min_signal_remaining": _fraction(noise["min_signal_remaining"], 0.05),
        "pcan": "PCAN" in ops, "pcan_strength": _STRENGTH, "pcan_offset": _OFFSET, "pcan_gain_bits": _GAIN_BITS,
        "log": "FilterBankLog" in ops,
    }  # fmt: skip
    if "FilterBankLog" in ops:
        shared["log_shift"] = int(options(ops["FilterBankLog"])["output_scale"]).bit_length() - 1
    for library in ("signal", "microfrontend"):
        for rate in _RATES:
            if len(window) * 1000 % rate or not np.array_equal(_window(len(window), rate, library), window):
                continue
            fields = {**shared, "library": library, "sample_rate_hz": rate, "clip_samples": len(window)}
            fields |= {
                "window_ms": len(window) * 1000 // rate,
                "step_ms": min(_STEP_MS, len(window) * 1000 // rate),
            }
            yield from _with_ends(graph, ops, fields)


def _window(samples: int, rate: int, library: Any) -> Array:
    milliseconds = samples * 1000 // rate
    step = min(_STEP_MS, milliseconds)
    spec = MicroSpec(
        sample_rate_hz=rate, clip_samples=samples, window_ms=milliseconds, step_ms=step, library=library, pcan=False,
        fmin_hz=rate / 100, fmax_hz=rate / 4,
    )  # fmt: skip
    return tables.window(spec)


def _fraction(value: int, usual: float) -> float:
    """A fraction that is stored as this integer of 14 bits: the usual one where it is."""
    return (
        usual
        if int(np.float32(usual) * np.float32(1 << NOISE_BITS)) == value
        else (value + 0.5) / (1 << NOISE_BITS)
    )


def _with_ends(graph: Subgraph, ops: dict[str, Operator], fields: dict[str, Any]) -> Iterator[MicroSpec]:
    """The fields with the ends of the filters that give the file's weights."""
    wanted = _dense(graph, ops["FilterBank"])
    heard = np.flatnonzero(wanted.any(axis=(0, 1)))
    if not len(heard):
        return
    bin_hz = fields["sample_rate_hz"] / (2 * (wanted.shape[2] - 1))
    lows, highs = (
        ((heard[0] - 1.5) * bin_hz, (heard[0] + 0.5) * bin_hz),
        (heard[-1] * bin_hz, (heard[-1] + 1) * bin_hz),
    )
    middle = _difference(wanted, fields, sum(lows) / 2, sum(highs) / 2)
    if middle > _NEAR:
        return
    for step in _STEPS_HZ:
        for low, high in itertools.product(_neat(*lows, step), _neat(*highs, step)):
            if _difference(wanted, fields, low, high) == 0:
                yield MicroSpec(**fields, fmin_hz=low, fmax_hz=high)


def _difference(wanted: Array, fields: dict[str, Any], low: float, high: float) -> float:
    """By what share of their sum the weights of these ends are others."""
    try:
        spec = MicroSpec(**fields, fmin_hz=max(0.0, low), fmax_hz=high)
    except FeatureError:
        return math.inf
    made = _dense_of(tables.filters(spec), wanted.shape[2])
    return float(np.abs(made - wanted).sum() / wanted.sum())


def _neat(low: float, high: float, step: int) -> list[float]:
    """The multiples of a step between the two."""
    return [float(n * step) for n in range(max(0, math.ceil(low / step)), int(high / step) + 1)]


def _dense(graph: Subgraph, op: Operator) -> Array:
    """The weights of the falling and the rising filters by segment and bin: int64 (2, segments, bins)."""
    weights, unweights, starts, places, widths = (graph.constants[i].astype(np.int64) for i in op.inputs[1:6])
    made = np.zeros((2, len(starts), graph.shapes[op.inputs[0]][0]), np.int64)
    for i, (first, place, width) in enumerate(zip(starts, places, widths, strict=True)):
        for side, of in enumerate((weights, unweights)):
            made[side, i, first : first + width] = of[place : place + width]
    return made


def _dense_of(bank: tables.Filters, bins: int) -> Array:
    made = np.zeros((2, len(bank.bins), bins), np.int64)
    at = 0
    for i, count in enumerate(bank.bins):
        span = slice(bank.first_bin + at, bank.first_bin + at + int(count))
        for side, of in enumerate((bank.falling, bank.rising)):
            made[side, i, span] = of[at : at + int(count)]
        at += int(count)
    return made


def _compare(graph: Subgraph, ops: dict[str, Operator], spec: MicroSpec) -> tuple[int, str]:
    """The last tensor that is the features as the front end gives them, and the evidence; else -1, and what differs."""
    step = spec.hop_length
    length = spec.window_samples + (_FRAMES - 1) * step
    clips = [clip[:, 0] for clip in proof.signals(length)]
    wanted = [micro.extract(clip, spec.replace(clip_samples=length)) for clip in clips]
    last = ops["FilterBankLog" if "FilterBankLog" in ops else "PCAN"] if len(ops) > len(_NEEDED) else None
    made = (last or ops["FilterBankSpectralSubtraction"]).outputs[0]
    why = ""
    for tensor, mapped in reversed([(made, _plain), *_mappings(graph, made)]):
        found = []
        for clip in clips:
            stream = Stream(graph)
            try:
                starts = range(0, len(clip) - spec.window_samples + 1, step)
                found.append(
                    [stream.run(clip[at : at + spec.window_samples], tensor).reshape(-1) for at in starts]
                )
            except NotRunError as error:
                return -1, f"an operator that is not run here: {error}"
        equal = sum(int(np.sum(np.array(a) == mapped(b))) for a, b in zip(found, wanted, strict=True))
        total = sum(b.size for b in wanted)
        if equal == total:
            return tensor, f"{equal:,} of {total:,} values equal"
        why = why or f"the nearest front end has {equal:,} of {total:,} values equal"
    return -1, why


def _plain(features: Array) -> Array:
    return features


def _mappings(graph: Subgraph, made: int) -> list[tuple[int, Callable[[Array], Array]]]:
    """The tensors behind the library's last operator that may be the network's input, with what they should be."""
    found: list[tuple[int, Callable[[Array], Array]]] = []
    tensor = made
    while True:
        after = graph.consumers(tensor)
        if len(after) != 1:
            return found
        tensor = after[0].outputs[0]
        if graph.dtypes[tensor] == "int8":
            found.append((tensor, micro.map_input))
        elif graph.dtypes[tensor] == "float32":
            found.append((tensor, lambda x: x.astype(np.float64) * np.float64(np.float32(UNIT))))
