# SPDX-License-Identifier: Apache-2.0
"""The report page's section on answers: accuracy, confusion, classes, devices, the worst mistakes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ascmcu.data.anomalies import Anomalies
from ascmcu.data.tagging import Tagging
from ascmcu.results import pictures, words
from ascmcu.results.page_parts import Fact
from ascmcu.results.schema import Benchmark, ClipOutcome
from ascmcu.results.summarize import loss


@dataclass(frozen=True)
class Cell:
    """A field of the confusion matrix; ``strength`` 0…1 is how much of its row lies here."""

    count: int
    strength: float
    right: bool


@dataclass(frozen=True)
class GroupRow:
    """Accuracy of a class or of a device, with how many clips it is of."""

    name: str
    fraction: float | None
    text: str
    clips: int


@dataclass(frozen=True)
class MistakeCard:
    """A wrong answer: its picture, what it is, and what the network thought."""

    image: str
    name: str
    truth: str
    predicted: str
    loss: str
    ranked: tuple[tuple[str, float, str], ...]
    alt: str


@dataclass(frozen=True)
class TagRow:
    """A class of multi-label data: how well its scores rank the clips, and its best threshold."""

    name: str
    fraction: float | None
    average_precision: str
    threshold: str
    f1: str
    precision: str
    recall: str
    clips: int


@dataclass(frozen=True)
class MachineRow:
    """A machine: how well errors tell its anomalies."""

    name: str
    fraction: float | None
    auc: str
    partial_auc: str
    normal: int
    anomalous: int


def facts(b: Benchmark) -> list[Fact]:
    """The headlines: accuracy with its interval and log loss, mAP, or AUC; none without known answers."""
    if b.tagging is not None:
        return _tagging_facts(b.tagging)
    if b.anomalies is not None:
        return _anomaly_facts(b.anomalies)
    if b.accuracy is None:
        return []
    low, high = pictures.wilson(round(b.accuracy * b.clips), b.clips)
    note = (
        f"{round(b.accuracy * b.clips)} of {b.clips} clips; 95 % interval {100 * low:.0f}–{100 * high:.0f} %"
    )
    found = [Fact("Accuracy", f"{100 * b.accuracy:.1f}", "%", note, b.accuracy, low, high)]
    if b.log_loss is not None:
        chance = f"guessing gives {math.log(len(b.labels)):.2f}"
        found.append(Fact("Log loss", f"{b.log_loss:.3f}", "", chance))
    return found


def _tagging_facts(t: Tagging) -> list[Fact]:
    heard = sum(bool(each.positives) for each in t.by_class.values())
    value = t.mean_average_precision
    note = f"mean average precision of {heard} classes, {t.clips} clips"
    found = [Fact("mAP", f"{100 * value:.1f}", "%", note, value)]
    if t.mean_auc is not None:
        found.append(Fact("Mean AUC", f"{t.mean_auc:.3f}", "", "over the same classes", t.mean_auc))
    return found


def _anomaly_facts(a: Anomalies) -> list[Fact]:
    machines = len(a.by_machine)
    of = f"mean of {machines} machines, " if machines > 1 else ""
    return [
        Fact("AUC", f"{a.auc:.3f}", "", f"{of}{a.recordings} recordings", a.auc),
        Fact("Partial AUC", f"{a.partial_auc:.3f}", "", "up to 10 % false alarms", a.partial_auc),
    ]


def tags(b: Benchmark) -> list[TagRow]:
    """The classes of multi-label data, the best first; those that are in no clip last."""
    if b.tagging is None:
        return []
    ranked = sorted(b.tagging.by_class.items(), key=lambda item: -(item[1].average_precision or -1.0))
    return [
        TagRow(
            name,
            each.average_precision,
            _told(each.average_precision),
            _told(each.threshold),
            _told(each.f1),
            _told(each.precision),
            _told(each.recall),
            each.positives,
        )
        for name, each in ranked
    ]


def machines(b: Benchmark) -> list[MachineRow]:
    """The machines of anomaly detection."""
    if b.anomalies is None:
        return []
    return [
        MachineRow(
            name or "all", each.auc, _told(each.auc), _told(each.partial_auc), each.normal, each.anomalous
        )
        for name, each in b.anomalies.by_machine.items()
    ]


def _told(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def confusion(b: Benchmark) -> list[tuple[str, tuple[Cell, ...]]]:
    """A row for each true class, with how often each class was the answer."""
    if b.confusion is None:
        return []
    return [
        (label, tuple(Cell(n, n / (sum(row) or 1), i == j) for j, n in enumerate(row)))
        for i, (label, row) in enumerate(zip(b.labels, b.confusion, strict=True))
    ]


def classes(b: Benchmark) -> list[GroupRow]:
    """Accuracy of each class."""
    if b.class_accuracy is None or b.confusion is None:
        return []
    sums = {label: sum(row) for label, row in zip(b.labels, b.confusion, strict=True)}
    return [_group(label, fraction, sums[label]) for label, fraction in b.class_accuracy.items()]


def devices(b: Benchmark) -> list[GroupRow]:
    """Accuracy of each recording device."""
    fractions = b.device_accuracy or {}
    counts = {device: sum(clip.device == device for clip in b.clip_results) for device in fractions}
    return [_group(device, fraction, counts[device]) for device, fraction in fractions.items()]


def _group(name: str, fraction: float | None, clips: int) -> GroupRow:
    return GroupRow(name, fraction, "–" if fraction is None else words.percent(fraction), clips)


def mistakes(b: Benchmark) -> list[MistakeCard]:
    """The wrong answers that the result holds pictures of."""
    cards = []
    for mistake in b.mistakes:
        clip: ClipOutcome = b.clip_results[mistake.clip]
        truth = b.labels[clip.truth] if clip.truth is not None else ""
        ranked = sorted(zip(b.labels, clip.probabilities, strict=True), key=lambda item: -item[1])[:3]
        cards.append(
            MistakeCard(
                image=pictures.spectrogram(mistake),
                name=clip.name,
                truth=truth,
                predicted=b.labels[clip.predicted],
                loss=f"{loss(clip) or 0:.2f}",
                ranked=tuple((label, 100 * p, words.percent(p)) for label, p in ranked),
                alt=f"Mel spectrogram of {clip.name}, {mistake.bands} bands, "
                f"{mistake.low_db:.0f} to {mistake.high_db:.0f} dB",
            )
        )
    return cards
