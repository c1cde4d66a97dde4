# SPDX-License-Identifier: Apache-2.0
"""``report.html``: one benchmark as one self-contained file. Words are chosen here, the form in templates."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
import markupsafe

from ascmcu.jinja import environment
from ascmcu.results import page_answers, page_layers, page_memory, words
from ascmcu.results.limits import Limit, by_name
from ascmcu.results.page_parts import Fact
from ascmcu.results.schema import Benchmark, clock_warning


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


def render(benchmark: Benchmark, memory_map: str | None, notes: Sequence[str] = ()) -> str:
    """The page.

    Args:
        benchmark: what to show.
        memory_map: the export's ``memory.svg``; without one that section is left out.
        notes: sentences below the headline figures.
    """
    b = benchmark
    return _environment().get_template("report.html.j2").render(
        b=b,
        warning=clock_warning(b.clock_state) if b.count_kind == "cycles" else None,
        sentence=_bound(_sentence(b)),
        facts=[dataclasses.replace(fact, note=_bound(fact.note)) for fact in _facts(b)],
        notes=notes,
        strip=page_layers.strip(b),
        kinds=page_layers.kinds(b),
        rows=page_layers.rows(b),
        predicted=b.predicted_cycles,
        predicted_off="" if b.off is None else f"{100 * b.off:+.1f} %",
        memory_map=memory_map if memory_map and memory_map.startswith("<svg") else None,
        ram=page_memory.parts(b.ram_bytes, b.board_ram_bytes),
        flash=page_memory.parts(b.flash_bytes, b.board_flash_bytes),
        tiles=page_memory.tiles(b),
        aspect=page_memory.TREEMAP_ASPECT,
        confusion=page_answers.confusion(b),
        tags=page_answers.tags(b),
        machines=page_answers.machines(b),
        classes=page_answers.classes(b),
        devices=page_answers.devices(b),
        mistakes=page_answers.mistakes(b),
        limits=_limits(b),
        provenance=_provenance(b),
        mended_means=words.MENDED,
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
    if b.tagging is not None:
        text += f" Its mean average precision is {words.percent(b.tagging.mean_average_precision)} on {b.clips} clips."
    if b.anomalies is not None:
        text += f" It tells anomalies with an AUC of {b.anomalies.auc:.3f} on {b.clips} recordings."
    if b.accuracy is not None:
        text += f" {words.percent(b.accuracy)} of {b.clips} clips are answered right."
    return text


def _bound(text: str) -> str:
    """The text with units that stay on their figures' lines."""
    return re.sub(r"(?<=[\d–]) (?=(%|KiB|B|[mµn]?s|MHz)\b|%)", "\u00a0", text)


def _facts(b: Benchmark) -> list[Fact]:
    return [*page_answers.facts(b), *_time_facts(b), *page_memory.facts(b)]


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
