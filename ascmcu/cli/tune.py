# SPDX-License-Identifier: Apache-2.0
"""``ascmcu tune``: search networks and features by accuracy and compiled cost."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("tune")
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Data set: a folder or a table.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Folder of the study; default runs/tune-RECIPE."
)
@click.option(
    "--storage", metavar="URL", help="A database that all workers share; SQLite in the folder by default."
)
@click.option("--trials", type=click.IntRange(1), help="Results in all, in place of the recipe's.")
@click.option("--board", help="In place of the recipe's.")
@click.option(
    "--limits", multiple=True, metavar="NAME", help="Challenges and boards that every trial must keep."
)
@click.option("--json", "as_json", is_flag=True, help="Results on standard output as JSON.")
def command(
    recipe: Path, data: Path, output: Path | None, storage: str | None, trials: int | None, board: str | None,
    limits: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Search what RECIPE leaves open ([search]), by what [study] asks for.

    Run the same command again, on any machine that reaches the storage, for another worker; or after a break.
    """
    from rich.console import Console
    from rich.table import Table

    from ascmcu import zoo
    from ascmcu.cli.progress import counted
    from ascmcu.data import datasets, intake
    from ascmcu.errors import LimitError
    from ascmcu.tune import front, study

    loaded = study.load(recipe)
    loaded = study.changed(loaded, trials=trials, board=board, limits=(*loaded.spec.limits, *limits))
    spec = loaded.spec
    dataset = datasets.load(data)
    with counted(f"reading {data.name}", "files") as reading:
        intake.usable([recording.path for recording in dataset.recordings], dataset.root, reading)
    folder = output or Path("runs") / f"tune-{loaded.name}"
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
    written = front.write(found, folder)
    if as_json:
        click.echo((folder / "study.json").read_text(), nl=False)
    for reason, count in front.reasons(found):
        console.print(f"{count} given up: {reason}", highlight=False, markup=False)
    if not found.results:
        raise LimitError("no trial has a result", where=str(folder), hint="see why above; loosen a bound")
    if as_json:
        return
    table = Table(title=f"Pareto front, {spec.board}", box=None, header_style="bold", pad_edge=False)
    for title in front.columns(found):
        table.add_column(title, justify="right", overflow="fold")
    for result in found.front:
        table.add_row(*front.row(found, result))
    Console().print(table)
    click.echo("\n".join(map(str, written)))
