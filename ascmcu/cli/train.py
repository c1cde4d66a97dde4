# SPDX-License-Identifier: Apache-2.0
"""``ascmcu train``: data set in, quantized model out."""

from __future__ import annotations

import dataclasses
import json
import math
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from ascmcu import zoo
from ascmcu.cli import names
from ascmcu.cli.progress import counted, staged
from ascmcu.data import datasets, words
from ascmcu.errors import InputError, near
from ascmcu.paths import filling
from ascmcu.train import folder as folders
from ascmcu.train import plain
from ascmcu.train import recipe as recipes


@click.command("train")
@click.argument("recipe", metavar="RECIPE|FOLDER", shell_complete=names.RECIPES)
@click.option("--data", type=click.Path(path_type=Path), help="Data set for RECIPE: a folder or a table.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Folder of the run. [default: runs/RECIPE]"
)
@click.option("--hold-out", metavar="PART", help="Test on this part (fold) and train on the others.")
@click.option(
    "--start",
    metavar="RUN",
    help="Train the weights of this finished run further, with its network and features.",
)
@click.option(
    "--per-device",
    is_flag=True,
    help="Make a run for each recording device, from its recordings alone. Needs --start.",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="FIELD=NAME",
    help="Name of a column in the table. FIELD is file, label, labels, part, device or place.",
)
@click.option(
    "--classes",
    metavar="A,B,…",
    help="Use these classes of the data alone. `unknown` takes all others, `silence` the background noise.",
)
@click.option("--seed", type=click.IntRange(0), help="Seed, instead of the recipe's.")
@click.option("--epochs", type=click.IntRange(1), help="Epochs, instead of the recipe's.")
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="SECTION.KEY=VALUE",
    help="Override a value of the recipe, in TOML syntax. Can be repeated.",
)
@click.option(
    "--limits",
    multiple=True,
    metavar="NAME",
    help="Stop before training if the network exceeds the limits of this challenge or board.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the run's metrics as JSON.")
def command(
    recipe: str,
    data: Path | None,
    output: Path | None,
    hold_out: str | None,
    start: str | None,
    per_device: bool,
    columns: tuple[str, ...],
    classes: str | None,
    seed: int | None,
    epochs: int | None,
    changes: tuple[str, ...],
    limits: tuple[str, ...],
    as_json: bool,
) -> None:
    """Train the network of RECIPE (a name, or a .toml file) on --data and quantize it to int8.

    `ascmcu train FOLDER` needs no recipe: FOLDER holds a folder per class. It is split by groups of recordings,
    and clip length, sample rate and epochs come from the recordings.

    The result, model.tflite in the run's folder, contains its features and labels. `ascmcu export` compiles it.
    """
    from ascmcu.tune import limits as bounds

    bounds.check_names(limits)
    given = {f"training.{k}={v}" for k, v in (("seed", seed), ("epochs", epochs)) if v is not None}
    begun = () if start is None else (f"start.run={json.dumps(start)}",)
    changes = (*changes, *begun, *sorted(given))
    plain_folder = data is None and (Path(recipe).is_dir() or recipe.endswith(".csv"))
    if data is None and not plain_folder:
        raise _no_data(recipe)
    for option, used in (("--hold-out", hold_out), ("--start", start), ("--per-device", per_device)):
        if plain_folder and used:
            raise click.UsageError(f"{option} goes with RECIPE and --data")
    if output is not None and not per_device:
        folders.check(output)
    dataset = datasets.load(data or Path(recipe), datasets.Columns.named(columns))
    if classes is not None:
        changes = (*changes, f"data.classes={json.dumps([name.strip() for name in classes.split(',')])}")
        dataset = words.of_recipe(dataset, [name.strip() for name in classes.split(",")])
    if plain_folder:
        chosen, dataset, folder = _plain(dataset, output, changes)
    else:
        chosen = recipes.load(recipe, changes)
        dataset = dataset if classes is not None else words.of_recipe(dataset, chosen.data.classes)
        folder = output or Path("runs") / chosen.name
    if silent := words.without_silence(dataset):
        click.echo(f"note: {silent}", err=True)
    if hold_out is not None:
        kept_out = dataset.part(hold_out)
        others = tuple(part for part in dataset.parts if part != kept_out)
        held = dataclasses.replace(chosen.data, train=others, validate=(), test=(kept_out,))
        chosen = dataclasses.replace(chosen, data=held)
    jobs = _by_device(chosen, dataset, folder) if per_device else [Job(chosen, folder)]
    for job in jobs:
        folders.check(job.folder)
    zoo.load_tensorflow()
    if limits:
        bounds.require_untrained(chosen, dataset, limits)
    console = Console(stderr=True)
    for job in jobs:
        if job.device:
            console.print(f"device {job.device}:", highlight=False)
        _train(job, dataset, plain_folder, limits, console)
        source = job.folder / plain.SPLIT if plain_folder else data
        for line in [] if per_device else _next(job.folder / "model.tflite", source, chosen):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
    if per_device:
        for line in _submission(chosen, jobs, data):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
    if as_json:
        told = {job.device: _metrics(job) for job in jobs}
        click.echo(json.dumps(told if per_device else told[""], indent=2))


@dataclass(frozen=True)
class Job:
    """One run: a recipe, its folder, and the device where there is a run for each."""

    recipe: recipes.Recipe
    folder: Path
    device: str = ""


def _by_device(chosen: recipes.Recipe, dataset: datasets.Dataset, folder: Path) -> list[Job]:
    """A job for each of the recipe's devices, or for all that recorded its training part."""
    if not chosen.start.run:
        raise click.UsageError("--per-device needs a run to start from: --start RUN")
    devices = chosen.data.devices or dataset.only(chosen.data.train).devices
    for part in (chosen.data.train, chosen.data.validate, chosen.data.test):
        if part:  # before the first device is trained
            dataset.only(part).of_devices(devices or ("",))
    strange = [device for device in devices if Path(device).name != device]
    if strange:
        raise InputError("a device whose name cannot be a folder's", where="--per-device", found=strange[0])
    return [
        Job(
            dataclasses.replace(chosen, data=dataclasses.replace(chosen.data, devices=(device,))),
            folder / device,
            device,
        )
        for device in devices
    ]


def _train(
    job: Job, dataset: datasets.Dataset, plain_folder: bool, limits: tuple[str, ...], console: Console
) -> None:
    """Train, quantize, and say what came out; a device's run that is there already is left as it is."""
    from ascmcu.quantize import run as quantize
    from ascmcu.train import judging, plots
    from ascmcu.train import run as train
    from ascmcu.train.loop import Epoch
    from ascmcu.tune import limits as bounds

    chosen, folder = job.recipe, job.folder
    if job.device and train.is_finished(chosen, dataset, folder):
        console.print(f"{folder} is finished: the same recipe, recordings and start", highlight=False)
        return
    with filling(folder), staged() as progress:

        def on_epoch(epoch: Epoch) -> None:
            note = f"loss {epoch.loss:.3f}, {epoch.examples_per_second:.0f} clips/s"
            if not math.isnan(epoch.validation_score):
                note += f", validation {plots.SCORES[chosen.training.task]} {epoch.validation_score:.3g}"
            progress("training", "epochs", epoch.epoch, chosen.training.epochs, note)

        finished = train.train(
            chosen,
            dataset,
            folder,
            on_recordings=lambda done, total: progress("recordings", "files", done, total),
            on_features=lambda done, total: progress("features", "clips", done, total),
            on_epoch=on_epoch,
        )
        if plain_folder:  # with the results: an interrupted run leaves the split of the model that is there
            plain.write_split(dataset, folder)
        path, scores = quantize.finish(finished)
    bounds.require(path, limits)
    for line in finished.heard.lines():
        console.print(line, highlight=False, markup=False)
    told = _metrics(job)
    if told["examples_per_second"]:
        where = ", ".join(told["made_with"]["trained_on"])
        console.print(f"{told['examples_per_second']:.0f} examples/s on {where}")
    for form, figures in (("float", finished.scores), ("int8", scores)):
        if figures:
            console.print(judging.summary(form, figures))
    console.print(f"{path}  {path.stat().st_size} bytes")


def _metrics(job: Job) -> Any:
    return json.loads((job.folder / "metrics.json").read_text(encoding="utf-8"))


def _no_data(recipe: str) -> Exception:
    """What is wrong where there is no --data, and no folder in the recipe's place."""
    if recipe in recipes.names() or recipe.endswith(".toml"):
        return click.UsageError("a recipe needs --data; or give a folder of classes in its place")
    hint = near(recipe, recipes.names()) or "FOLDER holds a folder per class; RECIPE needs --data"
    return InputError("no such folder of classes, and no such recipe", found=recipe, hint=hint)


def _plain(
    dataset: datasets.Dataset, output: Path | None, changes: tuple[str, ...]
) -> tuple[recipes.Recipe, datasets.Dataset, Path]:
    """Recipe, recordings with parts, and the run's folder, for a folder of classes; says what was chosen."""
    folder = output or Path("runs") / (dataset.root.resolve().name or plain.BASE)
    with counted("reading the recordings", "files") as progress:
        planned = plain.plan(dataset, folder, changes, progress=progress)
    for note in planned.notes:
        click.echo(note, err=True)
    return planned.recipe, planned.dataset, folder


def _next(model: Path, data: Path | None, recipe: recipes.Recipe) -> list[str]:
    """The commands that follow."""
    lines = [f"next: ascmcu export {shlex.quote(str(model))} --board nucleo-f446"]
    if data is not None and recipe.data.test:
        lines.append(f"      ascmcu bench --data {shlex.quote(str(data))} --split {recipe.data.test[0]}")
    return lines


def _submission(recipe: recipes.Recipe, jobs: list[Job], data: Path | None) -> list[str]:
    """The command that takes a run for each device."""
    runs = [recipe.start.run, *(f"{job.device}={job.folder}" for job in jobs)]
    development = [] if data is None else ["--development", str(data)]
    words = ["ascmcu", "submit", "dcase2025-task1", *runs, *development]
    return [f"next: {shlex.join(words)} --data EVALUATION --info info.toml"]
