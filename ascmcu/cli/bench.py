"""``ascmcu bench``."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import click


@click.command("bench")
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), default=Path("build"))
@click.option("--on", "runner", default=None, help="Where to run: host, sim, qemu, …  [default: sim]")
@click.option("--serial", "port", default=None, help="A board's port: /dev/ttyACM0, or socket://host:port.")
@click.option("--baud", type=click.IntRange(min=1), default=None, help="Instead of the board's own rate.")
@click.option(
    "--data", type=click.Path(path_type=Path), default=None,
    help="Recordings: a folder with a meta.csv or a folder per class, or a table.",
)  # fmt: skip
@click.option("--split", default=None, help="The part of the data to take, such as test or fold5.")
@click.option(
    "--tensors", type=click.Path(path_type=Path), default=None,
    help="Inputs for the network alone: a .npy of (N, *input shape) in its input dtype.",
)  # fmt: skip
@click.option(
    "--save-outputs", type=click.Path(path_type=Path), default=None,
    help="Write the raw outputs as .npy (N, *output shape); a second output goes to NAME.1.npy.",
)  # fmt: skip
@click.option(
    "--limit", type=click.IntRange(min=1), default=None, help="At most so many clips, spread evenly."
)
@click.option("--json", "as_json", is_flag=True, help="Report as JSON on standard output.")
def command(
    folder: Path, runner: str | None, port: str | None, baud: int | None, data: Path | None, split: str | None,
    tensors: Path | None, save_outputs: Path | None, limit: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Stream clips through the firmware in DIR (default: build) and report what it does."""
    from rich.console import Console

    from ascmcu import boards
    from ascmcu.bench import clips as clip_sources
    from ascmcu.bench import run as bench
    from ascmcu.build.manifest import Manifest
    from ascmcu.report import schema, table
    from ascmcu.runners.base import Target

    if runner is not None and port is not None:
        raise click.UsageError("--on and --serial exclude each other")
    if (data is None) == (tensors is None):
        raise click.UsageError("give --data PATH or --tensors IN.npy")
    if split is not None and data is None:
        raise click.UsageError("--split goes with --data")
    manifest = Manifest.load(folder)
    target = Target(folder, boards.load(manifest.board), manifest, manifest.features is not None)
    if data is not None:
        clips = clip_sources.from_data(manifest, data, split, limit)
    else:
        assert tensors is not None
        clips = clip_sources.from_tensors(manifest, tensors, limit)
    result = _run(bench, target, _runner(target, runner, port, baud), clips)
    if save_outputs is not None:
        _save(save_outputs, [clip_sources.outputs(manifest, clip.outputs) for clip in result.clips])
    summary = schema.summarize(manifest, target.board, clips, result)
    if as_json:
        click.echo(json.dumps(summary.to_dict(), indent=2))
    else:
        table.show(summary, Console())


def _runner(target: Any, name: str | None, port: str | None, baud: int | None) -> Any:
    from ascmcu.runners import base
    from ascmcu.runners.serial import SerialRunner

    return SerialRunner(target, port, baud) if port is not None else base.create(name or "sim", target)


def _run(bench: Any, target: Any, runner: Any, clips: Any) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    # A plain kill must end the emulator too: it is then an exception like Ctrl-C.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(f"bench on {runner.name}", total=len(clips.clips))
        return bench.run(
            target,
            runner,
            clips,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )


def _save(path: Path, outputs: list[list[Any]]) -> None:
    import numpy as np

    for number in range(len(outputs[0]) if outputs else 0):
        to = path if number == 0 else path.with_suffix(f".{number}.npy")
        with to.open("wb") as file:
            np.save(file, np.stack([per_clip[number] for per_clip in outputs]))
