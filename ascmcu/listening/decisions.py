# SPDX-License-Identifier: Apache-2.0
"""What is decided from the scores of window after window: a specification, its integers, and their reference.

The generated C (``templates/listen/decisions.c.j2``) does the same with the same integers. A score is an output's
integer above its zero point, times 256; of a float output, the integer is floor(32768 x), between -65536 and 65535.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt

from ascmcu import tables
from ascmcu.errors import InputError, near
from ascmcu.tables import Range

# Parts of an output's integer that a score counts in.
FRACTION = 256
FLOAT_SCALE = 1 / 32768
_FLOAT_LOW, _FLOAT_HIGH = -65536, 65535
_MOST_HOPS = 60_000
Smoothing = Literal["none", "mean", "exponential"]


@dataclass(frozen=True)
class Rule:
    """When a class is an event.

    Attributes:
        label: the class's name; its number, counted from 0, as an integer or as text that is no class's name.
        on: the smoothed score from which the event begins.
        off: the score below which it ends; ``on`` by default.
        minimum_s: seconds for which the score must be there.
        refractory_s: seconds behind its end in which no other event of the rule begins.
    """

    label: str | int
    on: float
    off: float | None = None
    minimum_s: Annotated[float, Range(0, 600)] = 0.0
    refractory_s: Annotated[float, Range(0, 600)] = 0.0


@dataclass(frozen=True)
class Gate:
    """No event begins while the sound is quiet, or while another network has found nothing.

    Attributes:
        level_dbfs: of a hop's samples, root of the mean square, full scale being 32,768.
        model: the program opens the gate when another network, such as a voice activity detector, has found something.
        hold_s: seconds behind the hop that opened the gate for which it stays open.
    """

    level_dbfs: Annotated[float, Range(-100, 0)] | None = None
    model: bool = False
    hold_s: Annotated[float, Range(0, 600)] = 0.0


@dataclass(frozen=True)
class DecisionSpec:
    """A file of decisions.

    Attributes:
        event: the rules.
        smoothing: of each class's score.
        windows: of the mean, 1 by default.
        weight: of the newest score in the exponential mean, 1 by default; rounded to 1/256.
        gate: by level, or by another network.
    """

    event: tuple[Rule, ...]
    smoothing: Smoothing = "none"
    windows: Annotated[int, Range(1, 64)] | None = None
    weight: Annotated[float, Range(1 / 256, 1)] | None = None
    gate: Gate | None = None


@dataclass(frozen=True)
class IntegerRule:
    """A rule in scores and hops; see ``Rule``."""

    label: str
    index: int
    on: int
    off: int
    minimum_hops: int
    refractory_hops: int


@dataclass(frozen=True)
class Decisions:
    """The integers that a device decides with.

    Attributes:
        rules: one for each kind of event.
        smoothing, windows, weight_256: of scores; ``weight_256`` is in 1/256.
        gate_energy: the sum of a hop's squared samples from which it is loud; 0 where there is no gate.
        gate_hold_hops: how long the gate stays open behind a loud hop.
        scale, zero_point, dtype: of the output.
        classes: how many values the output has.
        warmup_hops: hops at the start whose scores mean nothing.
        gate_by_model: the program opens the gate, not the level.
    """

    rules: tuple[IntegerRule, ...]
    smoothing: Smoothing
    windows: int
    weight_256: int
    gate_energy: int
    gate_hold_hops: int
    scale: float
    zero_point: int
    dtype: str
    classes: int
    warmup_hops: int
    gate_by_model: bool = False

    @property
    def zero_text(self) -> str:
        """The zero point in a C expression."""
        return f"({self.zero_point})" if self.zero_point < 0 else str(self.zero_point)

    @property
    def open_hops(self) -> int:
        """Hops for which one opens the gate, itself included."""
        return self.gate_hold_hops + 1

    def real(self, score: int) -> float:
        """What a score stands for."""
        return score / FRACTION * (FLOAT_SCALE if self.dtype == "float32" else self.scale)


@dataclass(frozen=True)
class Event:
    """A rule has come true. ``start_hop`` is the first hop, counted from 0, whose score was high enough."""

    rule: int
    start_hop: int
    score: int


def load(path: Path) -> DecisionSpec:
    """A file of decisions.

    Raises:
        InputError: not TOML, or not such a table.
    """
    return tables.read(path, DecisionSpec)


def integers(
    spec: DecisionSpec,
    *,
    labels: Sequence[str],
    classes: int,
    dtype: str,
    scale: float,
    zero_point: int,
    hop_s: float,
    hop_values: int,
    warmup_hops: int,
    highest: float | None = None,
    file: str = "",
) -> Decisions:
    """The integers of a specification for one network.

    Args:
        labels: the classes' names, none where the network has none.
        classes: how many values the output has.
        dtype, scale, zero_point: of the output.
        hop_s: seconds of a hop.
        hop_values: samples of a hop, all channels together.
        warmup_hops: hops at the start without a full window.
        highest: what no score is above, where that is less than what the output's type holds.
        file: of the specification, for messages.

    Raises:
        InputError: no such class, an ``off`` above its ``on``, an ``on`` that no score reaches, a key of another
            smoothing, an output that cannot be decided by.
    """
    if dtype not in ("int8", "uint8", "int16", "float32"):
        raise InputError(
            "no decisions are made of such an output", expected="int8, uint8, int16, float32", found=dtype
        )
    at = f"{file}, " if file else ""
    _check_smoothing(spec, at)
    unit = FLOAT_SCALE if dtype == "float32" else scale
    top = _FLOAT_HIGH if dtype == "float32" else int(np.iinfo(dtype).max) - zero_point
    most = top * unit if highest is None else min(top * unit, highest)

    def hops(seconds: float) -> int:
        return min(math.ceil(seconds / hop_s - 1e-9), _MOST_HOPS)

    rules = []
    for number, rule in enumerate(spec.event):
        where = f"{at}event[{number}]"
        index = _class(rule.label, labels, classes, where)
        on, off = _thresholds(rule, unit, most, where)
        rules.append(
            IntegerRule(
                labels[index] if labels else str(index), index, on, off, max(1, hops(rule.minimum_s)),
                hops(rule.refractory_s),
            )
        )  # fmt: skip
    gate = spec.gate
    level = _gate_level(gate, at)
    energy = 0 if level is None else max(1, math.ceil(10 ** (level / 10) * 32768**2 * hop_values))
    return Decisions(
        tuple(rules), spec.smoothing, spec.windows or 1, max(1, round((spec.weight or 1.0) * 256)),
        energy, 0 if gate is None else hops(gate.hold_s), scale, zero_point, dtype, classes, warmup_hops,
        gate is not None and gate.model,
    )  # fmt: skip


def _gate_level(gate: Gate | None, at: str) -> float | None:
    """The level that opens the gate; None without a gate, or where another network opens it."""
    if gate is None or (gate.model and gate.level_dbfs is None):
        return None
    if gate.model or gate.level_dbfs is None:
        raise InputError(
            "a gate is by level or by another network",
            where=f"{at}gate",
            expected="level_dbfs, or model = true",
            found="both" if gate.model else "neither",
        )
    return gate.level_dbfs


def _check_smoothing(spec: DecisionSpec, at: str) -> None:
    """Refuse a key that says nothing with this smoothing."""
    for key, given, smoothing in (("windows", spec.windows, "mean"), ("weight", spec.weight, "exponential")):
        if given is not None and spec.smoothing != smoothing:
            raise InputError(
                "this smoothing has no such key",
                where=f"{at}{key}",
                expected=f'smoothing = "{smoothing}"',
                found=f'smoothing = "{spec.smoothing}"',
                hint=f"leave {key} out, or change the smoothing",
            )


def _thresholds(rule: Rule, unit: float, most: float, where: str) -> tuple[int, int]:
    """``on`` and ``off`` as scores."""
    off = rule.on if rule.off is None else rule.off
    if off > rule.on:
        raise InputError(
            "an event ends above where it begins", where=where, expected=f"off ≤ {rule.on}", found=off
        )
    on_score, off_score, top = (round(real / unit * FRACTION) for real in (rule.on, off, most))
    if on_score > top:
        raise InputError(
            "no score reaches this threshold, so there would never be an event",
            where=f"{where}, on",
            expected=f"at most {most:.6g}, the output's highest score",
            found=rule.on,
        )
    if off_score < -(1 << 25):
        raise InputError("a threshold is beyond what the output can be", where=f"{where}, off", found=off)
    return on_score, off_score


def _class(label: str | int, labels: Sequence[str], classes: int, where: str) -> int:
    if isinstance(label, str) and label in labels:
        return list(labels).index(label)
    if str(label).isdecimal() and int(label) < classes:
        return int(label)
    number = f"a number from 0 to {classes - 1}"
    close = near(label, labels) if isinstance(label, str) else None
    raise InputError(
        "no such class",
        where=f"{where}, label",
        expected=f"{', '.join(labels)}; or {number}" if labels else f"{number}: the model names no classes",
        found=label,
        hint=close or "a number is that of the output's value, such as label = 0",
    )


class Decider:
    """The reference of the generated C: hop after hop, the events that begin.

    Args:
        decisions: the integers.

    Attributes:
        scores: of each rule, smoothed, in the last hop; 0 before the first full window.
    """

    def __init__(self, decisions: Decisions) -> None:
        self.decisions = decisions
        self.reset()

    def reset(self) -> None:
        """The audio begins."""
        d = self.decisions
        self._hop = 0
        self._open = 0
        self.scores = [0] * len(d.rules)
        self._history = [deque([0] * d.windows, d.windows) for _ in d.rules]
        self._mean = [0] * len(d.rules)
        self._above = [0] * len(d.rules)
        self._active = [False] * len(d.rules)
        self._rest = [0] * len(d.rules)

    def __call__(self, outputs: npt.NDArray[np.generic], energy: int) -> list[Event]:
        """One hop.

        Args:
            outputs: all values of the output, in its dtype.
            energy: the sum of the hop's squared samples.
        """
        d, hop = self.decisions, self._hop
        self._hop += 1
        if energy >= d.gate_energy and not d.gate_by_model:
            self._open = d.open_hops
        is_open = self._open > 0
        self._open -= is_open
        if hop < d.warmup_hops:
            return []
        found = []
        for number, rule in enumerate(d.rules):
            score = self._smoothed(number, score_of(outputs.reshape(-1)[rule.index], d))
            self.scores[number] = score
            if self._decide(number, rule, score, is_open):
                found.append(Event(number, hop - (rule.minimum_hops - 1), score))
        return found

    def open_gate(self) -> None:
        """Another network has found something: events may begin in the next hop, and for ``hold_s`` behind it."""
        self._open = self.decisions.open_hops

    def is_active(self, rule: int) -> bool:
        """Whether an event of the rule has begun and not ended."""
        return self._active[rule]

    def _smoothed(self, number: int, score: int) -> int:
        if self.decisions.smoothing == "mean":
            self._history[number].append(score)
            return sum(self._history[number]) // self.decisions.windows
        if self.decisions.smoothing == "exponential":
            self._mean[number] += (score - self._mean[number]) * self.decisions.weight_256 >> 8
            return self._mean[number]
        return score

    def _decide(self, number: int, rule: IntegerRule, score: int, is_open: bool) -> bool:
        """Whether the event begins now."""
        if self._active[number]:
            if score < rule.off:
                self._active[number] = False
                self._above[number] = 0
                self._rest[number] = rule.refractory_hops
            return False
        if self._rest[number] > 0:
            self._rest[number] -= 1
            return False
        self._above[number] = self._above[number] + 1 if score >= rule.on and is_open else 0
        self._active[number] = self._above[number] >= rule.minimum_hops
        return self._active[number]


def score_of(value: np.generic, decisions: Decisions) -> int:
    """The score of one value of the output."""
    if decisions.dtype != "float32":
        return (int(value) - decisions.zero_point) * FRACTION
    real = float(value)
    if not real > _FLOAT_LOW * FLOAT_SCALE:  # nor anything that is no number
        return _FLOAT_LOW * FRACTION
    return min(math.floor(real * 32768), _FLOAT_HIGH) * FRACTION
