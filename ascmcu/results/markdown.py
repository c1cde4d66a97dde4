# SPDX-License-Identifier: Apache-2.0
"""Results and comparisons as Markdown, for a pull request."""

from __future__ import annotations

from collections.abc import Sequence

from ascmcu.results import budgets, words
from ascmcu.results.budgets import Verdict
from ascmcu.results.comparison import Comparison, Difference
from ascmcu.results.schema import Benchmark

# Columns of words stand left, those of numbers right.
_WORDS = ("figure", "layer", "op", "kernel")


def of_benchmark(b: Benchmark, verdicts: Sequence[Verdict] = ()) -> str:
    """Headline, layers and conditions of one result."""
    lines = [f"### {_text(b.model)} on {b.board_title}, `{b.runner}`", ""]
    figures = [(m.named(b), m.of(b), m) for m in budgets.METRICS]
    rows = [(title, budgets.tell(m, value)) for title, value, m in figures if value is not None]
    if b.seconds is not None:
        rows.append((f"time per clip at {b.clock_hz / 1e6:g} MHz", words.duration(b.seconds)))
        if b.clip_seconds:
            rows.append(("of real time", words.percent(b.seconds / b.clip_seconds)))
    lines += _table(("figure", "value"), rows)
    lines += _verdicts(verdicts)
    counted = any(x.count is not None for x in b.layers)
    header = (
        "layer",
        "op",
        "kernel",
        "MACs",
        *([b.count_kind, "predicted"] if counted else []),
        "RAM",
        "flash",
    )
    layers = [
        (
            f"`{words.short_layer(x.name)}`",
            x.op,
            x.kernel,
            f"{x.macs:,}",
            *(["" if n is None else f"{n:,}" for n in (x.count, x.predicted_cycles)] if counted else []),
            f"{x.buffer_bytes:,}",
            f"{x.flash_bytes:,}",
        )
        for x in b.layers
    ]
    lines += ["", "<details><summary>Layers</summary>", "", *_table(header, layers), "", "</details>", ""]
    return "\n".join([*lines, _conditions(b), ""])


def of_comparison(comparisons: Sequence[Comparison]) -> str:
    """Every result against the first: what differs, and the budgets."""
    return "\n".join(line for c in comparisons for line in _comparison(c)) + "\n"


def _comparison(c: Comparison) -> list[str]:
    lines = [f"### {_text(c.names[1])} against {_text(c.names[0])} ({c.base.board_title})", ""]
    if c.decisive:
        unlike = "; ".join(f"{x.name} `{_text(x.before)}` → `{_text(x.after)}`" for x in c.decisive)
        lines += [f"**Not comparable as they are:** {unlike}", ""]
    if not c.figures and not c.layers:
        lines.append("No figure differs.")
    if c.figures:
        figures = [(d.title, *_cells(d)) for d in c.figures]
        lines += _table(("figure", "before", "after", "change"), figures)
    lines += _verdicts(c.verdicts)
    if c.layers:
        rows = [
            (
                f"`{words.short_layer(x.name)}`" + ("" if x.state == "changed" else f" ({x.state})"),
                d.title,
                *_cells(d),
            )
            for x in c.layers
            for d in x.figures
        ]
        table = _table(("layer", "figure", "before", "after", "change"), rows)
        lines += [
            "",
            f"<details><summary>{len(c.layers)} layers differ</summary>",
            "",
            *table,
            "",
            "</details>",
        ]
    others = [x for x in c.conditions if x not in c.decisive]
    if others:
        lines += ["", "Other conditions that differ:", ""]
        lines += [f"- {x.name}: `{_text(x.before)}` → `{_text(x.after)}`" for x in others]
    if c.shared_clips:
        lines += ["", f"{c.equal_answers} of {c.shared_clips} clips are answered alike."]
    return [*lines, ""]


def _cells(d: Difference) -> tuple[str, str, str]:
    def tell(value: float | int | None) -> str:
        if value is None:
            return "–"
        return (
            words.percent(value) if d.fraction else f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
        )

    return tell(d.before), tell(d.after), change(d)


def change(d: Difference) -> str:
    """``+1,234 (+0.5 %)``."""
    if d.change is None:
        return ""
    if d.fraction:
        return f"{100 * d.change:+.2f} points"
    plain = f"{d.change:+,}" if isinstance(d.change, int) else f"{d.change:+.4g}"
    return plain if d.percent is None else f"{plain} ({d.percent:+.2f} %)"


def _verdicts(verdicts: Sequence[Verdict]) -> list[str]:
    if not verdicts:
        return []
    return ["", *(f"- {'✅' if v.kept else '❌'} {v.sentence}" for v in verdicts)]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    marks = ["---" if title in _WORDS else "---:" for title in header]
    return [f"| {' | '.join(row)} |" for row in (header, marks, *rows)]


def _conditions(b: Benchmark) -> str:
    clock = f"{b.clock_hz / 1e6:g} MHz, {b.wait_states} wait states; " if b.clock_hz else ""
    heard = "".join(f"; {_text(line)}" for line in b.recordings.lines()) if b.recordings else ""
    built = f"; {b.compiler}, `{b.flags}`" if b.compiler else ""  # a library is not built
    return (
        f"{clock}{b.runner}: {b.runner_detail}{built}; schedule {b.schedule}; {b.clips} clips of "
        f"{_text(b.source)}{heard}; model SHA-256 `{b.model_sha256[:16]}…`; {b.tool}, "
        f"{b.provenance.measured_at}."
    )


def _text(value: str) -> str:
    """A name that may not become markup."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#" else c for c in value)
