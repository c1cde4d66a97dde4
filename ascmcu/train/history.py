# SPDX-License-Identifier: Apache-2.0
"""The history of a training, epoch by epoch, and the files that show it while the training runs."""

from __future__ import annotations

import csv
import dataclasses
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ascmcu.paths import write_whole
from ascmcu.train import loop, plots
from ascmcu.train.loop import Epoch
from ascmcu.train.recipe import Training

# A picture takes longer to draw than some epochs take to train: it may take this share of the time.
DRAWING_SHARE = 0.05


@dataclass(frozen=True)
class History:
    """The epochs of every stage; the numbers of each stage's epochs begin with 1."""

    training: Training
    stages: tuple[tuple[Epoch, ...], ...] = ()

    @property
    def epochs(self) -> tuple[Epoch, ...]:
        """Those of all stages, in the order in which they ran."""
        return tuple(epoch for stage in self.stages for epoch in stage)

    def followed_by(self, stage: Sequence[Epoch]) -> History:
        """The history with one more stage."""
        return History(self.training, (*self.stages, tuple(stage)))

    @property
    def kept(self) -> tuple[int, ...]:
        """The epochs whose weights, or whose weights' mean, the training ends with; from 1 over all stages."""
        last = self.stages[-1] if self.stages else ()
        before = len(self.epochs) - len(last)
        return tuple(before + number for number in loop.kept_epochs(last, self.training))

    def write(self, path: Path) -> None:
        """A CSV table, a line for each epoch."""
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(field.name for field in dataclasses.fields(Epoch))
        table.writerows(dataclasses.astuple(epoch) for epoch in self.epochs)
        write_whole(path, text.getvalue())


class Log:
    """``progress.csv`` and ``progress.png`` in a run's folder: the history so far.

    They have their own names because an earlier run's ``history.csv`` may lie beside its model until this one ends.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._next_drawing_s = 0.0

    def __call__(self, before: History, stage: Sequence[Epoch]) -> None:
        """Write the table after every epoch, and the picture as often as ``DRAWING_SHARE`` allows.

        Args:
            before: the stages that are done.
            stage: the epochs of the one that runs.
        """
        history = before.followed_by(stage)
        self._folder.mkdir(parents=True, exist_ok=True)
        history.write(self._folder / "progress.csv")
        began = time.monotonic()
        if began < self._next_drawing_s:
            return
        plots.curves(history, self._folder / "progress.png")
        ended = time.monotonic()
        self._next_drawing_s = ended + (ended - began) / DRAWING_SHARE
