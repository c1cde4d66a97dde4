# SPDX-License-Identifier: Apache-2.0
"""The search space of a study: ``[search]`` of a recipe, each key a field of the recipe.

::

    [search]
    "network.stem_filters" = { low = 8, high = 24, step = 8 }
    "network.filters" = [[16, 24], [24, 32]]
    "features.n_mels" = [32, 40, 64]
    "training.learning_rate" = { low = 1e-3, high = 1e-2, log = true }
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ascmcu import tables
from ascmcu.errors import InputError

_SECTIONS = ("features", "network", "augment", "variation", "training", "heads", "teacher")


class Trial(Protocol):
    """As far as a search space needs an Optuna trial."""

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """An integer."""

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """A real number."""

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """One of several values."""


@dataclass(frozen=True)
class Choice:
    """One of several values, of any TOML type."""

    values: tuple[Any, ...]

    def draw(self, trial: Trial, name: str) -> Any:
        """Lists are stored as their JSON text: studies hold plain values only."""
        return json.loads(trial.suggest_categorical(name, [json.dumps(value) for value in self.values]))


@dataclass(frozen=True)
class Interval:
    """A number between two bounds, both included; integers where both bounds and the step are."""

    low: float
    high: float
    step: float | None = None
    log: bool = False

    def draw(self, trial: Trial, name: str) -> Any:
        """A number of the bounds' type."""
        whole = all(isinstance(v, int) for v in (self.low, self.high, self.step or 1))
        if whole:
            step = int(self.step or 1)
            return trial.suggest_int(name, int(self.low), int(self.high), step=step, log=self.log)
        return trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)


@dataclass(frozen=True)
class Space:
    """The places that vary, and how."""

    places: tuple[tuple[str, Choice | Interval], ...]

    @staticmethod
    def from_dict(raw: Mapping[str, Any], where: str) -> Space:
        """Check and take over plain values.

        Raises:
            InputError: a place or its range cannot be.
        """
        if not raw:
            raise InputError(
                "the search space is empty", where=where, expected="[search] with at least one field"
            )
        return Space(tuple((place, _dimension(place, value, where)) for place, value in raw.items()))

    def draw(self, trial: Trial, recipe: Mapping[str, Any]) -> dict[str, Any]:
        """The recipe's plain values with those that the trial proposes."""
        made: dict[str, Any] = copy.deepcopy(dict(recipe))
        for place, dimension in self.places:
            section, key = place.split(".", 1)
            made.setdefault(section, {})[key] = dimension.draw(trial, place)
        return made


def _dimension(place: str, value: Any, where: str) -> Choice | Interval:
    at = f"{where}: [search] {place}"
    section, _, key = place.partition(".")
    if section not in _SECTIONS or not key:
        raise InputError(
            "no such field in a recipe", where=at, expected=f"{', '.join(_SECTIONS)}, a dot and a key"
        )
    if isinstance(value, list) and value:
        return Choice(tuple(value))
    if not isinstance(value, dict) or not {"low", "high"} <= set(value) <= {"low", "high", "step", "log"}:
        raise InputError(
            "not a range", where=at, expected="[values…] or { low, high, step, log }", found=value
        )
    numbers = [value[k] for k in ("low", "high", "step") if k in value]
    if any(isinstance(n, bool) or not isinstance(n, (int, float)) or not math.isfinite(n) for n in numbers):
        raise InputError("a range needs finite numbers", where=at, found=value)
    interval = Interval(
        value["low"],
        value["high"],
        value.get("step"),
        tables.convert(bool, value.get("log", False), f"{at}, log"),
    )
    if (
        interval.low > interval.high
        or (interval.step is not None and interval.step <= 0)
        or (interval.log and (interval.low <= 0 or interval.step is not None))
    ):
        raise InputError("invalid range", where=at, found=value)
    return interval
