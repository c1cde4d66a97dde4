# SPDX-License-Identifier: Apache-2.0
"""The differences between two results, by figure and by layer."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ascmcu import paths
from ascmcu.errors import InputError
from ascmcu.results import budgets, cards
from ascmcu.results.budgets import Budget, Verdict
from ascmcu.results.schema import Benchmark, ClipOutcome, LayerCount

_CONDITIONS = (
    "model", "model_sha256", "board", "runner", "runner_detail", "clock_hz", "wait_states", "schedule", "compiler",
    "flags", "tool_version", "clips", "source", "long",
)  # fmt: skip
# What counts depend on beside the build, and what answers depend on.
_COUNT_CONDITIONS = ("board", "runner", "clock hz", "wait states")
_ANSWER_CONDITIONS = ("clips", "clips' samples")
_COUNTED = ("cycles", "instructions", "network", "frontend", "latency")
_ANSWERED = ("accuracy", "log-loss", "map", "auc", "partial-auc")
_LAYER_FIGURES = ("macs", "count", "buffer_bytes", "flash_bytes")


@dataclass(frozen=True)
class Difference:
    """A figure that is not the same; None where one side lacks it."""

    name: str
    title: str
    before: float | int | None
    after: float | int | None
    fraction: bool = False
    higher: bool = False

    @property
    def change(self) -> float | None:
        """After − before."""
        return None if self.before is None or self.after is None else self.after - self.before

    @property
    def percent(self) -> float | None:
        """The change in percent of what was before."""
        return None if self.change is None or not self.before else 100 * self.change / self.before

    @property
    def better(self) -> bool | None:
        """Whether the change is for the good; None where nobody can say."""
        return None if self.change is None else (self.change > 0) == self.higher


@dataclass(frozen=True)
class LayerDifference:
    """A layer that is not the same; ``state`` is ``changed``, ``new`` or ``gone``."""

    name: str
    op: str
    state: str
    figures: tuple[Difference, ...]


@dataclass(frozen=True)
class Condition:
    """Something that the numbers depend on, and that is not the same."""

    name: str
    before: str
    after: str


@dataclass(frozen=True)
class Comparison:
    """Two results and their differences.

    Attributes:
        base, result: the earlier and the later one; ``names`` are theirs.
        conditions: what the numbers depend on and differs.
        figures: those of the whole that differ: ``result`` less ``base``.
        layers: the layers with a figure that differs, and those that only one of both has.
        verdicts: one for each budget.
        shared_clips: clips of the same name and samples; ``equal_answers`` of them got the same class.
    """

    base: Benchmark
    result: Benchmark
    names: tuple[str, str]
    conditions: tuple[Condition, ...]
    figures: tuple[Difference, ...]
    layers: tuple[LayerDifference, ...]
    verdicts: tuple[Verdict, ...]
    shared_clips: int
    equal_answers: int

    def __repr__(self) -> str:
        budgets_told = "" if not self.verdicts else f", budgets {'kept' if self.kept else 'broken'}"
        return (
            f"Comparison({self.result.model!r} against {self.base.model!r}: {len(self.figures)} figures and "
            f"{len(self.layers)} layers differ{budgets_told})"
        )

    def _repr_html_(self) -> str:
        return cards.of_comparison(self).html()

    @property
    def decisive(self) -> tuple[Condition, ...]:
        """The conditions without which the figures say nothing about the two builds."""
        return tuple(c for c in self.conditions if c.name in (*_COUNT_CONDITIONS, *_ANSWER_CONDITIONS))

    @property
    def kept(self) -> bool:
        """Whether every budget holds."""
        return all(verdict.kept for verdict in self.verdicts)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""

        def difference(d: Difference) -> dict[str, Any]:
            return {
                "name": d.name,
                "before": d.before,
                "after": d.after,
                "change": d.change,
                "percent": d.percent,
            }

        return {
            "schema": "ascmcu.comparison",
            "version": 1,
            "base": self.names[0],
            "result": self.names[1],
            "conditions": [dataclasses.asdict(condition) for condition in self.conditions],
            "figures": [difference(d) for d in self.figures],
            "layers": [
                {"name": x.name, "op": x.op, "state": x.state, "figures": [difference(d) for d in x.figures]}
                for x in self.layers
            ],
            "budgets": [
                {"budget": v.budget.text, "found": v.found, "limit": v.limit, "kept": v.kept}
                for v in self.verdicts
            ],
            "shared_clips": self.shared_clips,
            "equal_answers": self.equal_answers,
        }


def told_apart(results: Sequence[tuple[Path, Benchmark]]) -> list[str]:
    """A name for each result: its model's, where several have it with what tells their files or folders apart."""
    models = [b.model for _, b in results]
    return [
        b.model if models.count(b.model) == 1 else f"{b.model} ({_place(path, [p for p, _ in results])})"
        for path, b in results
    ]


def _place(path: Path, among: Sequence[Path]) -> str:
    """The end of a path that no other path has; the whole of one that is there twice."""
    whole = [_parts(other) for other in among]
    own = _parts(path)
    for count in range(1, len(own) + 1):
        if sum(other[-count:] == own[-count:] for other in whole) == 1:
            return "/".join(own[-count:])
    return str(path)


def _parts(path: Path) -> tuple[str, ...]:
    return paths.real(path).parts


def compare(
    base: Benchmark,
    result: Benchmark,
    limits: Sequence[Budget] = (),
    names: tuple[str, str] | None = None,
) -> Comparison:
    """Everything that differs.

    Args:
        base: the earlier result.
        result: the later.
        limits: budgets of the later.
        names: what they are called; their models where None.

    Raises:
        InputError: a relative budget on a figure that the earlier result lacks, or that was not made under the same
            conditions.
    """
    conditions = tuple(_conditions(base, result))
    for budget in limits:
        _require_alike(budget, conditions)
    before = {clip.name: clip for clip in base.clip_results}
    shared = [c for c in result.clip_results if c.name in before and _same_input(before[c.name], c)]
    return Comparison(
        base=base,
        result=result,
        names=names or (base.model, result.model),
        conditions=conditions,
        figures=tuple(_figures(base, result)),
        layers=tuple(_layers(base, result)),
        verdicts=tuple(budgets.judge(budget, result, base) for budget in limits),
        shared_clips=len(shared),
        equal_answers=sum(_answer(result, c) == _answer(base, before[c.name]) for c in shared),
    )


def _same_input(a: ClipOutcome, b: ClipOutcome) -> bool:
    """Whether the same bytes were sent; results of older versions do not say, and are taken by name."""
    return a.input_sha256 == b.input_sha256 or not (a.input_sha256 and b.input_sha256)


def _answer(b: Benchmark, clip: ClipOutcome) -> str:
    """The class, by its name: two models may have theirs in different orders."""
    return b.labels[clip.predicted] if b.labels else str(clip.predicted)


def _conditions(base: Benchmark, result: Benchmark) -> list[Condition]:
    pairs = ((name, str(getattr(base, name)), str(getattr(result, name))) for name in _CONDITIONS)
    found = [Condition(name.replace("_", " "), a, b) for name, a, b in pairs if a != b]
    inputs = [b.provenance.inputs_sha256 for b in (base, result)]
    if all(inputs) and inputs[0] != inputs[1]:
        found.append(Condition("clips' samples", *(digest[:12] for digest in inputs)))
    return found


def _require_alike(budget: Budget, conditions: Sequence[Condition]) -> None:
    """A relative budget holds a build to an earlier one: all else must be the same."""
    name = budget.metric.name
    needed = _COUNT_CONDITIONS if name in _COUNTED else _ANSWER_CONDITIONS if name in _ANSWERED else ()
    unlike = [c for c in conditions if c.name in needed]
    if budget.relative and unlike:
        first = unlike[0]
        raise InputError(
            "the results were not made under the same conditions",
            where=f"budget {budget.text}",
            expected=f"{first.name}: {first.before}",
            found=first.after,
            hint="run both benchmarks alike, or give an absolute budget",
        )


def _figures(base: Benchmark, result: Benchmark) -> list[Difference]:
    found = []
    for metric in budgets.METRICS:
        if metric.name in ("network", "frontend", "latency") and not _same_kind(base, result):
            continue
        before, after = metric.of(base), metric.of(result)
        if before != after:
            found.append(
                Difference(metric.name, metric.named(result), before, after, metric.fraction, metric.higher)
            )
    return found


def _layers(base: Benchmark, result: Benchmark) -> list[LayerDifference]:
    before, after = _by_name(base), _by_name(result)
    same_kind = _same_kind(base, result)
    found = []
    for name in [*after, *(n for n in before if n not in after)]:
        a, b = before.get(name), after.get(name)
        figures = [
            Difference(field, _title(field, result.count_kind), _value(a, field), _value(b, field))
            for field in _LAYER_FIGURES
            if (field != "count" or same_kind) and _value(a, field) != _value(b, field)
        ]
        if figures:
            state = "new" if a is None else "gone" if b is None else "changed"
            found.append(LayerDifference(name, (b or a or _none()).op, state, tuple(figures)))
    return found


def _same_kind(base: Benchmark, result: Benchmark) -> bool:
    """Counts of different kinds, or of a kind that nobody knows, have nothing to say about each other."""
    return base.count_kind == result.count_kind != "counts"


def _none() -> LayerCount:
    raise AssertionError("a layer of one of both")


def _value(layer: LayerCount | None, field: str) -> int | None:
    return None if layer is None else getattr(layer, field)


def _title(field: str, count_kind: str) -> str:
    return {"count": count_kind, "buffer_bytes": "RAM, bytes", "flash_bytes": "flash, bytes"}.get(
        field, "MACs"
    )


def _by_name(b: Benchmark) -> dict[str, LayerCount]:
    """Layers by name; of several with one name the later get a number."""
    found: dict[str, LayerCount] = {}
    for layer in b.layers:
        name, number = layer.name, 1
        while name in found:
            number += 1
            name = f"{layer.name} ({number})"
        found[name] = layer
    return found
