# SPDX-License-Identifier: Apache-2.0
"""Find the specification that reproduces given features, from nothing but the features and their recordings."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ascmcu.errors import DataError, FeatureError
from ascmcu.features import extract
from ascmcu.features import spec as specs
from ascmcu.features.neighbours import Distance, Recording, Search
from ascmcu.features.reference import Reference, oriented
from ascmcu.features.spec import FeatureSpec

# Frames of this length and step are tried for every idiom, in seconds: those of the shipped specifications come too.
_WINDOWS_S = (0.016, 0.02, 0.025, 0.03, 0.032, 0.04, 0.064, 0.128)
_STEPS_S = (0.008, 0.01, 0.0125, 0.015, 0.016, 0.02, 0.025, 0.032, 0.064)
# What libraries do with their defaults, and no shipped specification does: fields that differ from those of a spec.
IDIOMS = Path(__file__).resolve().parent / "idioms"
_MFCC_BANDS = (23, 26, 32, 40, 64, 80, 128)
# The nearest starts from which a walk is made, and the clips that it hears.
_WALKS = 4
_ROUNDS = 3
_CLIPS = 3

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Fit:
    """What a search ended with.

    Attributes:
        spec: the nearest specification found; its ``distance`` is over all clips.
        start: the shipped specification, or the idiom, from which the walk began.
        tried: starts whose shape is the reference's.
        order: how the reference's axes lie, empty where they lie as they should.
    """

    spec: FeatureSpec
    start: str
    distance: Distance
    tried: int
    order: str


def fit(
    recordings: Sequence[Recording],
    array: npt.NDArray[Any],
    rate_hz: int,
    clip_samples: int,
    where: str,
    quantize: Callable[[extract.Features], npt.NDArray[Any]],
    is_near: Callable[[Distance], bool],
    progress: Progress = lambda what, done, total: None,
) -> Fit:
    """Search the options for the specification that gives the array.

    Args:
        recordings: the clips, in the array's order.
        array: (clips, …) float32, as ``reference.load`` gives it.
        rate_hz, clip_samples: at which rate the features were computed, and from how many samples of each clip.
        where: the array's file, for messages.
        quantize: the network's input from features.
        is_near: when features count as equal.

    Raises:
        DataError: no combination of window, step and bands gives the array's shape.
    """
    starts: list[tuple[str, FeatureSpec, Reference]] = []
    for name, spec in _starts(array.shape[1:], rate_hz, clip_samples):
        starts += [(name, spec, each) for each in _oriented(array, spec, where)]
    if not starts:
        raise DataError(
            "no window, step and number of bands give the shape of the reference",
            where=where,
            found="(" + ", ".join(map(str, array.shape)) + f") from {clip_samples} samples at {rate_hz} Hz",
            hint="give the rate and the length at which the features were computed: --rate, --duration",
        )
    heard = sorted({i * len(recordings) // _CLIPS for i in range(min(_CLIPS, len(recordings)))})
    few = [recordings[i] for i in heard]
    searches: dict[str, Search] = {}
    ranked = []
    for done, (name, spec, reference) in enumerate(starts):
        progress("trying front ends", done, len(starts))
        key = reference.order
        if key not in searches:
            searches[key] = Search(few, reference.values[heard].astype(np.float32), quantize)
        ranked.append((_similarity(searches[key], spec), name, spec, reference))
    ranked.sort(key=lambda one: -one[0])
    found = []
    for done, (_, name, spec, reference) in enumerate(ranked[:_WALKS]):
        progress("walking from the nearest", done, _WALKS)
        error, nearest = _walk(searches[reference.order], spec, is_near)
        found.append((error, name, nearest, reference))
        if is_near(searches[reference.order].distance(nearest)):
            break
    _, name, spec, reference = min(found, key=lambda one: one[0])
    whole = Search(recordings, reference.values.astype(np.float32), quantize)
    return Fit(spec, name, whole.distance(spec), len(starts), reference.order)


def _walk(
    search: Search, spec: FeatureSpec, is_near: Callable[[Distance], bool]
) -> tuple[float, FeatureSpec]:
    """The nearest spec of some walks, each from where the last one ended; and its mean error.

    A walk may end with gains and offsets of each band that stand for an option. The next begins without them, with
    the logarithm and norm that then fit best.
    """
    best = search.nearest(spec, is_near)
    for _ in range(_ROUNDS):
        if is_near(best.distance):
            break
        plain = [each for each in _without_gains(best.spec) if each.is_fitted]
        start = min(plain, key=lambda each: search.distance(each).plain_mean)
        again = search.nearest(start, is_near)
        if again.distance.plain_mean >= best.distance.plain_mean:
            break
        best = again
    return best.distance.plain_mean, best.spec


def _without_gains(spec: FeatureSpec) -> Iterator[FeatureSpec]:
    yield spec
    logs = [{"log": "ln"}, {"log": "log10"}, {"log": "db"}]
    norms = (
        [{}]
        if spec.filters == "none" or spec.mel_corners == "bin"
        else [{"mel_norm": "none"}, {"mel_norm": "slaney"}]
    )
    floors = [{}, {"log_offset": 0.0, "log_floor": 1e-10}, {"log_offset": 1e-6, "log_floor": 0.0}]
    for log, norm, floor in itertools.product(logs, norms, floors):
        try:
            yield spec.unnormalized().replace(range_low=0.0, range_high=1.0, **log, **norm, **floor)
        except FeatureError:
            continue


def _similarity(search: Search, spec: FeatureSpec) -> float:
    """Correlation of a spec's features with the reference: what no gain or offset of the values changes."""
    made, wanted = search.statics(spec)
    a, b = (x - x.mean() for x in (made, wanted))
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float((a * b).sum()) / size if size > 0 else 0.0


def _oriented(array: npt.NDArray[Any], spec: FeatureSpec, where: str) -> list[Reference]:
    try:
        return list(oriented(array, spec, len(array), where))
    except DataError:
        return []


def _starts(shape: tuple[int, ...], rate_hz: int, clip_samples: int) -> Iterator[tuple[str, FeatureSpec]]:
    """Specifications whose features may have the shape, each once: the shipped ones and their frames varied."""
    seen = set()
    for name, idiom in _idioms():
        for window, n_fft, hop in _frames(idiom, rate_hz):
            for bands in sorted(set(shape)):
                for spec in _varied(idiom, rate_hz, clip_samples, window, n_fft, hop, bands):
                    if spec not in seen and spec.rows in (*shape, math.prod(shape) // bands):
                        seen.add(spec)
                        yield name, spec


def _idioms() -> Iterator[tuple[str, FeatureSpec]]:
    for path in sorted(IDIOMS.glob("*.toml")):
        yield path.stem, specs.log_mel(specs.load(path), str(path))
    for name in specs.names():
        spec = specs.load(name)
        if isinstance(spec, FeatureSpec) and spec.normalization != "mean_std":
            yield name, spec


def _frames(idiom: FeatureSpec, rate_hz: int) -> Iterator[tuple[int, int, int]]:
    """(window, FFT, step) in samples: the idiom's own, and usual ones with its relation of window and FFT."""
    yield idiom.win_length, idiom.n_fft, idiom.hop_length
    padded = idiom.win_length < idiom.n_fft
    for window_s in _WINDOWS_S:
        window = round(window_s * rate_hz)
        power = 1 << (window - 1).bit_length()
        for step_s in _STEPS_S:
            yield window if padded else power, power, round(step_s * rate_hz)
            if not padded:
                yield window, window, round(step_s * rate_hz)


def _varied(
    idiom: FeatureSpec, rate_hz: int, clip_samples: int, window: int, n_fft: int, hop: int, bands: int
) -> Iterator[FeatureSpec]:
    if n_fft > clip_samples:
        return
    nyquist = rate_hz / 2
    whole = idiom.fmax_hz >= idiom.sample_rate_hz / 2
    changes: dict[str, Any] = {
        "sample_rate_hz": rate_hz, "clip_samples": clip_samples, "n_fft": n_fft, "win_length": window,
        "hop_length": hop, "fmax_hz": nyquist if whole else min(idiom.fmax_hz, nyquist), "frame_length": 0,
        "fmin_hz": idiom.fmin_hz if idiom.fmin_hz < nyquist / 2 else 0.0,
    }  # fmt: skip
    sizes = [{"n_mels": bands}]
    if idiom.n_mfcc is not None:
        sizes = [{"n_mfcc": bands, "n_mels": max(bands, count)} for count in (idiom.n_mels, *_MFCC_BANDS)]
    for size in sizes:
        try:
            yield idiom.replace(**changes, **size)
        except FeatureError:
            continue
