# SPDX-License-Identifier: Apache-2.0
"""Calibrators: choose the int8 range of each activation from its observed values.

- ``minmax``: everything seen. One outlier costs all other values their resolution.
- ``percentile``: all but a share of the values, half of it at either end.
- ``mse``: the range whose rounding and clipping errors have the smallest mean square.
- ``entropy``: the range after which the quantized values' distribution has the smallest Kullback–Leibler
  divergence from the real one's (S. Migacz, "8-bit Inference with TensorRT", GTC 2017).

All but the first work on histograms of 2048 bins between the extremes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ascmcu import zoo
from ascmcu.errors import DataError, InputError
from ascmcu.quantize import flatbuffer
from ascmcu.quantize.flatbuffer import Range

METHODS = ("minmax", "percentile", "mse", "entropy")
CLIPS = 256
DEFAULT_PERCENTILE = 99.99
_BINS = 2048
_LEVELS = 256
# Fewer values, those of classifiers, leave most bins empty: that is no distribution to compare with.
_ENOUGH = 20 * _BINS
_SHRINKS = np.geomspace(1.0, 0.02, 48)

Array = npt.NDArray[np.float32]
Real = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Histogram:
    """Counts of values in equal bins from ``low`` to ``high``."""

    low: float
    high: float
    counts: Real

    @property
    def centres(self) -> Real:
        """The middle of each bin."""
        step = (self.high - self.low) / len(self.counts)
        return np.asarray(self.low + step * (np.arange(len(self.counts)) + 0.5), np.float64)


def chosen(clips: int, count: int = CLIPS) -> Array:
    """Indices of at most ``count`` of so many clips, evenly spread."""
    return np.linspace(0, clips - 1, min(count, clips)).round().astype(int)


def evenly(inputs: Any, count: int = CLIPS) -> Array:
    """At most ``count`` clips, evenly chosen."""
    return np.asarray(inputs[chosen(len(inputs), count)], np.float32)


def check(inputs: Array, shape: tuple[int, ...]) -> None:
    """Refuse inputs that the model does not take.

    Raises:
        DataError: there are none, of another shape, or with values that are no finite numbers.
    """
    if inputs.shape[1:] != shape:
        expected = f"({', '.join(('clips', *map(str, shape)))})"
        raise DataError(
            "the calibration data does not fit the model", expected=expected, found=tuple(inputs.shape)
        )
    if len(inputs) == 0:
        raise DataError("the calibration data holds no clips", found=tuple(inputs.shape))
    for number, clip in enumerate(evenly(inputs)):
        if not np.isfinite(clip).all():
            raise DataError(
                "the calibration data holds values that are no finite numbers",
                where=f"clip {chosen(len(inputs))[number]}",
                expected="float32 inputs as the network takes them",
            )


def ranges(
    model: bytes, inputs: Array, method: str = "minmax", percentile: float = DEFAULT_PERCENTILE
) -> dict[int, Range]:
    """A range for every activation of a float ``.tflite``, by tensor index.

    Args:
        model: float32.
        inputs: real ones, float32 (clips, *input shape); at most 256 evenly chosen ones are looked at.
        method: one of ``METHODS``.
        percentile: share of the values, in percent, that ``percentile`` keeps.

    Raises:
        DataError: the inputs do not fit the model, or a layer answers with infinities.
        InputError: no such method.
    """
    if method not in METHODS:
        raise InputError("no such calibrator", expected=", ".join(METHODS), found=method)
    if not 50.0 < percentile <= 100.0:
        raise InputError("invalid percentile", expected="above 50, at most 100", found=percentile)
    check(inputs, flatbuffer.input_shape(model))
    clips = evenly(inputs)
    extremes = _extremes(model, clips)
    if method == "minmax":
        return extremes
    choose: Callable[[Histogram], Range] = {
        "percentile": lambda h: by_percentile(h, percentile),
        "mse": by_mse,
        "entropy": by_entropy,
    }[method]
    return {index: choose(h) for index, h in histograms(model, clips, extremes).items()}


def watch(model: bytes, clips: Array) -> Iterator[dict[int, Array]]:
    """All activations of each clip, by tensor index; the arrays are valid until the next clip."""
    with zoo.quiet():
        interpreter = tf.lite.Interpreter(
            model_content=bytes(model),
            experimental_preserve_all_tensors=True,
            experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    names = flatbuffer.activations(model)
    for clip in clips:
        interpreter.set_tensor(source, clip[np.newaxis])
        interpreter.invoke()
        yield {index: interpreter.get_tensor(index) for index in names}


def histograms(model: bytes, clips: Array, extremes: dict[int, Range]) -> dict[int, Histogram]:
    """What each activation holds over all clips."""
    counts = {index: np.zeros(_BINS) for index in extremes}
    for seen in watch(model, clips):
        for index, values in seen.items():
            low, high = extremes[index].low, extremes[index].high
            scale = _BINS / (high - low) if high > low else 0.0
            bins = np.clip((values.ravel() - low) * scale, 0, _BINS - 1).astype(np.int32)
            counts[index] += np.bincount(bins, minlength=_BINS)
    return {index: Histogram(r.low, r.high, counts[index]) for index, r in extremes.items()}


def by_percentile(histogram: Histogram, percentile: float) -> Range:
    """All values but a share of (100 − percentile) %, half of it below and half above."""
    share = np.cumsum(histogram.counts) / histogram.counts.sum()
    outside = (100.0 - percentile) / 200.0
    step = (histogram.high - histogram.low) / len(share)
    below = int(np.searchsorted(share, outside, side="right"))
    above = int(np.searchsorted(share, 1.0 - outside, side="left"))
    return _with_zero(histogram.low + step * below, histogram.low + step * (above + 1), histogram)


def by_mse(histogram: Histogram) -> Range:
    """Smallest mean square error of 256 levels, the ends drawn in on a grid."""
    x, weights = histogram.centres, histogram.counts

    def error(low: float, high: float) -> float:
        step = (high - low) / (_LEVELS - 1)
        rounded = np.round((np.clip(x, low, high) - low) / step) * step + low
        return float(weights @ (x - rounded) ** 2)

    return _best(histogram, error)


def by_entropy(histogram: Histogram) -> Range:
    """Smallest divergence of the quantized distribution from the real one, the ends drawn in on a grid."""
    if histogram.counts.sum() < _ENOUGH:
        return _with_zero(histogram.low, histogram.high, histogram)
    x, weights = histogram.centres, histogram.counts.copy()
    # Zeros, most of what a ReLU leaves, are exact in any range: their bin would drown all others.
    zero = int(np.argmin(np.abs(x)))
    around = weights[max(zero - 1, 0) : zero + 2 : 2] if 0 < zero < len(x) - 1 else weights[[1, -2]]
    weights[zero] = min(weights[zero], around.max())

    def divergence(low: float, high: float) -> float:
        inside = (x >= low) & (x <= high)
        if not inside.any():
            return np.inf
        real = weights[inside].copy()
        occupied = weights[inside] > 0
        real[0] += weights[x < low].sum()
        real[-1] += weights[x > high].sum()
        level = np.clip((x[inside] - low) / (high - low) * _LEVELS, 0, _LEVELS - 1).astype(int)
        sums = np.bincount(level, weights[inside], _LEVELS)
        members = np.bincount(level, occupied, _LEVELS)
        level_means = np.where(occupied, (sums / np.maximum(members, 1))[level], 0.0)
        return _divergence(real, level_means)

    return _best(histogram, divergence)


def _divergence(real: Real, approximate: Real) -> float:
    """Σ p log(p / q); what q lacks counts as if it had one part in a million there."""
    p = real / real.sum()
    q = np.maximum(approximate / max(approximate.sum(), 1e-30), 1e-6)
    seen = p > 0
    return float(np.sum(p[seen] * np.log(p[seen] / q[seen])))


def _best(histogram: Histogram, cost: Callable[[float, float], float]) -> Range:
    """The cheapest range among those drawn in; the widest wins a tie."""
    low, high = min(histogram.low, 0.0), max(histogram.high, 0.0)
    if low == high:
        return Range(low, high)
    # One end after the other: the errors at the two ends hardly depend on each other.
    high = min((high * s for s in _SHRINKS), key=lambda top: cost(low, top)) if high > 0 else high
    low = min((low * s for s in _SHRINKS), key=lambda bottom: cost(bottom, high)) if low < 0 else low
    return Range(float(low), float(high))


def _with_zero(low: float, high: float, histogram: Histogram) -> Range:
    if high <= low:
        return Range(min(histogram.low, 0.0), max(histogram.high, 0.0))
    return Range(min(low, 0.0), max(high, 0.0))


def _extremes(model: bytes, clips: Array) -> dict[int, Range]:
    found: dict[int, Range] = {}
    for seen in watch(model, clips):
        for index, values in seen.items():
            low, high = float(values.min()), float(values.max())
            if not np.isfinite(low) or not np.isfinite(high):
                raise DataError("a layer has no numeric output", where=flatbuffer.activations(model)[index])
            before = found.get(index, Range(low, high))
            found[index] = Range(min(before.low, low), max(before.high, high))
    return found
