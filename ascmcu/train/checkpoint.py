# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: everything that a resumed training needs to continue bit for bit.

That is every variable of the model (weights, moving statistics, the state of dropout's generators) and of the
optimiser (moments, averages, step count), the history so far, and the best weights with their epoch.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from ascmcu.errors import DataError
from ascmcu.paths import write_whole

Weights = list[npt.NDArray[Any]]


@dataclass(frozen=True)
class Best:
    """The weights to keep so far, the epoch (from 0) they come from, and what made them the best."""

    epoch: int
    score: tuple[float, float]
    weights: Weights


@dataclass(frozen=True)
class State:
    """Where a training stands after some epochs.

    Args:
        history: one row of plain values per finished epoch.
        best: the best epoch's weights, where there is something to validate on.
        sums: weights summed over snapshots (averaging), and how many.
    """

    history: list[dict[str, Any]] = field(default_factory=list)
    best: Best | None = None
    sums: Weights = field(default_factory=list)
    snapshots: int = 0


def save(path: Path, run: str, model: keras.Model, state: State, beside: Sequence[Any] = ()) -> None:
    """Write the state, in one piece or not at all.

    Args:
        run: identifies the recipe and the data; ``load`` takes the file for the same run only.
        beside: trained variables that are not the model's, such as a hint's adapter.
    """
    arrays = {f"model{i}": v.numpy() for i, v in enumerate([*_variables(model), *beside])}
    arrays |= {f"optimizer{i}": v.numpy() for i, v in enumerate(model.optimizer.variables)}
    arrays |= {f"sum{i}": value for i, value in enumerate(state.sums)}
    about: dict[str, Any] = {"run": run, "history": state.history, "snapshots": state.snapshots}
    if state.best:
        arrays |= {f"best{i}": value for i, value in enumerate(state.best.weights)}
        about["best"] = {"epoch": state.best.epoch, "score": state.best.score}
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = io.BytesIO()
    np.savez(whole, about=np.array(json.dumps(about)), **arrays)
    write_whole(path, whole.getvalue())


def load(path: Path, run: str, model: keras.Model, beside: Sequence[Any] = ()) -> State:
    """Put a saved state into a compiled model; an empty state when there is no file, or one of another run.

    Raises:
        DataError: the file is of this run, and does not fit the model.
    """
    if not path.is_file():
        return State()
    with np.load(path) as stored:
        about = json.loads(str(stored["about"]))
        if about["run"] != run:
            return State()
        _assign([*_variables(model), *beside], _numbered(stored, "model"), path)
        _assign(list(model.optimizer.variables), _numbered(stored, "optimizer"), path)
        best = None
        if about.get("best"):
            score = tuple(about["best"]["score"])
            best = Best(about["best"]["epoch"], (score[0], score[1]), _numbered(stored, "best"))
        return State(about["history"], best, _numbered(stored, "sum"), about["snapshots"])


def digest(values: object) -> str:
    """A name for a recipe and its data: equal for equal plain values."""
    import hashlib

    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def of_weights(model: keras.Model) -> str:
    """A name for a network's weights."""
    import hashlib

    return hashlib.sha256(
        b"".join(np.ascontiguousarray(w).tobytes() for w in model.get_weights())
    ).hexdigest()


def row_of(epoch: Any) -> dict[str, Any]:
    """Plain values of a frozen dataclass."""
    return asdict(epoch)


def _variables(model: keras.Model) -> list[Any]:
    """All that the model owns; its metrics start anew in every epoch, and its optimiser is stored apart."""
    generators = [layer.seed_generator.state for layer in _layers(model) if hasattr(layer, "seed_generator")]
    return [*model.weights, *generators]


def _layers(model: keras.Model) -> list[Any]:
    return [
        layer for layer in model._flatten_layers(include_self=False) if not isinstance(layer, keras.Model)
    ]


def _numbered(stored: Any, prefix: str) -> Weights:
    count = sum(1 for name in stored.files if name.startswith(prefix) and name[len(prefix) :].isdigit())
    return [stored[f"{prefix}{number}"] for number in range(count)]


def _assign(variables: list[Any], values: Weights, path: Path) -> None:
    shapes = [tuple(variable.shape) for variable in variables]
    if shapes != [value.shape for value in values]:
        raise DataError(
            "the checkpoint does not fit the network", where=str(path), hint="delete it to start anew"
        )
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
