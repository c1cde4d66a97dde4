# SPDX-License-Identifier: Apache-2.0
"""Budgets: limits for figures, absolute or relative to an earlier result.

``cycles=5000000`` is a bound. ``cycles=+1%`` and ``ram=+512`` are what may be added to the earlier result's figure.
``accuracy=90%`` is the least that is allowed, and ``accuracy=-0.5%`` how many points it may lose.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ascmcu.errors import InputError
from ascmcu.results.schema import Benchmark

Figure = float | int | None


@dataclass(frozen=True)
class Metric:
    """A headline figure. ``fraction`` ones are told in percent; of ``higher`` ones more is better."""

    name: str
    title: str
    of: Callable[[Benchmark], Figure]
    fraction: bool = False
    higher: bool = False

    def named(self, b: Benchmark) -> str:
        """The title with what is counted in ``b``."""
        return self.title if b.counts is None else self.title.replace("counts", b.count_kind)


def _count(field: str) -> Callable[[Benchmark], Figure]:
    return lambda b: None if b.counts is None or b.count_kind == "counts" else int(getattr(b.counts, field))


def _total(kind: str) -> Callable[[Benchmark], Figure]:
    return lambda b: b.counts.network + b.counts.frontend if b.counts and b.count_kind == kind else None


def _mean_average_precision(b: Benchmark) -> Figure:
    return None if b.tagging is None else b.tagging.mean_average_precision


def _auc(field: str) -> Callable[[Benchmark], Figure]:
    return lambda b: None if b.anomalies is None else float(getattr(b.anomalies, field))


METRICS = (
    Metric("accuracy", "accuracy", lambda b: b.accuracy, fraction=True, higher=True),
    Metric("log-loss", "log loss", lambda b: b.log_loss),
    Metric("map", "mAP", _mean_average_precision, fraction=True, higher=True),
    Metric("auc", "AUC", _auc("auc"), higher=True),
    Metric("partial-auc", "partial AUC", _auc("partial_auc"), higher=True),
    Metric("cycles", "cycles per clip", _total("cycles")),
    Metric("instructions", "instructions per clip", _total("instructions")),
    Metric("network", "network, counts per clip", _count("network")),
    Metric("frontend", "front end, counts per clip", _count("frontend")),
    Metric("latency", "latency, counts", _count("latency")),
    Metric("ram", "RAM, bytes", lambda b: b.ram_bytes["total"]),
    Metric("flash", "flash, bytes", lambda b: b.flash_bytes["total"]),
    Metric("macs", "MACs", lambda b: b.macs),
    Metric("parameters", "parameters", lambda b: sum(x.parameters for x in b.layers)),
)


@dataclass(frozen=True)
class Budget:
    """One bound. ``relative`` ones are added to an earlier figure, ``percent`` ones as a fraction of it."""

    text: str
    metric: Metric
    amount: float
    relative: bool
    percent: bool


@dataclass(frozen=True)
class Verdict:
    """A budget held against a result; ``limit`` is the bound in the figure's own unit."""

    budget: Budget
    found: Figure
    limit: float
    kept: bool

    @property
    def sentence(self) -> str:
        """For people."""
        metric = self.budget.metric
        sign = "≥" if metric.higher else "≤"
        found = "nothing" if self.found is None else tell(metric, self.found)
        return f"{metric.title} {found}, budget {sign} {tell(metric, self.limit)} ({self.budget.text})"


def by_name(name: str) -> Metric:
    """The metric of that name.

    Raises:
        InputError: there is none.
    """
    for metric in METRICS:
        if metric.name == name:
            return metric
    raise InputError("unknown figure", found=name, expected=", ".join(m.name for m in METRICS))


def tell(metric: Metric, value: float | int) -> str:
    """A figure of this metric in words."""
    if metric.fraction:
        return f"{100 * value:.2f} %"
    return (
        f"{value:,}" if isinstance(value, int) else f"{value:,.4g}" if abs(value) < 100 else f"{value:,.0f}"
    )


def parse(text: str) -> Budget:
    """``NAME=LIMIT``.

    Raises:
        InputError: not of that form, or an unknown name.
    """
    found = re.fullmatch(r"([a-z-]+)=([+-]?)(\d+(?:[._]?\d+)*)(%?)", text)
    if found is None:
        raise InputError(
            "a budget must be NAME=LIMIT", found=text, expected="cycles=5000000, cycles=+1%, accuracy=-0.5%"
        )
    metric = by_name(found[1])
    amount = float(found[3].replace("_", ""))
    if metric.fraction:
        amount /= 100 if found[4] else 1
    signed = -amount if found[2] == "-" else amount
    percent = bool(found[4]) and not metric.fraction
    if percent and not found[2]:
        raise InputError("a percentage needs a sign", found=text, expected=f"{metric.name}=+{found[3]}%")
    return Budget(text, metric, signed, bool(found[2]), percent)


def judge(budget: Budget, result: Benchmark, earlier: Benchmark | None = None) -> Verdict:
    """Hold a result against a budget; a figure that is not there breaks it.

    Raises:
        InputError: the budget is relative, and there is no earlier result or it lacks the figure.
    """
    value = budget.metric.of(result)
    limit = budget.amount
    if budget.relative:
        base = None if earlier is None else budget.metric.of(earlier)
        if base is None:
            raise _no_base(budget, earlier)
        limit = base * (1 + budget.amount / 100) if budget.percent else base + budget.amount
    if value is None:
        return Verdict(budget, None, limit, False)
    slack = 1e-9 * abs(limit)  # a limit in percent is not exact
    kept = value >= limit - slack if budget.metric.higher else value <= limit + slack
    return Verdict(budget, value, limit, kept)


def _no_base(budget: Budget, earlier: Benchmark | None) -> InputError:
    """The error for a relative budget without an earlier figure."""
    if earlier is None:
        return InputError(
            "a relative budget needs an earlier result with that figure",
            found=budget.text,
            hint="`ascmcu compare EARLIER.json LATER.json` has one; a bound without a sign needs none",
        )
    name = budget.metric.name
    totals = ("cycles", "instructions")
    counted = name in (*totals, "network", "frontend", "latency")
    kind = earlier.count_kind if earlier.counts is not None else "none"
    has = f"it counts {kind}" if kind in totals else "nobody knows what it counts"
    return InputError(
        "the earlier result has no such figure",
        where=f"{earlier.model} on {earlier.runner}",
        expected=budget.text,
        found=(has if kind != "none" else "it counts nothing") if counted else f"no {name}",
        hint=f"--budget {kind}={budget.text.partition('=')[2]}"
        if name in totals and kind in totals
        else None,
    )
