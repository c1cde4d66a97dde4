"""``ascmcu data``: list, check and synthesise data sets."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ascmcu.cli.progress import counted
from ascmcu.data import datasets, synth

if TYPE_CHECKING:
    from ascmcu.data.check import Report

_columns = click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="FIELD=NAME",
    help="The name of a table's column: file, label, part, device or place. May be repeated.",
)


@click.group("data")
def command() -> None:
    """Look into data sets, or make one."""


@command.command("list")
@click.argument("source", type=click.Path(path_type=Path))
@_columns
@click.option("--json", "as_json", is_flag=True, help="Counts on standard output as JSON.")
def list_(source: Path, columns: tuple[str, ...], as_json: bool) -> None:
    """Count the recordings of SOURCE by class, part and device."""
    dataset = datasets.load(source, datasets.Columns.named(columns))
    counts = {
        field: dict(
            sorted(Counter(getattr(r, field) for r in dataset.recordings if getattr(r, field)).items())
        )
        for field in ("label", "part", "device", "place")
    }
    if as_json:
        click.echo(json.dumps({"recordings": len(dataset.recordings), **counts}, indent=2))
        return
    click.echo(f"{len(dataset.recordings)} recordings")
    for field, values in counts.items():
        if values:
            click.echo(f"by {field}: " + ", ".join(f"{value} {count}" for value, count in values.items()))


@command.command("check")
@click.argument("source", type=click.Path(path_type=Path))
@_columns
@click.option("--json", "as_json", is_flag=True, help="All findings on standard output as JSON.")
@click.pass_context
def check_(context: click.Context, source: Path, columns: tuple[str, ...], as_json: bool) -> None:
    """Decode every recording of SOURCE; say what is missing, duplicated, unreadable, or on both sides of a split.

    Exit status 1 when something is.
    """
    from ascmcu.data import check

    with counted(f"checking {source.name}", "files") as progress:
        report = check.check(source, datasets.Columns.named(columns), progress)
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2))
    else:
        click.echo("\n".join(_findings(report)))
    context.exit(0 if report.sound else 1)


def _findings(report: Report) -> list[str]:
    """What a reader wants to know: counts, and the first names of each kind."""
    lines = [f"{report.recordings} recordings: " + "; ".join(f"{n} × {f}" for f, n in report.formats.items())]
    kinds = (
        ("missing", report.missing),
        ("in the official split, not in meta.csv", report.unlisted_in_meta),
        ("listed more than once", report.repeated),
        ("unreadable", [f"{name} ({why})" for name, why in report.unreadable.items()]),
        ("of equal sound", [" = ".join(names) for names in report.duplicates]),
        ("in several parts", [f"{place} ({', '.join(parts)})" for place, parts in report.leaks.items()]),
        ("in no list", report.unlisted),
        ("silent", report.silent),
    )
    for title, found in kinds:
        if found:
            more = f", and {len(found) - 5} more" if len(found) > 5 else ""
            lines.append(f"{title}: {len(found)}: {', '.join(found[:5])}{more}")
    return [*lines, "sound" if report.sound else "not sound"]


@command.command("synth")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--clips", type=click.IntRange(1), default=60, show_default=True, help="Clips of each scene.")
@click.option(
    "--seconds", type=click.FloatRange(0.5), default=3.0, show_default=True, help="Length of a clip."
)
@click.option(
    "--rate", type=click.IntRange(8000, 48000), default=16000, show_default=True, help="Sample rate, Hz."
)
@click.option("--seed", type=int, default=1, show_default=True)
def synth_(folder: Path, clips: int, seconds: float, rate: int, seed: int) -> None:
    """Synthesise acoustic scenes to FOLDER: audio/ and meta.csv, five folds, two recording devices."""
    spec = dataclasses.replace(
        synth.SynthSpec(), clips_per_scene=clips, clip_seconds=seconds, sample_rate_hz=rate, seed=seed
    )
    with counted(f"synthesising {folder.name}", "clips") as progress:
        synth.write(folder, spec, progress)
    click.echo(f"{clips * len(synth.SCENES)} clips of {', '.join(synth.SCENES)} in {folder}")
