# SPDX-License-Identifier: Apache-2.0
"""A network's probabilities for recordings, by the generated C on the host: the device's bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ascmcu import api
from ascmcu import scratch as scratches
from ascmcu.api.compiling import Compiled, compile_model, model_file
from ascmcu.data import audio, intake
from ascmcu.data.intake import Progress
from ascmcu.errors import InputError
from ascmcu.features.base import ClipSpec

BATCH = 256
# Any board would do: a library is compiled for the host here.
_BOARD = "nucleo-l4r5"


@dataclass(frozen=True)
class Entrant:
    """The model of a submission: its file and what was read from it."""

    path: Path
    compiled: Compiled

    @staticmethod
    def of(path: Path) -> Entrant:
        """The model of a run's folder, or a ``.tflite``.

        Raises:
            ModelError: the file is not a model, or it cannot be compiled.
            InputError: it has no front end or does not name its classes.
        """
        compiled = compile_model(path)
        if compiled.features is None:
            raise InputError(
                "the model has no front end: recordings cannot be given to it",
                where=str(path),
                hint="quantize with --features SPEC, or give the folder of a run of `ascmcu train`",
            )
        if not compiled.labels:
            raise InputError(
                "the model does not name its classes", where=str(path), hint="`ascmcu train` writes them"
            )
        return Entrant(path, compiled)

    @property
    def file(self) -> Path:
        """The ``.tflite`` itself."""
        return model_file(self.path)

    @property
    def features(self) -> ClipSpec:
        """The front end."""
        assert self.compiled.features is not None
        return self.compiled.features


def probabilities(
    entrant: Entrant, files: Sequence[Path], root: Path, progress: Progress = lambda done, total: None
) -> npt.NDArray[np.float64]:
    """The probabilities of every recording, float64 (recordings, classes), in the order of the model's classes.

    A row sums to 1. Outputs that are no probabilities go through a softmax.

    Raises:
        DataError: recordings that cannot be used.
        ToolError: there is no compiler for the host.
    """
    intake.require(files, entrant.features, root)
    found: list[npt.NDArray[Any]] = []
    with scratches.folder() as scratch:
        built = api.export(entrant.path, _BOARD, scratch / "library", output="library")
        for start in range(0, len(files), BATCH):
            part = files[start : start + BATCH]
            clips = np.stack([audio.load_pcm(path, entrant.features) for path in part])
            outputs = api.predict(built, audio=clips, real=True)
            first = outputs[0] if isinstance(outputs, tuple) else outputs
            found.append(first.reshape(len(part), -1))
            progress(start + len(part), len(files))
    return _normal(np.concatenate(found).astype(np.float64))


def _normal(outputs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Rows that sum to 1: quantized probabilities miss that by some steps."""
    if outputs.min() < 0 or not np.allclose(outputs.sum(axis=1), 1.0, atol=0.1):
        raised = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))
    return np.asarray(outputs / outputs.sum(axis=1, keepdims=True))
