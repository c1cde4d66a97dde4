# SPDX-License-Identifier: Apache-2.0
"""``report.html``: one benchmark as one file that needs no network; words are decided here, form in templates."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
import markupsafe

import ascmcu.ops  # noqa: F401  (registers the operators)
from ascmcu.ir import registry
from ascmcu.jinja import environment
from ascmcu.results import pictures, words
from ascmcu.results.limits import Limit, by_name
from ascmcu.results.pictures import Rectangle
from ascmcu.results.schema import Benchmark, ClipOutcome, LayerCount, clock_warning
from ascmcu.results.summarize import loss

TREEMAP_ASPECT = 2.2
_TREEMAP_SHARE_MIN = 0.0025
_FRONT_END = "front end"
_PART_NAMES = {"dsp_tables": "FFT tables", "data": "data and state"}


@dataclass(frozen=True)
class Fact:
    """A headline: its name, the figure, what stands below, and how much of a whole it takes (None without one)."""

    name: str
    figure: str
    unit: str
    note: str
    share: float | None = None
    low: float = 0.0
    high: float = 0.0
    state: str = ""


@dataclass(frozen=True)
class Slice:
    """One part of a bar, in percent of the whole; ``colour`` is a class of the style sheet."""

    name: str
    text: str
    percent: float
    colour: str


@dataclass(frozen=True)
class LayerRow:
    """A line of the layer table; bars in percent of the largest."""

    number: str
    name: str
    full_name: str
    op: str
    shape: str
    colour: str
    count: int | None
    count_bar: float
    share: float
    macs: int
    per_mac: str
    heat: float
    ram_bytes: int
    ram_bar: float
    flash_bytes: int
    flash_bar: float


@dataclass(frozen=True)
class Tile:
    """A symbol, or what is left, in the treemap."""

    box: Rectangle
    name: str
    detail: str
    colour: str


@dataclass(frozen=True)
class Bound:
    """One bound of a limit: what is used of what is allowed."""

    name: str
    used: str
    most: str
    percent: float


@dataclass(frozen=True)
class LimitCard:
    """One year's limit with its bounds."""

    name: str
    passed: bool
    exceeded: tuple[str, ...]
    bounds: tuple[Bound, ...]


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
    share: float | None
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


def render(benchmark: Benchmark, memory_map: str | None) -> str:
    """The page.

    Args:
        benchmark: what to show.
        memory_map: the export's ``memory.svg``; without one that section is left out.
    """
    b = benchmark
    return _environment().get_template("report.html.j2").render(
        b=b,
        warning=clock_warning(b.clock_state) if b.count_kind == "cycles" else None,
        sentence=_sentence(b),
        facts=_facts(b),
        strip=_strip(b),
        kinds=_kinds(b),
        rows=_layer_rows(b),
        memory_map=memory_map if memory_map and memory_map.startswith("<svg") else None,
        ram=_parts(b.ram_bytes, b.board_ram_bytes),
        flash=_parts(b.flash_bytes, b.board_flash_bytes),
        tiles=_tiles(b),
        aspect=TREEMAP_ASPECT,
        confusion=_confusion(b),
        classes=_classes(b),
        devices=_devices(b),
        mistakes=_mistakes(b),
        limits=_limits(b),
        provenance=_provenance(b),
        mended={k.replace("_", " "): v for k, v in b.link.items() if v},
    )  # fmt: skip


def standalone(template: str, **context: object) -> str:
    """Another page in the same dress: ``templates/<template>``, everything in it escaped."""
    return _environment().get_template(template).render(**context)


def memory_map_beside(folder: Path) -> str | None:
    """The export's picture of its activations, None where there is none."""
    path = folder / "memory.svg"
    return path.read_text(encoding="utf-8") if path.is_file() else None


@functools.cache
def _environment() -> jinja2.Environment:
    # Names come from models and data sets: here, unlike in C, all of them are escaped.
    made = environment().overlay(autoescape=True, bytecode_cache=None)
    made.filters.update(
        breakable=_breakable,
        kib=words.kibibytes,
        thousands=words.thousands,
        percent=words.percent,
        duration=words.duration,
    )
    return made


def _breakable(name: str) -> markupsafe.Markup:
    """A name that a narrow column may break behind its underscores."""
    return markupsafe.escape(name).replace("_", markupsafe.Markup("_<wbr>"))


def _sentence(b: Benchmark) -> str:
    seconds = b.seconds
    where = f"on {b.board_title}"
    if seconds is not None:
        what = f"A {b.run_title}" + ("" if b.clip_seconds is None else f" of {b.clip_seconds:g} s")
        text = f"{what} takes {words.duration(seconds)} {where} at {b.clock_hz / 1e6:g} MHz"
    elif b.counts is not None:
        total = b.counts.network + b.counts.frontend
        text = f"A {b.run_title} takes {total:,} {b.count_title} {where}, run by {b.runner}"
    else:
        text = f"The firmware for {b.board_title}, run by {b.runner}"
    ram, flash = (words.kibibytes(x["total"]) for x in (b.ram_bytes, b.flash_bytes))
    text += f", in {ram} of RAM and {flash} of flash."
    if b.accuracy is not None:
        text += f" {words.percent(b.accuracy)} of {b.clips} clips are answered right."
    return text


def _facts(b: Benchmark) -> list[Fact]:
    return [*_answer_facts(b), *_time_facts(b), *_memory_facts(b)]


def _answer_facts(b: Benchmark) -> list[Fact]:
    if b.accuracy is None:
        return []
    low, high = pictures.wilson(round(b.accuracy * b.clips), b.clips)
    note = (
        f"{round(b.accuracy * b.clips)} of {b.clips} clips; 95 % interval {100 * low:.0f}–{100 * high:.0f} %"
    )
    found = [Fact("Accuracy", f"{100 * b.accuracy:.1f}", "%", note, b.accuracy, low, high)]
    if b.log_loss is not None:
        chance = f"guessing gives {_log_of(len(b.labels)):.2f}"
        found.append(Fact("Log loss", f"{b.log_loss:.3f}", "", chance))
    return found


def _log_of(classes: int) -> float:
    import math

    return math.log(classes)


def _time_facts(b: Benchmark) -> list[Fact]:
    if b.counts is None:
        return []
    seconds = b.seconds
    total = b.counts.network + b.counts.frontend
    per_mac = Fact(
        f"{b.count_kind.capitalize()} per MAC",
        f"{b.counts.network / max(b.macs, 1):.2f}",
        "",
        f"in the network, {b.macs:,} MACs",
    )
    if seconds is None:
        what = "nobody knows what" if b.count_kind == "counts" else b.count_kind
        note = f"per {b.run_title}; {b.runner} counts {what}, from which no time follows"
        return [Fact(b.count_kind.capitalize(), f"{total:,}", "", note), per_mac]
    figure, unit = words.duration(seconds).split()
    note = f"{total:,} cycles"
    if b.counts.frontend:
        note += f": front end {words.duration(b.counts.frontend / b.clock_hz)}, "
        note += f"network {words.duration(b.counts.network / b.clock_hz)}"
    found = [Fact(f"Time per {b.run_title}", figure, unit, note)]
    if b.clip_seconds:
        load = seconds / b.clip_seconds
        note = f"of the core while recording: {words.digits(1 / load)} times faster than real time"
        found.append(Fact("Real-time factor", f"{100 * load:.2f}", "%", note, load))
        figure, unit = words.duration(b.counts.latency / b.clock_hz).split()
        found.append(Fact("Latency", figure, unit, "from the clip's last samples to the answer, at worst"))
    found.append(per_mac)
    if b.energy is not None:
        figure, unit = b.energy.figure()
        found.append(Fact("Energy, estimated", figure, unit, f"per {b.run_title}: {b.energy.basis()}"))
    return found


def _memory_facts(b: Benchmark) -> list[Fact]:
    found = []
    for name, parts, board_bytes in (
        ("RAM", b.ram_bytes, b.board_ram_bytes),
        ("Flash", b.flash_bytes, b.board_flash_bytes),
    ):
        used = parts["total"]
        figure, unit = words.kibibytes(used).split()
        note = f"{words.percent(used / board_bytes)} of {words.kibibytes(board_bytes)}"
        found.append(
            Fact(name, figure, unit, note, used / board_bytes, state="bad" if used > board_bytes else "")
        )
    return found


def _colour(op: str) -> str:
    """By the operator's family; results of other versions may hold operators that are none here."""
    if op == _FRONT_END:
        return "op-frontend"
    known = registry.kinds().get(op)
    return f"op-{known.FAMILY if known is not None else 'other'}"


def _strip(b: Benchmark) -> list[Slice]:
    """The parts of one clip's work in the order in which the layers stand."""
    if b.counts is None or any(layer.count is None for layer in b.layers):
        return []
    parts = [(_FRONT_END, _FRONT_END, b.counts.frontend)] if b.counts.frontend else []
    parts += [(words.short_layer(x.name), x.op, x.count or 0) for x in b.layers]
    whole = sum(count for _, _, count in parts) or 1
    return [Slice(name, f"{count:,}", 100 * count / whole, _colour(op)) for name, op, count in parts]


def _kinds(b: Benchmark) -> list[Slice]:
    """The strip's legend: work by operator, the largest first."""
    if not _strip(b) or b.counts is None:
        return []
    sums: dict[str, int] = {_FRONT_END: b.counts.frontend} if b.counts.frontend else {}
    for layer in b.layers:
        sums[layer.op] = sums.get(layer.op, 0) + (layer.count or 0)
    whole = sum(sums.values()) or 1
    ordered = sorted(sums.items(), key=lambda item: -item[1])
    return [Slice(op.replace("_", " "), f"{n:,}", 100 * n / whole, _colour(op)) for op, n in ordered]


def _layer_rows(b: Benchmark) -> list[LayerRow]:
    most = max((x.count or 0 for x in b.layers), default=0) or 1
    whole = sum(x.count or 0 for x in b.layers) or 1
    ram = max((x.buffer_bytes for x in b.layers), default=0) or 1
    flash = max((x.flash_bytes for x in b.layers), default=0) or 1
    worst = max((x.count / x.macs for x in b.layers if x.count and x.macs), default=0.0) or 1.0
    return [_layer_row(n, x, most, whole, ram, flash, worst) for n, x in enumerate(b.layers)]


def _layer_row(
    number: int, x: LayerCount, most: int, whole: int, ram: int, flash: int, worst: float
) -> LayerRow:
    per_mac = x.count / x.macs if x.count is not None and x.macs else None
    return LayerRow(
        number=str(number),
        name=words.short_layer(x.name),
        full_name=x.name,
        op=x.op.replace("_", " "),
        shape=" × ".join(str(d) for d in (x.output_shape[1:] or x.output_shape)),
        colour=_colour(x.op),
        count=x.count,
        count_bar=100 * (x.count or 0) / most,
        share=(x.count or 0) / whole,
        macs=x.macs,
        per_mac="" if per_mac is None else f"{per_mac:.2f}",
        heat=0.0 if per_mac is None else per_mac / worst,
        ram_bytes=x.buffer_bytes,
        ram_bar=100 * x.buffer_bytes / ram,
        flash_bytes=x.flash_bytes,
        flash_bar=100 * x.flash_bytes / flash,
    )


def _parts(sizes: dict[str, int], board_bytes: int) -> list[Slice]:
    """What a memory holds, by size, and what is left of it."""
    used = [(n, v) for n, v in sizes.items() if v and n not in ("total", "stack_peak", "padding")]
    used.sort(key=lambda item: -item[1])
    found = [
        Slice(
            _PART_NAMES.get(name, name.replace("_", " ")),
            words.kibibytes(v),
            100 * v / board_bytes,
            f"part-{i}",
        )
        for i, (name, v) in enumerate(used)
    ]
    free = board_bytes - sizes["total"]
    return [*found, Slice("free", words.kibibytes(max(free, 0)), max(0.0, 100 * free / board_bytes), "free")]


def _tiles(b: Benchmark) -> list[Tile]:
    """Layers, and the symbols that belong to none; small ones together."""
    groups: dict[tuple[str, str], int] = {}
    for symbol in b.flash_symbols:
        if symbol.layer is not None:
            layer = b.layers[symbol.layer]
            what = "weights" if symbol.part == "weights" else "kernel"
            key = (f"{words.short_layer(layer.name)}: {what}", _colour(layer.op))
        else:
            part = symbol.part
            key = (symbol.name, f"flash-{part.replace('_', '-')}")
        groups[key] = groups.get(key, 0) + symbol.size_bytes
    whole = b.flash_bytes["total"]
    large = {k: v for k, v in groups.items() if v >= _TREEMAP_SHARE_MIN * whole}
    rest = whole - sum(large.values())
    items = sorted(large.items(), key=lambda item: -item[1])
    if rest > 0:
        items.append(((f"{len(groups) - len(large)} smaller ones and padding", "flash-rest"), rest))
        items.sort(key=lambda item: -item[1])
    boxes = pictures.treemap([v for _, v in items], TREEMAP_ASPECT)
    return [
        Tile(box, name, f"{size:,} B, {words.percent(size / whole)}", colour)
        for box, ((name, colour), size) in zip(boxes, items, strict=True)
    ]


def _confusion(b: Benchmark) -> list[tuple[str, tuple[Cell, ...]]]:
    if b.confusion is None:
        return []
    return [
        (label, tuple(Cell(n, n / (sum(row) or 1), i == j) for j, n in enumerate(row)))
        for i, (label, row) in enumerate(zip(b.labels, b.confusion, strict=True))
    ]


def _classes(b: Benchmark) -> list[GroupRow]:
    if b.class_accuracy is None or b.confusion is None:
        return []
    sums = {label: sum(row) for label, row in zip(b.labels, b.confusion, strict=True)}
    return [_group(label, share, sums[label]) for label, share in b.class_accuracy.items()]


def _devices(b: Benchmark) -> list[GroupRow]:
    shares = b.device_accuracy or {}
    counts = {device: sum(clip.device == device for clip in b.clip_results) for device in shares}
    return [_group(device, share, counts[device]) for device, share in shares.items()]


def _group(name: str, share: float | None, clips: int) -> GroupRow:
    return GroupRow(name, share, "–" if share is None else words.percent(share), clips)


def _mistakes(b: Benchmark) -> list[MistakeCard]:
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


def _limits(b: Benchmark) -> list[LimitCard]:
    cards = []
    for report in b.limits:
        limit = by_name(report.name)
        bounds = () if limit is None else _bounds(b, limit)
        cards.append(LimitCard(report.name, report.passed, report.exceeded, bounds))
    return cards


def _bounds(b: Benchmark, limit: Limit) -> tuple[Bound, ...]:
    if b.network is None:
        return ()
    n = b.network
    rows = (
        ("parameters", n.parameters, limit.max_parameters),
        ("parameter bytes", n.parameter_bytes, limit.max_parameter_bytes),
        ("non-zero bytes", n.nonzero_bytes, limit.max_nonzero_bytes),
        ("MACs", n.macs, limit.max_macs),
    )
    return tuple(
        Bound(name, f"{used:,}", f"{most:,}", min(100.0, 100 * used / most))
        for name, used, most in rows
        if most
    )


def _provenance(b: Benchmark) -> list[tuple[str, str, bool]]:
    """Name, value, and whether it is a text for machines."""
    p = b.provenance
    waits = f"{b.clock_hz / 1e6:g} MHz, {b.wait_states} wait states" if b.clock_hz else "none"
    tools = ", ".join(f"{name} {version}" for name, version in p.tools.items())
    rows: Sequence[tuple[str, str, bool]] = (
        ("model", f"{b.model}, SHA-256 {b.model_sha256}", True),
        ("firmware", f"SHA-256 {p.firmware_sha256}" if p.firmware_sha256 else "", True),
        ("board", f"{b.board_title} ({b.board})", False),
        ("clock", f"{waits}, {b.clock_state.replace('_', ' ')}", False),
        ("runner", f"{b.runner}: {b.runner_detail}", False),
        ("schedule", b.schedule, False),
        ("compiler", b.compiler, True),
        ("flags", b.flags, True),
        (
            "clips",
            _clips_sentence(b),
            False,
        ),
        ("recordings", "; ".join(b.recordings.lines()) if b.recordings else "", False),
        ("made by", b.tool, False),
        ("versions", tools, False),
        ("measured", f"{p.measured_at} on {p.machine}", False),
    )
    return [row for row in rows if row[1]]


def _clips_sentence(b: Benchmark) -> str:
    times = "once" if b.provenance.repetitions == 1 else f"{b.provenance.repetitions} times"
    kept = f", {b.resumed} of them before an interruption" if b.resumed else ""
    return f"{b.clips} of {b.source}, each run {times}{kept}"
