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

# Frames of these lengths and steps are tried for every idiom, in seconds and in samples: those of the shipped
# specifications come too. Only those stay that give as many rows as the reference has.
_WINDOWS_S = (0.016, 0.02, 0.025, 0.03, 0.032, 0.04, 0.064, 0.128)
_STEPS_S = (0.008, 0.01, 0.0125, 0.015, 0.016, 0.02, 0.025, 0.032, 0.064)
_WINDOWS = (
    128, 160, 200, 256, 320, 400, 441, 480, 512, 551, 552, 640, 800, 882, 960, 1024, 1102, 1103, 1200, 1323, 1764,
    2048, 2205, 3072, 4096,
)  # fmt: skip
_STEPS = (
    64, 80, 100, 110, 128, 160, 200, 220, 221, 240, 256, 300, 320, 400, 441, 480, 500, 512, 551, 552, 600, 640, 800,
    882, 960, 1024, 1102, 1103, 2048,
)  # fmt: skip
# What libraries do with their defaults, and no shipped specification does: fields that differ from those of a spec.
IDIOMS = Path(__file__).resolve().parent / "idioms"
_MFCC_BANDS = (23, 26, 32, 40, 64, 80, 128)
# Rows that deltas and cropping may take away.
_LOST = 24
# Framings whose idioms are all tried, after one of each.
_FRAMINGS = 32
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
    starts = [
        _Start(name, spec, each)
        for name, spec in _starts(array.shape[1:], rate_hz, clip_samples)
        for each in _oriented(array, spec, where)
    ]
    if not starts:
        raise DataError(
            "none of the windows, steps and numbers of bands that are tried gives the shape of the reference",
            where=where,
            found="(" + ", ".join(map(str, array.shape)) + f") from {clip_samples} samples at {rate_hz} Hz",
            hint="give the rate and the length at which the features were computed: --rate, --duration; or write the "
            "specification, and compare it by `ascmcu features check SPEC.toml --reference`",
        )
    # Of silence nothing can be told: the clips that vary most are heard.
    varied = sorted(range(len(recordings)), key=lambda n: -float(np.std(array[n])))[:_CLIPS]
    few = [recordings[n] for n in sorted(varied)]
    searches = {
        start.reference.order: Search(
            few, start.reference.values[sorted(varied)].astype(np.float32), quantize
        )
        for start in starts
    }
    found = []
    for done, start in enumerate(_ranked(starts, searches, progress)[:_WALKS]):
        progress("walking from the nearest", done, _WALKS)
        search = searches[start.reference.order]
        error, nearest = _walk(search, start.spec, is_near)
        found.append((error, start, nearest))
        if is_near(search.distance(nearest)):
            break
    _, start, spec = min(found, key=lambda one: one[0])
    whole = Search(recordings, start.reference.values.astype(np.float32), quantize)
    return Fit(spec, start.name, whole.distance(spec), len(starts), start.reference.order)


@dataclass(frozen=True)
class _Start:
    """Where a walk may begin: an idiom in some framing, and the reference as it would lie."""

    name: str
    spec: FeatureSpec
    reference: Reference

    @property
    def framing(self) -> tuple[object, ...]:
        """What idioms of one framing have in common."""
        spec = self.spec
        kind = (spec.center, spec.filters, spec.n_mfcc is None, self.reference.order)
        return (spec.win_length, spec.n_fft, spec.hop_length, *kind)


def _ranked(starts: Sequence[_Start], searches: dict[str, Search], progress: Progress) -> list[_Start]:
    """The starts that are most like the reference, first: one of every framing is tried, then all of the best."""
    framings: dict[tuple[object, ...], list[_Start]] = {}
    for start in starts:
        framings.setdefault(start.framing, []).append(start)

    def alike(tried: Sequence[_Start], what: str) -> list[tuple[float, _Start]]:
        found = []
        for done, start in enumerate(tried):
            progress(what, done, len(tried))
            found.append((_similarity(searches[start.reference.order], start.spec), start))
        return sorted(found, key=lambda one: -one[0])

    best = alike([members[0] for members in framings.values()], "trying windows and steps")[:_FRAMINGS]
    members = [start for _, first in best for start in framings[first.framing]]
    return [start for _, start in alike(members, "trying front ends")]


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
    """Mean correlation of a spec's features with the reference, clip by clip: what no gain or offset of a clip's values
    changes, such as a peak that they are relative to."""
    found = []
    for made, wanted in zip(*search.statics(spec), strict=True):
        a, b = made - made.mean(), wanted - wanted.mean()
        size = float(np.linalg.norm(a) * np.linalg.norm(b))
        found.append(float((a * b).sum()) / size if size > 0 else 0.0)
    return float(np.mean(found))


def _oriented(array: npt.NDArray[Any], spec: FeatureSpec, where: str) -> list[Reference]:
    try:
        return list(oriented(array, spec, len(array), where))
    except DataError:
        return []


def _starts(shape: tuple[int, ...], rate_hz: int, clip_samples: int) -> Iterator[tuple[str, FeatureSpec]]:
    """Specifications whose features may have the shape, each once: the shipped ones and their frames varied."""
    seen = set()
    for name, idiom in _idioms():
        for window, n_fft, hop in dict.fromkeys(_frames(idiom, rate_hz)):
            if not any(_may_be(rows, clip_samples, n_fft, hop) for rows in _rows_of(shape)):
                continue
            for bands in sorted(set(shape)):
                for spec in _varied(idiom, rate_hz, clip_samples, window, n_fft, hop, bands):
                    if spec not in seen and spec.rows in (*shape, math.prod(shape) // bands):
                        seen.add(spec)
                        yield name, spec


def _rows_of(shape: tuple[int, ...]) -> set[int]:
    """How many rows an array of this shape may have."""
    return {*shape, *(math.prod(shape) // bands for bands in shape)}


def _may_be(rows: int, samples: int, n_fft: int, hop: int) -> bool:
    """Whether a clip can have so many rows, with its edges padded or not; spares most frames a spec of theirs."""
    return (samples - n_fft) // hop - _LOST <= rows <= samples // hop + 2


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
    windows = (*(round(s * rate_hz) for s in _WINDOWS_S), *_WINDOWS)
    steps = (*(round(s * rate_hz) for s in _STEPS_S), *_STEPS)
    for window, step in itertools.product(windows, steps):
        power = 1 << (window - 1).bit_length()
        yield window if padded else power, power, step
        if not padded:
            yield window, window, step


def _varied(
    idiom: FeatureSpec, rate_hz: int, clip_samples: int, window: int, n_fft: int, hop: int, bands: int
) -> Iterator[FeatureSpec]:
    if n_fft > clip_samples:
        return
    nyquist = rate_hz / 2
    whole = idiom.fmax_hz >= idiom.sample_rate_hz / 2
    changes: dict[str, Any] = {
        "sample_rate_hz": rate_hz, "clip_samples": clip_samples, "n_fft": n_fft, "win_length": window,
        "hop_length": hop, "fmax_hz": nyquist if whole else min(idiom.fmax_hz, nyquist),
        "frame_length": window if idiom.frame_length == idiom.win_length else 0,
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
