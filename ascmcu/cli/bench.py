# SPDX-License-Identifier: Apache-2.0
"""``ascmcu bench``."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from ascmcu.cli import every as duty_options
from ascmcu.cli import names
from ascmcu.cli.numbers import Real

if TYPE_CHECKING:
    from ascmcu.runners.base import CountKind


@click.command("bench")
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), default=Path("build"))
@click.option(
    "--on",
    "runner",
    default=None,
    shell_complete=names.RUNNERS,
    help="Runner: host, sim, qemu or renode.  [default: sim]",
)
@click.option(
    "--serial",
    "port",
    default=None,
    help="Run on a board at this port: /dev/ttyACM0, socket://HOST:PORT, or auto (searched by USB id).",
)
@click.option("--baud", type=click.IntRange(min=1), default=None, help="Baud rate, instead of the board's.")
@click.option(
    "--data", type=click.Path(path_type=Path), default=None,
    help="Recordings: a folder with a meta.csv, a folder per class, or a table.",
)  # fmt: skip
@click.option("--split", default=None, help="Use this part of the data, such as test or fold5.")
@click.option(
    "--long", metavar="HOW", type=click.Choice(["first", "error", "windows"]), default="first", show_default=True,
    help="For recordings longer than the network's clip: first (use the beginning, as in training), error (refuse "
    "them), or windows (use all; the scores are the mean over windows).",
)  # fmt: skip
@click.option(
    "--column", "columns", multiple=True, metavar="FIELD=NAME",
    help="Name of a column in the table of --data. FIELD is file, label, labels, part, device, place. Can be repeated.",
)  # fmt: skip
@click.option(
    "--tensors", type=click.Path(path_type=Path), default=None,
    help="Inputs for the network without front end: a .npy of shape (N, *input shape) in its input dtype; of several "
    "inputs a .npz with an array for each.",
)  # fmt: skip
@click.option(
    "--labels", type=click.Path(path_type=Path), multiple=True,
    help="The network's classes in the order of its outputs: text with one per line, a JSON list or a CSV. "
    "With --tensors also a .npy of shape (N,) with the correct class of each input, by number or name; multi-label: "
    "(N, classes) of 0 and 1.",
)  # fmt: skip
@click.option(
    "--counts", type=click.Choice(["cycles", "instructions"]), default=None,
    help="With --serial: what the device counts, if the port does not tell (socket://…).",
)  # fmt: skip
@click.option(
    "--save-outputs", type=click.Path(path_type=Path), default=None,
    help="Write the raw outputs as .npy of shape (N, *output shape); a second output goes to NAME.1.npy.",
)  # fmt: skip
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=None,
    help="Use at most N clips, of all classes and devices in their shares.",
)
@click.option(
    "--repeat", type=click.IntRange(min=1), default=1, show_default=True,
    help="Run each clip N times and report the median.",
)  # fmt: skip
@click.option(
    "--warm-up",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Warm-up clips; their results are discarded.",
)
@click.option(
    "--wait-states", metavar="N", type=click.IntRange(0, 15), default=None,
    help="On sim: flash wait states. [default: those that the board's clock needs; 0 is an ideal flash]",
)  # fmt: skip
@click.option(
    "--jobs", metavar="N", type=click.IntRange(min=1), default=1, show_default=True,
    help="On host and sim: share the clips between N processes.",
)  # fmt: skip
@duty_options.options
@click.option(
    "--stream", type=click.Path(path_type=Path), default=None,
    help="A long recording for a firmware that listens: false accepts per hour, misses, delay.",
)  # fmt: skip
@click.option(
    "--events", type=click.Path(path_type=Path), default=None,
    help="With --stream: a table of the events in it, with the columns onset, offset (seconds) and label.",
)  # fmt: skip
@click.option(
    "--false-accepts", type=Real(min=0), default=1.0, show_default=True,
    help="With --stream: false accepts per hour that a chosen threshold may have.",
)  # fmt: skip
@click.option(
    "--mix", type=click.Path(path_type=Path), default=None,
    help="With --stream: build the recording and its events first, of these clips over a background.",
)  # fmt: skip
@click.option(
    "--minutes",
    type=Real(min=0, min_open=True),
    default=60.0,
    show_default=True,
    help="With --mix: its length.",
)
@click.option(
    "--snr", "snrs", type=Real(min=-60, max=100), multiple=True, metavar="DB",
    help="With --mix: clip over background in dB. Can be repeated; each clip takes one.  [default: 0, 10, 20]",
)  # fmt: skip
@click.option(
    "--name",
    metavar="NAME",
    default=None,
    help="Name in the result, its page and comparisons.  [default: the model's]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    folder: Path, runner: str | None, port: str | None, baud: int | None, data: Path | None, split: str | None,
    long: Literal["first", "error", "windows"], columns: tuple[str, ...],
    tensors: Path | None, labels: tuple[Path, ...],
    counts: CountKind | None, save_outputs: Path | None, limit: int | None, repeat: int, warm_up: int,
    wait_states: int | None, jobs: int, every: str | None, idle_ua: float | None, stream: Path | None,
    events: Path | None, false_accepts: float, mix: Path | None, minutes: float, snrs: tuple[float, ...],
    name: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Run clips through the firmware in DIR (default: build) and report accuracy, cycles, RAM and flash.

    For multi-label data mAP stands in place of accuracy, for a network that reconstructs its input AUC.

    Without --data and --tensors the inputs are the extremes of the type and seeded noise.
    """
    if runner is not None and port is not None:
        raise click.UsageError("--on and --serial exclude each other")
    if (stream is None) != (events is None) or (mix is not None and stream is None):
        raise click.UsageError("--stream and --events go together, and --mix with them")
    if stream is not None and events is not None:
        if data is not None or tensors is not None:
            raise click.UsageError("--stream excludes --data and --tensors")
        _stream(folder, runner, port, baud, stream, events, false_accepts, mix, minutes, split, snrs, as_json)
        return
    if data is not None and tensors is not None:
        raise click.UsageError("--data and --tensors exclude each other")
    if labels and data is None and tensors is None:
        raise click.UsageError("--labels goes with --data or --tensors")
    if baud is not None and port is None:
        raise click.UsageError("--baud goes with --serial")
    if counts is not None and port is None:
        raise click.UsageError("--counts goes with --serial")
    if split is not None and data is None:
        raise click.UsageError("--split goes with --data")
    if long != "first" and data is None:
        raise click.UsageError("--long goes with --data")
    if columns and data is None:
        raise click.UsageError("--column goes with --data")
    from ascmcu import api
    from ascmcu.cli.notes import Notes
    from ascmcu.cli.progress import counted

    duty_options.check(folder, every, idle_ua)
    # A plain kill must end the emulator too: it is then an exception like Ctrl-C.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    tell = Notes()
    with counted(f"bench on {port or runner or 'sim'}", "clips") as progress:
        result = api.bench(
            folder, on=runner or "sim", serial=port, baud=baud, data=data, split=split, long=long, columns=columns,
            tensors=tensors, labels=labels, counts=counts, limit=limit, repeat=repeat, warm_up=warm_up,
            save_outputs=save_outputs, wait_states=wait_states, name=name, jobs=jobs, progress=progress, tell=tell,
        )  # fmt: skip
    duty = duty_options.duty(result, every, idle_ua)
    if as_json:
        click.echo(json.dumps(duty_options.to_dict(result, duty), indent=2))
        return
    from rich.console import Console

    from ascmcu.results import table

    table.show(result, Console(), tell.told)
    duty_options.show(result, duty)
    if repeat > 1:
        from ascmcu.benchmark.journal import repeatability

        click.echo(f"{repeat} repetitions of each clip: {repeatability(folder)}")


def _stream(
    folder: Path, runner: str | None, port: str | None, baud: int | None, stream: Path, events: Path,
    most_per_hour: float, mix: Path | None, minutes: float, split: str | None, snrs: tuple[float, ...], as_json: bool,
) -> None:  # fmt: skip
    """A long recording."""
    from ascmcu.api import streaming
    from ascmcu.cli.progress import counted
    from ascmcu.results import streams

    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    if mix is not None:
        streaming.mix_stream(
            mix,
            stream,
            events,
            folder=folder,
            minutes=minutes,
            split=split,
            snrs_db=snrs or streaming.SNRS_DB,
        )
    with counted(f"bench on {port or runner or 'sim'}", "hops") as progress:
        result = streaming.bench_stream(
            folder, stream, events, on=runner or "sim", serial=port, baud=baud, most_per_hour=most_per_hour,
            progress=progress,
        )  # fmt: skip
    if as_json:
        click.echo(result.to_json(), nl=False)
        return
    for line in streams.summary(result):
        click.echo(line)
    click.echo(f"the page is {folder / f'stream-{result.runner}.html'}")
