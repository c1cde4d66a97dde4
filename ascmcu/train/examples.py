# SPDX-License-Identifier: Apache-2.0
"""Training examples: features on disk, normalized batch by batch, so that they need not fit into memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ascmcu.data.datasets import Dataset, Recording
from ascmcu.errors import DataError
from ascmcu.features import extract
from ascmcu.features.spec import FeatureSpec, Learned
from ascmcu.features.tables import natural_units

Array = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Rows = npt.NDArray[Any]


@dataclass(frozen=True)
class Inputs:
    """The network's inputs of some recordings, read and normalized when they are indexed.

    ``raw`` is (all recordings, time, mel, channel) before normalization; ``rows`` says which of them these are.
    An index may be a number, a slice or an array; the answer is float32 (…, *network input).
    """

    raw: Array
    rows: Rows
    spec: Learned

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Array:
        if isinstance(index, tuple):
            clips, *rest = index
            many = isinstance(clips, slice) or np.ndim(clips) > 0
            return np.asarray(self[clips][(slice(None), *rest) if many else tuple(rest)])
        rows = self.rows[index]
        if np.ndim(rows) == 0:
            return np.asarray(self[[index]][0])
        return to_input(normalized(self.raw[rows], self.spec), self.spec)

    def __array__(self, dtype: Any = None, copy: Any = None) -> npt.NDArray[Any]:
        return np.asarray(self[:], dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """(clips, *network input)."""
        return (len(self.rows), *self.spec.input_shape[1:])

    def unnormalized(self, rows: Rows) -> Array:
        """Raw features (clips, time, mel, channel) of some of the recordings."""
        return np.asarray(self.raw[self.rows[rows]])


def normalized(raw: Array, spec: Learned) -> Array:
    """Clips (clips, time, mel, channel) as the specification has them; ``raw`` is what ``cached`` gave."""
    if (
        isinstance(spec, FeatureSpec)
        and spec.normalization == "mean_std"
        and spec.normalization_stage == "after_deltas"
    ):
        mean, std = (np.array(table, np.float32).T for table in (spec.mean, spec.std))
        return np.asarray((raw - mean) / std, np.float32)
    if cached(spec) == spec:
        return raw
    return np.stack([extract.normalize(clip, spec) for clip in raw])


def cached(spec: Learned) -> Learned:
    """The form in which features lie in the cache: without what is fitted, or undone by an augmentation."""
    per_clip = spec.normalization == "clip_zscore" and spec.normalization_stage == "after_deltas"
    return spec.unnormalized() if spec.normalization == "mean_std" or per_clip else spec


def to_input(x: Array, spec: Learned) -> Array:
    """The network's layout, contiguous."""
    return np.ascontiguousarray(extract.to_input(x, spec), np.float32)


@dataclass(frozen=True)
class Examples:
    """Labelled inputs.

    Args:
        inputs: the clips; an array of them, float32 (clips, *network input), will do.
        y: class indices (clips,); of a multi-label data set 0 or 1 for each class (clips, classes).
        time_axis: 1 or 2, as the network's input has it.
        versions: the same clips as varied recordings.
        answers: of teachers, float32 (clips, classes [+ groups]); empty without.
        responses: what is added to a reference clip, raw, to make it another device's (devices, mel, channel).
        is_reference: which clips the reference device recorded.
    """

    inputs: Inputs | Array
    y: Labels
    time_axis: int = 1
    versions: tuple[Inputs, ...] = ()
    answers: Array = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    responses: Array = field(default_factory=lambda: np.zeros((0, 0, 0), np.float32))
    is_reference: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))

    @property
    def x(self) -> Any:
        """The clips' own inputs: indexed like an array."""
        return self.inputs

    @property
    def spec(self) -> Learned | None:
        """What the inputs are, where that is known."""
        return self.inputs.spec if isinstance(self.inputs, Inputs) else None

    def columns(self, rows: Rows, classes: int) -> Array:
        """The targets of a batch, float32 (clips, classes)."""
        y = self.y[rows]
        return np.asarray(np.eye(classes, dtype=np.float32)[y] if y.ndim == 1 else y, np.float32)

    def take(self, rows: Rows, rng: np.random.Generator, device_shift: float = 0.0) -> Array:
        """A batch for training, each clip in any of its versions, some with another device's response."""
        if not isinstance(self.inputs, Inputs):
            return self.inputs[rows]
        raw = self._raw(rows, rng)
        if device_shift and len(self.responses):
            raw = self._shifted(raw, rows, device_shift, rng)
        return to_input(normalized(raw, self.inputs.spec), self.inputs.spec)

    def _raw(self, rows: Rows, rng: np.random.Generator) -> Array:
        assert isinstance(self.inputs, Inputs)
        if not self.versions:
            return self.inputs.unnormalized(rows)
        ways = (self.inputs, *self.versions)
        choice = rng.integers(len(ways), size=len(rows))
        return np.stack([ways[way].raw[ways[way].rows[row]] for way, row in zip(choice, rows, strict=True)])

    def _shifted(self, raw: Array, rows: Rows, chance: float, rng: np.random.Generator) -> Array:
        chosen = self.is_reference[rows] & (rng.random(len(rows)) < chance)
        response = self.responses[rng.integers(len(self.responses), size=len(rows))]
        shifted = raw.copy()
        shifted[chosen, ..., : response.shape[-1]] += response[chosen][:, None]
        return shifted


def device_responses(dataset: Dataset, inputs: Inputs, reference: str) -> tuple[Array, npt.NDArray[np.bool_]]:
    """How other devices hear: for every pair of recordings of one scene at one time, the difference of the spectra.

    The mean of the energy over the clip, as the features' logarithm has it; a delta does not see it.

    Returns:
        float32 (pairs, mel, audio channels), and which recordings the reference device made.

    Raises:
        DataError: no recording of the reference device has a partner.
    """
    together: dict[str, dict[str, int]] = defaultdict(dict)
    for number, recording in enumerate(dataset.recordings):
        together[_moment(recording)][recording.device] = number
    pairs = [
        (numbers[reference], number)
        for numbers in together.values()
        if reference in numbers
        for device, number in numbers.items()
        if device != reference
    ]
    if not pairs:
        raise DataError(
            "no two devices recorded the same moment",
            where=str(dataset.root),
            expected=f"recordings of device {reference} and another, as TAU Mobile names them",
        )
    base, channels = natural_units(inputs.spec), inputs.spec.audio_channels

    def spectrum(number: int) -> npt.NDArray[np.float64]:
        clip = inputs.unnormalized(np.array([number]))[0, ..., :channels].astype(np.float64)
        return np.asarray(np.log(np.exp(clip * base).mean(axis=0)) / base)

    differences = [spectrum(other) - spectrum(mine) for mine, other in pairs]
    devices = np.array([recording.device == reference for recording in dataset.recordings])
    return np.array(differences, np.float32), devices


def _moment(recording: Recording) -> str:
    """TAU's file name without the device at its end."""
    return recording.path.stem.rpartition("-")[0]


def grouped(labels: Sequence[str], groups: dict[str, tuple[str, ...]]) -> Array:
    """Which class is in which group, float32 (classes, groups), each class in one.

    Raises:
        DataError: a class is in no group or in two, or a group names a class that the data set lacks.
    """
    table = np.array([[label in classes for classes in groups.values()] for label in labels], np.float32)
    unknown = {name for classes in groups.values() for name in classes} - set(labels)
    if unknown or not (table.sum(axis=1) == 1).all():
        raise DataError(
            "the groups do not divide the classes",
            where="[heads] groups",
            expected=", ".join(labels),
            found="; ".join(f"{name}: {', '.join(classes)}" for name, classes in groups.items()),
        )
    return table
