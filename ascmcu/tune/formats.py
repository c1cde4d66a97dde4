# SPDX-License-Identifier: Apache-2.0
"""All formats of one float network side by side: what each answers, weighs, and costs once compiled for a board."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ascmcu import boards
from ascmcu.errors import BoardError
from ascmcu.paths import write_whole
from ascmcu.results import page, pictures, words
from ascmcu.tune import cost, limits

if TYPE_CHECKING:
    from ascmcu.quantize.material import Material
    from ascmcu.quantize.routes import Options
    from ascmcu.quantize.source import Source
    from ascmcu.train.loop import Epoch
    from ascmcu.train.recipe import Recipe

FLOAT = "float"
# Titles by the name of the format.
# What ``quantize --to all`` writes beside the formats.
PAGE = "formats.html"
FORMATS = {FLOAT: "float32", "fp16": "fp16", "dynamic": "dynamic", "int8": "int8", "qat": "QAT"}
CALIBRATORS = {"minmax": "min–max", "percentile": "percentile", "mse": "MSE", "entropy": "entropy"}

# Cycles of two formats that differ by no more are taken for equal.
_AS_FAST = 1.02


@dataclass(frozen=True)
class Format:
    """One format of a network.

    Attributes:
        title: the format, and the calibrator of ``int8``.
        accuracy: None where the clips' classes are not the network's.
        agreement: share of clips whose label is the float network's.
        ram_bytes, flash_bytes: of the linked firmware; None where the board does not hold it. RAM without the copies of
            weights and code that start-up makes where RAM is free (``Manifest.needed_ram_bytes``).
        cycles: of the network for one clip on the simulated core; None without recordings.
        exceeded: what breaks the limits that were asked for, with figures.
        board_title, clock_hz, board_ram_bytes, board_flash_bytes: of the board; empty and 0 in stored comparisons that
            are older than these figures.
    """

    title: str
    clips: int
    accuracy: float | None
    agreement: float
    model_bytes: int
    ram_bytes: int | None
    flash_bytes: int | None
    cycles: int | None
    board: str
    exceeded: tuple[str, ...] = ()
    board_title: str = ""
    clock_hz: int = 0
    board_ram_bytes: int = 0
    board_flash_bytes: int = 0

    @property
    def fits(self) -> bool:
        """Whether the board holds the firmware and no limit is exceeded."""
        return self.ram_bytes is not None and not self.exceeded

    @property
    def seconds(self) -> float | None:
        """Of the network for one clip at the board's clock."""
        return None if self.cycles is None or not self.clock_hz else self.cycles / self.clock_hz

    @property
    def right(self) -> float:
        """What formats are judged by: the accuracy, or where nobody knows it the agreement with the float network."""
        return self.agreement if self.accuracy is None else self.accuracy

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of ``right`` (Wilson)."""
        return pictures.wilson(round(self.right * self.clips), self.clips)


@dataclass(frozen=True)
class Work:
    """What a comparison works on: the network, the clips, the run's recipe where there is one, and the board.

    Attributes:
        data: the recordings, of which one is simulated; None leaves the cycles out.
        state: a file that keeps the state of ``qat``'s training.
    """

    source: Source
    material: Material
    recipe: Recipe | None
    board: str
    data: Path | None
    limits: tuple[str, ...] = ()
    state: Path | None = None


def possible(work: Work) -> tuple[str, ...]:
    """The formats that there are: fine-tuning needs a trained Keras model and its recipe."""
    trained = work.source.keras is not None and work.recipe is not None and work.material.examples is not None
    return tuple(format for format in FORMATS if format != "qat" or trained)


def measure(
    work: Work,
    format: str,
    options: Options,
    target: Path,
    progress: Callable[[Epoch], None] = lambda epoch: None,
) -> Format:
    """Make one format, leave it in ``target``, and say what it costs.

    Raises:
        ToolError: a program or library is missing.
        ModelError: the format cannot be made or compiled.
    """
    from ascmcu.quantize import routes

    source, material = work.source, work.material
    if format == FLOAT:
        model = routes.labelled(source.tflite, source, material)
    else:
        model = routes.convert(source, format, material, options, work.recipe, progress, work.state)
    write_whole(target, model)
    answers = routes.measure(source, format, model, material)
    board = boards.load(work.board)
    found = None
    with contextlib.suppress(BoardError):
        found = cost.of(target, work.board, work.data if material.features else None)
    return Format(
        title=titled(format, options.calibrator),
        clips=answers.clips,
        accuracy=answers.accuracy,
        agreement=answers.agreement,
        model_bytes=len(model),
        ram_bytes=found.ram_bytes if found else None,
        flash_bytes=found.flash_bytes if found else None,
        cycles=found.cycles if found else None,
        board=board.name,
        exceeded=limits.exceeded(target, work.limits),
        board_title=board.title,
        clock_hz=board.clock.sysclk_hz,
        board_ram_bytes=board.ram.size_bytes,
        board_flash_bytes=board.flash.size_bytes,
    )


def titled(format: str, calibrator: str) -> str:
    """The format's name in tables."""
    return f"int8, {CALIBRATORS[calibrator]}" if format == "int8" else FORMATS[format]


def winner(formats: Sequence[Format]) -> Format | None:
    """The format to take: the fastest of those that fit and are not shown to be less accurate than the best that fits.

    That is, whose accuracy is not below the 95 % interval of the best one's. Of those that take at most 2 % more time
    than the fastest, the most accurate one is taken; then the one with the least RAM, then with the least flash. None
    where nothing fits.
    """
    fitting = [format for format in formats if format.fits]
    if not fitting:
        return None
    best = max(fitting, key=lambda format: format.right)
    as_good = [format for format in fitting if format.right >= best.interval[0]]
    fastest = min(format.cycles or 0 for format in as_good)
    as_fast = [format for format in as_good if (format.cycles or 0) <= _AS_FAST * fastest]
    return min(as_fast, key=lambda format: (-format.right, format.ram_bytes or 0, format.flash_bytes or 0))


def columns(formats: Sequence[Format]) -> tuple[str, ...]:
    """The head of the table."""
    kept = ("limits",) if any(format.exceeded for format in formats) else ()
    time = ("time per clip",) if any(format.seconds is not None for format in formats) else ()
    costs = ("RAM bytes", "flash bytes", "cycles per clip", *time)
    return ("format", "accuracy", "same label as float", "model bytes", *costs, *kept)


def row(format: Format, head: Sequence[str]) -> tuple[str, ...]:
    """A format's cells, in the order of ``columns``."""
    cells = {
        "format": format.title,
        "accuracy": _told(format.accuracy, "{:.2%}"),
        "same label as float": f"{format.agreement:.2%}",
        "model bytes": f"{format.model_bytes:,}",
        "RAM bytes": _told(format.ram_bytes, "{:,}") if format.ram_bytes is not None else "too large",
        "flash bytes": _told(format.flash_bytes, "{:,}"),
        "cycles per clip": _told(format.cycles, "{:,}"),
        "time per clip": "–" if format.seconds is None else words.duration(format.seconds),
        "limits": "; ".join(format.exceeded) or "kept",
    }
    return tuple(cells[name] for name in head)


def markdown(formats: Sequence[Format]) -> str:
    """The table for a document."""
    head = columns(formats)
    rows = [head, ("---", *("--:" for _ in head[1:])), *(row(format, head) for format in formats)]
    rule = "|" + "|".join(rows[1]) + "|"
    return "\n".join("| " + " | ".join(cells) + " |" if cells is not rows[1] else rule for cells in rows)


@dataclass(frozen=True)
class Bar:
    """A figure in the page's table: its title, what stands below it, and a bar of this many percent.

    ``state`` is ``good`` or ``bad`` for what is a verdict.
    """

    title: str
    text: str
    note: str = ""
    percent: float | None = None
    state: str = ""


@dataclass(frozen=True)
class Row:
    """A format on the page."""

    title: str
    wins: bool
    cells: tuple[Bar, ...]


def html(name: str, formats: Sequence[Format]) -> str:
    """One page that needs nothing else: which format to take, and the table with its figures as bars."""
    best = winner(formats)
    rows = [Row(f.title, f is best, tuple(_cells(f, formats))) for f in formats]
    return page.standalone(
        "formats.html.j2",
        name=name,
        board=formats[0].board_title or formats[0].board,
        clock=f"{formats[0].clock_hz / 1e6:g} MHz" if formats[0].clock_hz else "",
        clips=formats[0].clips,
        verdict=verdict(formats),
        rows=rows,
    )


def verdict(formats: Sequence[Format]) -> str:
    """Which format to take, and what speaks against it, in words."""
    best = winner(formats)
    if best is None:
        return "No format fits the board and the limits."
    costs = [
        *([] if best.seconds is None else [words.duration(best.seconds)]),
        f"{words.kibibytes(best.ram_bytes or 0)} of RAM",
        f"{words.kibibytes(best.flash_bytes or 0)} of flash",
    ]
    what = "agrees with float on" if best.accuracy is None else "answers"
    end = "of the clips" if best.accuracy is None else "of the clips right"
    text = f"Take {best.title}: it {what} {words.percent(best.right)} {end} in {', '.join(costs)}."
    better = [f for f in formats if f.fits and f.right > best.right]
    if better:
        most = max(better, key=lambda f: f.right)
        low, high = most.interval
        text += (
            f" {most.title} reaches {words.percent(most.right)}, whose 95 % interval on {most.clips} clips, "
            f"{words.percent(low)} to {words.percent(high)}, holds this figure too."
        )
    return text


def _cells(f: Format, formats: Sequence[Format]) -> Iterator[Bar]:
    """A format's figures; all formats of a page have the same columns."""
    low, high = f.interval
    if any(other.accuracy is not None for other in formats):
        told = _told(f.accuracy, f"{100 * low:.0f}–{100 * high:.0f}\u00a0%")
        percent = None if f.accuracy is None else 100 * f.accuracy
        yield Bar("accuracy", "–" if percent is None else f"{percent:.1f} %", told.removeprefix("–"), percent)
    yield Bar("same label as float", words.percent(f.agreement), "", 100 * f.agreement)
    if any(other.cycles is not None for other in formats):
        yield _time(f, max(other.cycles or 0 for other in formats))
    yield _memory("RAM", f.ram_bytes, f.board_ram_bytes)
    yield _memory("flash", f.flash_bytes, f.board_flash_bytes)
    largest = max(other.model_bytes for other in formats)
    yield Bar("model file", f"{f.model_bytes:,}", "", 100 * f.model_bytes / largest)
    what = "yes" if f.fits else "; ".join(f.exceeded) or "no"
    yield Bar("fits", what, state="good" if f.fits else "bad")


def _time(f: Format, most_cycles: int) -> Bar:
    if f.cycles is None:
        return Bar("time per clip", "–")
    percent = 100 * f.cycles / max(most_cycles, 1)
    if f.seconds is None:
        return Bar("time per clip", f"{f.cycles:,} cycles", "", percent)
    return Bar("time per clip", words.duration(f.seconds), f"{f.cycles:,} cycles", percent)


def _memory(title: str, used: int | None, room: int) -> Bar:
    if used is None:
        return Bar(title, "too large", state="bad")
    if not room:
        return Bar(title, f"{used:,}")
    return Bar(title, f"{used:,}", f"{words.percent(used / room)} of the board", 100 * used / room)


def write_json(formats: Sequence[Format], path: Path) -> None:
    """The formats as a list of objects."""
    write_whole(
        path, json.dumps([to_dict(format) for format in formats], indent=2, ensure_ascii=False) + "\n"
    )


def read_json(path: Path) -> list[Format]:
    """What ``write_json`` wrote."""
    return [
        Format(**{**raw, "exceeded": tuple(raw["exceeded"])})
        for raw in json.loads(path.read_text(encoding="utf-8"))
    ]


def to_dict(format: Format) -> dict[str, Any]:
    """For JSON."""
    return dataclasses.asdict(format)


def _told(value: float | int | None, pattern: str) -> str:
    return "–" if value is None else pattern.format(value)
