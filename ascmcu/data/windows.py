# SPDX-License-Identifier: Apache-2.0
"""Recordings as clips side by side, as `ascmcu bench --long windows` takes them."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ascmcu.data import found, intake
from ascmcu.data.datasets import Dataset
from ascmcu.data.listing import Recording
from ascmcu.features.base import ClipSpec


def cut(dataset: Dataset, spec: ClipSpec) -> Dataset:
    """Every recording as its clips, one behind the other; those of a recording follow each other.

    Raises:
        DataError: recordings that cannot be used.
    """
    told = intake.usable([recording.path for recording in dataset.recordings], dataset.root)
    clips = tuple(
        dataclasses.replace(recording, start_s=start / spec.sample_rate_hz)
        for recording, one in zip(dataset.recordings, told, strict=True)
        for start in found.window_starts(one, spec, "windows")
    )
    return dataclasses.replace(dataset, recordings=clips)


def together(dataset: Dataset, values: npt.NDArray[Any]) -> tuple[Dataset, npt.NDArray[np.float64]]:
    """The recordings that clips are of, and the mean of their values.

    Args:
        dataset: clips, as ``cut`` gives them, or whole recordings.
        values: (clips, …).

    Returns:
        One recording for all its clips, and the means, float64 (recordings, …).
    """
    groups = [list(group) for _, group in itertools.groupby(range(len(values)), _path_of(dataset.recordings))]
    recordings = tuple(dataclasses.replace(dataset.recordings[group[0]], start_s=0.0) for group in groups)
    means = [np.mean(values[group], axis=0, dtype=np.float64) for group in groups]
    return dataclasses.replace(dataset, recordings=recordings), np.array(means)


def _path_of(recordings: Sequence[Recording]) -> Any:
    return lambda number: recordings[number].path
