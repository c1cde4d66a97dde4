# SPDX-License-Identifier: Apache-2.0
"""Draws models until candidates disagree, and runs the differential chain on them."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ascmcu.errors import ModelError
from ascmcu.frontends import tflite
from tests.support import chain, native_compilers
from tests.support.adversary import (
    copying,
    elementwise,
    extremes,
    floating,
    joined,
    recurring,
    reducing,
    tables,
)
from tests.support.adversary.arithmetic import Draw, Trial
from tests.support.adversary.families import FAMILIES, Family
from tests.support.litert import Reference

# Importing them registers the families.
assert all((copying, elementwise, extremes, floating, joined, recurring, reducing, tables))
# Draws that are spent on showing the candidate that was shown least; the last one is taken as it is.
DRAWS = 40


@dataclass
class Tally:
    """What one family came to on one element type."""

    models: int = 0
    compiled: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    revealed: Counter[str] = field(default_factory=Counter)
    disagreeing: int = 0
    differences: list[str] = field(default_factory=list)

    def row(self) -> dict[str, object]:
        """As JSON."""
        return {
            "models": self.models,
            "in C": self.compiled,
            "on which formulas differ": self.disagreeing,
            "formulas": dict(sorted(self.revealed.items())),
            "refused": dict(sorted(self.refused.items())),
            "differences": self.differences,
        }


def draw(family: Family, dtype: str, rng: np.random.Generator, revealed: Counter[str]) -> Trial:
    """A trial on which the candidate that ``revealed`` counts least answers otherwise, or one on which any does."""
    kept = None
    for _ in range(DRAWS):
        trial = family.draw(Draw(rng, dtype))
        if not trial.answers:
            return trial
        shown = trial.revealed()
        least = min(list(trial.answers)[1:], key=lambda name: revealed[name], default="")
        if least in shown:
            return trial
        kept = trial if shown else kept or trial
    assert kept is not None
    return kept


def trials(family: Family, dtype: str, seed: int, revealed: Counter[str]) -> Iterator[Trial]:
    """Networks of a family, the same for the same seed."""
    rng = np.random.default_rng([seed, zlib.crc32(f"{family.name} {dtype}".encode())])
    while True:
        yield draw(family, dtype, rng, revealed)


def hunt(family: Family, dtype: str, models: int, seed: int, *, every: int = 1) -> Tally:
    """Draw and check ``models`` networks of a family; of each ``every``-th one also the C."""
    tally = Tally()
    for attempts, trial in enumerate(trials(family, dtype, seed, tally.revealed), 1):
        if tally.models >= models or attempts > 20 + 8 * models:
            break
        compiled = tally.models % every == 0
        verdict = check(trial, compiled=compiled)
        if verdict.startswith("refused"):
            tally.refused[verdict] += 1
            continue
        tally.models += 1
        tally.compiled += compiled
        shown = trial.revealed()
        tally.revealed.update(dict.fromkeys(list(trial.answers)[1:], 0))
        tally.revealed.update(shown)
        tally.disagreeing += bool(shown)
        if verdict != "equal":
            tally.differences.append(f"model {attempts}: {verdict}")
    return tally


def check(trial: Trial, *, compiled: bool = True) -> str:
    """``equal``, ``refused …``, or what differs and which candidate LiteRT agrees with."""
    refused = refusal(trial)
    if refused is not None:
        return refused
    if tflite.parse(trial.data, "trial").states:
        return _check_steps(trial, compiled)
    reference = Reference(trial.oracle or trial.data, trial.resolver)
    try:
        chain.check(
            trial.data,
            reference=reference,
            native=native_compilers.turn(zlib.crc32(trial.data)),
            inputs=trial.sets,
            tolerance=trial.tolerance,
            compiled=compiled,
        )
    except AssertionError as error:
        return f"{error} ({_agrees(trial, reference)})"
    return "equal"


def _check_steps(trial: Trial, compiled: bool) -> str:
    """The same for a network with states: as many steps as there are sets, on inputs of its own."""
    seed = zlib.crc32(trial.data)
    try:
        chain.check_steps(
            trial.data, steps=len(trial.sets), seed=seed, tolerance=trial.tolerance, compiled=compiled
        )
    except AssertionError as error:
        return str(error)
    return "equal"


def refusal(trial: Trial) -> str | None:
    """Who does not take the model, and why; ``None`` if both do."""
    try:
        tflite.parse(trial.data, "trial")
    except ModelError as error:
        return f"refused: {error.what}"
    try:
        Reference(trial.oracle or trial.data, trial.resolver)
    except (RuntimeError, ValueError):
        return "refused by LiteRT"
    return None


def _agrees(trial: Trial, reference: Reference) -> str:
    expected = np.stack([reference(x)[0] for x in trial.sets])
    right = [name for name, a in trial.answers.items() if np.array_equal(a.reshape(expected.shape), expected)]
    claimed = next(iter(trial.answers), "nothing")
    return f"claimed: {claimed}; LiteRT agrees with {'; '.join(right) or 'no candidate'}"


def supported(family: Family, dtype: str) -> bool:
    """Whether both sides take the family's models on that element type; tried on some."""
    rng = np.random.default_rng(1)
    for _ in range(8):
        trial = family.draw(Draw(rng, dtype))
        if refusal(trial) is None:
            return True
    return False


def pairs(only: str = "") -> list[tuple[Family, str]]:
    """Every family on every element type that both sides take, whose title holds ``only``."""
    named = [(f, dtype) for f in FAMILIES.values() for dtype in f.dtypes if only in f"{f.name} {dtype}"]
    return [(f, dtype) for f, dtype in named if supported(f, dtype)]
