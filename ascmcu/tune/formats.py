# SPDX-License-Identifier: Apache-2.0
"""All formats of one float network side by side: what each answers, weighs, and costs once compiled for a board."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ascmcu import boards
from ascmcu.errors import BoardError
from ascmcu.results import page
from ascmcu.tune import cost, limits

if TYPE_CHECKING:
    from ascmcu.quantize.material import Material
    from ascmcu.quantize.routes import Options
    from ascmcu.quantize.source import Source
    from ascmcu.train.loop import Epoch
    from ascmcu.train.recipe import Recipe

FLOAT = "float"
# Titles by the name of the format.
FORMATS = {FLOAT: "float32", "fp16": "fp16", "dynamic": "dynamic", "int8": "int8", "qat": "QAT"}
CALIBRATORS = {"minmax": "min–max", "percentile": "percentile", "mse": "MSE", "entropy": "entropy"}


@dataclass(frozen=True)
class Format:
    """One format of a network.

    Attributes:
        title: the format, and the calibrator of ``int8``.
        accuracy: None where the clips' classes are not the network's.
        agreement: share of clips whose label is the float network's.
        ram_bytes, flash_bytes: of the linked firmware; None where the board does not hold it.
        cycles: of the network for one clip on the simulated core; None without recordings.
        exceeded: what breaks the limits that were asked for, with figures.
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
    target.write_bytes(model)
    answers = routes.measure(source, format, model, material)
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
        board=boards.load(work.board).name,
        exceeded=limits.exceeded(target, work.limits),
    )


def titled(format: str, calibrator: str) -> str:
    """The format's name in tables."""
    return f"int8, {CALIBRATORS[calibrator]}" if format == "int8" else FORMATS[format]


def columns(formats: Sequence[Format]) -> tuple[str, ...]:
    """The head of the table."""
    kept = ("limits",) if any(format.exceeded for format in formats) else ()
    costs = ("RAM bytes", "flash bytes", "cycles per clip")
    return ("format", "accuracy", "same label as float", "model bytes", *costs, *kept)


def row(format: Format, head: Sequence[str]) -> tuple[str, ...]:
    """A format's cells, in the order of ``columns``."""
    fits = format.ram_bytes is not None
    cells = {
        "format": format.title,
        "accuracy": _told(format.accuracy, "{:.2%}"),
        "same label as float": f"{format.agreement:.2%}",
        "model bytes": f"{format.model_bytes:,}",
        "RAM bytes": _told(format.ram_bytes, "{:,}") if fits else "too large",
        "flash bytes": _told(format.flash_bytes, "{:,}"),
        "cycles per clip": _told(format.cycles, "{:,}"),
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
    """A figure in the page's table, and its share of the column's largest."""

    text: str
    percent: float | None


def html(name: str, formats: Sequence[Format]) -> str:
    """One page that needs nothing else: the table, its figures as bars."""
    head = columns(formats)
    figures: dict[str, list[float | None]] = {
        "accuracy": [format.accuracy for format in formats],
        "same label as float": [format.agreement for format in formats],
        "model bytes": [format.model_bytes for format in formats],
        "RAM bytes": [format.ram_bytes for format in formats],
        "flash bytes": [format.flash_bytes for format in formats],
        "cycles per clip": [format.cycles for format in formats],
    }
    full = {title: max((v for v in values if v), default=1.0) for title, values in figures.items()}
    full |= {"accuracy": 1.0, "same label as float": 1.0}
    rows = []
    for number, format in enumerate(formats):
        cells = []
        for title, text in zip(head, row(format, head), strict=True):
            value = figures[title][number] if title in figures else None
            cells.append(Bar(text, None if value is None else 100.0 * value / full[title]))
        rows.append(cells)
    first = formats[0]
    return page.standalone(
        "formats.html.j2", name=name, board=boards.load(first.board).title, clips=first.clips, head=head, rows=rows
    )  # fmt: skip


def write_json(formats: Sequence[Format], path: Path) -> None:
    """The formats as a list of objects."""
    path.write_text(
        json.dumps([to_dict(format) for format in formats], indent=2, ensure_ascii=False) + "\n",
        encoding="utf-8",
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
