# SPDX-License-Identifier: Apache-2.0
"""``ascmcu tune``: search networks and features by accuracy and compiled cost."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("tune")
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Data set: a folder or a table.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Folder of the study. [default: runs/tune-RECIPE]"
)
@click.option(
    "--storage", metavar="URL", help="Database shared by all workers. [default: SQLite in the folder]"
)
@click.option("--trials", type=click.IntRange(1), help="Total number of trials, instead of the recipe's.")
@click.option("--board", help="Board, instead of the recipe's.")
@click.option(
    "--limits",
    multiple=True,
    metavar="NAME",
    help="Challenge or board whose limits each trial must meet. Can be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
def command(
    recipe: Path, data: Path, output: Path | None, storage: str | None, trials: int | None, board: str | None,
    limits: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Search RECIPE's [search] space for the objectives in [study].

    Repeat the command to resume the search, or to start another worker on any machine that can reach the storage.
    """
    from rich.console import Console
    from rich.table import Table

    from ascmcu import zoo
    from ascmcu.cli.progress import counted
    from ascmcu.data import datasets, intake, words
    from ascmcu.errors import LimitError
    from ascmcu.train import folder as folders
    from ascmcu.tune import pareto, study

    loaded = study.load(recipe)
    loaded = study.changed(loaded, trials=trials, board=board, limits=(*loaded.spec.limits, *limits))
    spec = loaded.spec
    folder = output or Path("runs") / f"tune-{loaded.name}"
    folders.check(folder, folders.STUDY, "study")
    dataset = words.of_recipe(datasets.load(data), loaded.raw.get("data", {}).get("classes", ()))
    with counted(f"reading {data.name}", "files") as reading:
        intake.usable([recording.path for recording in dataset.recordings], dataset.root, reading)
    zoo.load_tensorflow()
    console = Console(stderr=True)
    seen = -1

    def progress(so_far: study.Outcome) -> None:
        nonlocal seen
        done = len(so_far.results) + len(so_far.given_up)
        if done != seen:
            console.print(f"{done} of {spec.trials} trials, {len(so_far.given_up)} given up")
            seen = done

    found = study.work(loaded, dataset, data, folder, storage, progress)
    study.write_json(found, folder / "study.json")
    written = pareto.write(found, folder)
    if as_json:
        click.echo((folder / "study.json").read_text(encoding="utf-8"), nl=False)
    for reason, count in pareto.reasons(found):
        console.print(f"{count} given up: {reason}", highlight=False, markup=False)
    if not found.results:
        raise LimitError(
            "no trial has a result", where=str(folder), hint="the reasons are above; relax a limit"
        )
    if as_json:
        return
    table = Table(title=f"Pareto front, {spec.board}", box=None, header_style="bold", pad_edge=False)
    for title in pareto.columns(found):
        table.add_column(title, justify="right", overflow="fold")
    for result in found.front:
        table.add_row(*pareto.row(found, result))
    Console().print(table)
    click.echo("\n".join(map(str, written)))
