# SPDX-License-Identifier: Apache-2.0
"""``ascmcu data``: list, check and synthesise data sets."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ascmcu.cli import names as completion
from ascmcu.cli.numbers import Real
from ascmcu.cli.progress import counted
from ascmcu.data import datasets, synth

if TYPE_CHECKING:
    from ascmcu.data.check import Report

_columns = click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="FIELD=NAME",
    help="Name of a column in the table. FIELD is file, label, labels, part, device or place. Can be repeated.",
)


@click.group("data")
def command() -> None:
    """Check, list and synthesise data sets."""


@command.command("list")
@click.argument("source", type=click.Path(path_type=Path))
@_columns
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def list_(source: Path, columns: tuple[str, ...], as_json: bool) -> None:
    """Count the recordings of SOURCE by class, part and device."""
    found = datasets.survey(source, datasets.Columns.named(columns))
    dataset = datasets.load(source, datasets.Columns.named(columns))
    labels = Counter(name for r in dataset.recordings for name in r.classes)
    counts = {"label": dict(sorted(labels.items()))} | {
        field: dict(
            sorted(Counter(getattr(r, field) for r in dataset.recordings if getattr(r, field)).items())
        )
        for field in ("part", "device", "place")
    }
    ignored = found.ignored
    if as_json:
        told = {"recordings": len(dataset.recordings), "layout": dataset.layout, **counts}
        told |= {"multi_label": dataset.multi_label, "unavailable": found.unavailable}
        told |= {
            "backgrounds": len(dataset.backgrounds),
            "unions": dict(dataset.unions),
            "ignored": len(ignored),
        }
        click.echo(json.dumps(told, indent=2))
        return
    click.echo(f"{len(dataset.recordings)} recordings, read as {dataset.layout}")
    if dataset.multi_label:
        mean = sum(labels.values()) / max(len(dataset.recordings), 1)
        click.echo(f"multi-label: {len(dataset.labels)} classes, {mean:.2f} a recording")
    if found.unavailable:
        click.echo(f"listed and not there: {found.unavailable}")
    for field, values in counts.items():
        if values:
            click.echo(f"by {field}: " + ", ".join(f"{value} {count}" for value, count in values.items()))
    for name, parts in dataset.unions.items():
        if len(parts) > 1:
            click.echo(f"{name} is {' and '.join(parts)}: {len(dataset.only([name]).recordings)}")
    if dataset.backgrounds:
        click.echo(f"background noise, to cut silence from: {len(dataset.backgrounds)}")
    if ignored:
        click.echo(f"ignored, as hidden or left behind by an archiver: {len(ignored)}")


@command.command("check")
@click.argument("source", type=click.Path(path_type=Path))
@_columns
@click.option(
    "--features",
    metavar="SPEC",
    shell_complete=completion.FEATURES,
    help="Also check the recordings against this front end, a name or a .toml file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print all findings as JSON.")
@click.pass_context
def check_(
    context: click.Context, source: Path, columns: tuple[str, ...], features: str | None, as_json: bool
) -> None:
    """Decode every recording of SOURCE and report missing, duplicate and unusable files, and leaks between parts.

    Exit status 1 if there are faults; notes do not count.
    """
    from ascmcu.data import check
    from ascmcu.features import spec as specs

    spec = specs.load(features) if features else None
    with counted(f"checking {source.name}", "files") as progress:
        report = check.check(source, datasets.Columns.named(columns), progress, spec)
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2))
    else:
        click.echo("\n".join(_findings(report)))
    context.exit(1 if report.faults else 0)


def _findings(report: Report) -> list[str]:
    """What a reader wants to know: counts, and the first names of each kind; faults before notes."""
    from ascmcu.data.found import KINDS

    across = {*report.leaked, *report.contradictory}
    lines = [f"{report.recordings} recordings: " + "; ".join(f"{n} × {f}" for f, n in report.formats.items())]
    faults: list[tuple[str, Sequence[str]]] = [
        ("missing", report.missing),
        ("in the official split, not in meta.csv", report.unlisted_in_meta),
        ("listed more than once", report.repeated),
        ("unusable", _with_reasons(report.unreachable)),
        ("in no folder of a class", report.unlabelled),
        ("classes that are nearly the same word", [" = ".join(names) for names in report.twins]),
        ("of equal samples", [" = ".join(names) for names in report.duplicates if names not in across]),
        ("of equal samples, in several parts", [" = ".join(names) for names in report.leaked]),
        ("of equal samples, with several classes", [" = ".join(names) for names in report.contradictory]),
        ("in several parts", [f"{place} ({', '.join(parts)})" for place, parts in report.leaks.items()]),
    ]
    notes: list[tuple[str, Sequence[str]]] = [
        ("in no list", report.unlisted),
        ("ignored", report.ignored),
        ("class folders without recordings", report.empty),
    ]
    for kind, names in report.findings.items():
        to = notes if KINDS[kind].severity == "note" else faults
        to.append((KINDS[kind].title, _with_reasons(names)))
    lines += _listed("fault", faults) + _listed("note", notes)
    lines += [f"note: {report.unavailable} listed and not there"] if report.unavailable else []
    return [*lines, _count(report.faults)]


def _count(faults: int) -> str:
    return f"{faults or 'no'} fault{'' if faults == 1 else 's'}"


def _with_reasons(found: dict[str, str]) -> list[str]:
    return [f"{name} ({why})" if why else name for name, why in found.items()]


def _listed(weight: str, kinds: list[tuple[str, Sequence[str]]]) -> list[str]:
    return [
        f"{weight}: {len(found)} {title}: {', '.join(found[:5])}"
        + (f", and {len(found) - 5} more" if len(found) > 5 else "")
        for title, found in kinds
        if found
    ]


@command.command("synth")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--clips", type=click.IntRange(1, 10_000), default=60, show_default=True, help="Clips per scene."
)
@click.option("--seconds", type=Real(0.5, 3600), default=3.0, show_default=True, help="Length of a clip.")
@click.option(
    "--rate", type=click.IntRange(8000, 48000), default=16000, show_default=True, help="Sample rate, Hz."
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
def synth_(folder: Path, clips: int, seconds: float, rate: int, seed: int) -> None:
    """Synthesise acoustic scenes into FOLDER: audio/ and meta.csv, five folds, two recording devices."""
    spec = dataclasses.replace(
        synth.SynthSpec(), clips_per_scene=clips, clip_seconds=seconds, sample_rate_hz=rate, seed=seed
    )
    with counted(f"synthesising {folder.name}", "clips") as progress:
        synth.write(folder, spec, progress)
    click.echo(f"{clips * len(synth.SCENES)} clips of {', '.join(synth.SCENES)} in {folder}")
