# SPDX-License-Identifier: Apache-2.0
"""Compare a user's own features with the generated front end, value by value and answer by answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ascmcu.benchmark import parity
from ascmcu.benchmark.parity import EQUAL_PERCENT_MIN, ERROR_DB_MAX, Quantization
from ascmcu.features import extract
from ascmcu.features.neighbours import Distance, Recording, Search, Step
from ascmcu.features.precision import in_decibels
from ascmcu.features.reference import Reference, check_order
from ascmcu.features.spec import FeatureSpec
from ascmcu.ir.graph import Graph
from ascmcu.toolchain.native import NativeFrontend

Progress = Callable[[str, int, int], None]

# Neighbours are tried on so many clips, spread over all; what is found is confirmed on all of them.
_SEARCH_CLIPS = 6


@dataclass(frozen=True)
class Answer:
    """One clip's best class with the reference's features and with the device's; ``margin_percent`` as in parity."""

    name: str
    reference: int
    device: int
    margin_percent: float


@dataclass(frozen=True)
class Comparison:
    """A front end against a reference.

    Attributes:
        clips: their names, in the order of the reference.
        distance: of the generated C from the reference.
        by_row, by_bin: mean absolute difference of trusted values, in ``distance.unit``.
        worst_at: clip, row, bin and channel of the worst difference.
        order: how the reference's axes lie, empty where they lie as they should.
        quantized: whether the reference was integer; the criterion is then equal values alone.
        constants_fitted: whether ``mean`` and ``std`` were taken from the reference, as the spec has none.
        shift_rows: rows by which the reference is late (early below zero) where that explains most; else 0.
        nearer: single options that would bring the spec nearer, nearest first.
        nearest: several options together, where one is not enough and they are clearly nearer than the best one.
        answers: of every clip, with a model.
    """

    clips: tuple[str, ...]
    distance: Distance
    by_row: tuple[float, ...]
    by_bin: tuple[float, ...]
    worst_at: tuple[int, int, int, int]
    order: str
    quantized: bool
    constants_fitted: bool
    shift_rows: int
    nearer: tuple[Step, ...]
    nearest: Step | None
    answers: tuple[Answer, ...]

    @property
    def holds(self) -> bool:
        """Whether the spec gives the reference's features: see ``is_near``."""
        return is_near(self.distance, self.quantized)

    @property
    def differing(self) -> tuple[Answer, ...]:
        """The clips that get another class."""
        return tuple(a for a in self.answers if a.reference != a.device)


def is_near(distance: Distance, quantized: bool) -> bool:
    """At least 99.9 % of the quantized values equal; of float decibels also at most 0.01 dB off."""
    loose = quantized or distance.unit != "dB"
    return distance.equal_percent >= EQUAL_PERCENT_MIN and (loose or distance.worst <= ERROR_DB_MAX)


def check(
    spec: FeatureSpec,
    recordings: Sequence[Recording],
    references: Sequence[Reference],
    quantization: Quantization | None,
    where: str,
    graph: Graph | None = None,
    progress: Progress = lambda what, done, total: None,
) -> Comparison:
    """Compare the spec's generated C with somebody's features of the same recordings.

    Args:
        references: the ways in which the array's axes may lie; the nearest is taken.
        quantization: of the network's input; None derives one from a float reference's range.
        where: the reference's file, for messages.
        graph: the network, for its answers.

    Raises:
        DataError: the clips lie in another order.
        ToolError, BuildError: the front end cannot be built for this machine.
    """
    floats = [_floats(r, quantization) for r in references]
    q = quantization or parity.quantization_for(list(floats[0]))

    def quantize(x: extract.Features) -> npt.NDArray[Any]:
        return extract.quantize(x, q.scale, q.zero_point, q.dtype)

    chosen = _nearest_order(spec, recordings, floats, quantize)
    reference, values = references[chosen], floats[chosen]
    search = Search(recordings, values, quantize)
    fitted = search.fitted(spec)
    features = np.stack([search.features(n, fitted) for n in range(len(recordings))])
    names = tuple(r.name for r in recordings)
    check_order(features, values, names, where)
    device = NativeFrontend(fitted)
    rows = []
    for done in range(len(recordings)):
        progress("running the front end", done, len(recordings))
        rows.append(device.rows(search.pcm(done, fitted)))
    made = np.stack(rows)
    wanted = reference.values if reference.is_quantized else quantize(values)
    distance, by_row, by_bin, worst_at = _distance(fitted, search, made, values, quantize(made) == wanted)
    near = is_near(distance, reference.is_quantized)
    nearer, nearest = ((), None) if near else _search(spec, recordings, values, quantize, reference, progress)
    return Comparison(
        clips=names,
        distance=distance,
        by_row=by_row,
        by_bin=by_bin,
        worst_at=worst_at,
        order=reference.order,
        quantized=reference.is_quantized,
        constants_fitted=not spec.is_fitted,
        shift_rows=0 if near else _shift(made, values),
        nearer=nearer,
        nearest=nearest,
        answers=() if graph is None else _answers(graph, fitted, names, wanted, quantize(made), progress),
    )


def _floats(reference: Reference, q: Quantization | None) -> npt.NDArray[np.float32]:
    if not reference.is_quantized:
        return reference.values
    assert q is not None
    return ((reference.values.astype(np.float32) - q.zero_point) * np.float32(q.scale)).astype(np.float32)


def _nearest_order(
    spec: FeatureSpec,
    recordings: Sequence[Recording],
    floats: Sequence[npt.NDArray[np.float32]],
    quantize: Callable[[extract.Features], npt.NDArray[Any]],
) -> int:
    """Which way of laying the axes is nearest, by the first clip; a square of rows and bins has two."""
    if len(floats) == 1:
        return 0
    found = []
    for values in floats:
        search = Search(recordings, values[:1], quantize)
        found.append(search.distance(search.fitted(spec)).plain_mean)
    return int(np.argmin(found))


def _distance(
    spec: FeatureSpec,
    search: Search,
    made: npt.NDArray[np.float32],
    wanted: npt.NDArray[np.float32],
    equal: npt.NDArray[np.bool_],
) -> tuple[Distance, tuple[float, ...], tuple[float, ...], tuple[int, int, int, int]]:
    """The distance with its pattern by row and by bin, and where the worst difference is."""
    scale = in_decibels(spec)
    plain = np.abs(made.astype(np.float64) - wanted)
    kept = np.stack([search.trusted(n, spec) for n in range(len(made))])
    error = np.where(kept, plain * (1.0 if scale is None else scale), 0.0)
    count = np.maximum(kept.sum(axis=(0, 2, 3)), 1), np.maximum(kept.sum(axis=(0, 1, 3)), 1)
    clip, row, band, channel = (int(i) for i in np.unravel_index(int(error.argmax()), error.shape))
    distance = Distance(
        worst=float(error.max()),
        mean=float(error.sum() / max(int(kept.sum()), 1)),
        unit="units" if scale is None else "dB",
        equal_percent=float(100 * equal.mean()),
        plain_mean=float(plain.mean()),
    )
    by_row, by_bin = error.sum(axis=(0, 2, 3)) / count[0], error.sum(axis=(0, 1, 3)) / count[1]
    return distance, tuple(by_row.tolist()), tuple(by_bin.tolist()), (clip, row, band, channel)


def _search(
    spec: FeatureSpec,
    recordings: Sequence[Recording],
    values: npt.NDArray[np.float32],
    quantize: Callable[[extract.Features], npt.NDArray[Any]],
    reference: Reference,
    progress: Progress,
) -> tuple[tuple[Step, ...], Step | None]:
    """Single neighbours that are nearer, and several options together; on a few clips."""
    count = min(_SEARCH_CLIPS, len(recordings))
    some = [i * len(recordings) // count for i in range(count)]
    search = Search([recordings[i] for i in some], values[some], quantize)
    start = search.distance(search.fitted(spec))
    found = search.neighbours(spec, lambda done, total: progress("trying other options", done, total))
    nearer = tuple(step for step in found if _is_nearer(step.distance, start))
    if nearer and is_near(nearer[0].distance, reference.is_quantized):
        return nearer, None
    progress("trying several options together", 0, 1)
    nearest = search.nearest(spec, lambda distance: is_near(distance, reference.is_quantized))
    best = nearer[0].distance.plain_mean if nearer else start.plain_mean
    return nearer, nearest if nearest.distance.plain_mean < 0.8 * best else None


def _is_nearer(found: Distance, start: Distance) -> bool:
    """Clearly nearer in the reference's units, and in decibels where both are told in them."""
    same_unit = found.unit == start.unit
    return found.plain_mean < 0.95 * start.plain_mean and (not same_unit or found.mean < start.mean)


def _shift(made: npt.NDArray[np.float32], wanted: npt.NDArray[np.float32]) -> int:
    """Rows by which the reference is late, where the differences all but vanish with them."""
    rows = made.shape[1]
    errors = {}
    for shift in (-2, -1, 0, 1, 2):
        if abs(shift) < rows:
            ours, theirs = (x[:, max(0, s) : rows + min(0, s)] for x, s in ((made, -shift), (wanted, shift)))
            errors[shift] = float(np.abs(ours.astype(np.float64) - theirs).mean())
    least = min(errors, key=errors.__getitem__)
    return least if errors[least] < 0.2 * errors[0] else 0


def _answers(
    graph: Graph,
    spec: FeatureSpec,
    names: Sequence[str],
    wanted: npt.NDArray[Any],
    made: npt.NDArray[Any],
    progress: Progress,
) -> tuple[Answer, ...]:
    """What the network says of every clip with either features, bit for bit as the firmware would."""
    found = []
    for n, name in enumerate(names):
        progress("predicting", n, len(names))
        theirs, ours = (parity.scores(graph, spec, x[n]) for x in (wanted, made))
        heard = parity.Heard(theirs, ours)
        found.append(Answer(name, int(theirs.argmax()), int(ours.argmax()), heard.margin_percent))
    return tuple(found)
