# SPDX-License-Identifier: Apache-2.0
"""``ascmcu train``: data set in, quantized model out."""

from __future__ import annotations

import dataclasses
import json
import math
import shlex
from pathlib import Path

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
    changes = (*changes, *sorted(given))
    plain_folder = data is None and (Path(recipe).is_dir() or recipe.endswith(".csv"))
    if data is None and not plain_folder:
        raise _no_data(recipe)
    if plain_folder and hold_out is not None:
        raise click.UsageError("--hold-out goes with RECIPE and --data")
    if output is not None:
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
    folders.check(folder)
    if hold_out is not None:
        kept_out = dataset.part(hold_out)
        others = tuple(part for part in dataset.parts if part != kept_out)
        held = dataclasses.replace(chosen.data, train=others, validate=(), test=(kept_out,))
        chosen = dataclasses.replace(chosen, data=held)
    zoo.load_tensorflow()
    if limits:
        bounds.require_untrained(chosen, dataset, limits)
    from ascmcu.quantize import run as quantize
    from ascmcu.train import judging, plots
    from ascmcu.train import run as train
    from ascmcu.train.loop import Epoch

    console = Console(stderr=True)
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
    told = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    if told["examples_per_second"]:
        where = ", ".join(told["made_with"]["trained_on"])
        console.print(f"{told['examples_per_second']:.0f} examples/s on {where}")
    for form, figures in (("float", finished.scores), ("int8", scores)):
        if figures:
            console.print(judging.summary(form, figures))
    console.print(f"{path}  {path.stat().st_size} bytes")
    for line in _next(path, folder / plain.SPLIT if plain_folder else data, chosen):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if as_json:
        click.echo(json.dumps(json.loads((folder / "metrics.json").read_text(encoding="utf-8")), indent=2))


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
