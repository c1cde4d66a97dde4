"""``ascmcu data``: list and synthesise data sets."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path

import click

from ascmcu.data import datasets, synth


@click.group("data")
def command() -> None:
    """Look into data sets, or make one."""


@command.command("list")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Counts on standard output as JSON.")
def list_(source: Path, as_json: bool) -> None:
    """Count the recordings of SOURCE by class, part and device."""
    dataset = datasets.load(source)
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
    synth.write(folder, spec)
    click.echo(f"{clips * len(synth.SCENES)} clips of {', '.join(synth.SCENES)} in {folder}")
