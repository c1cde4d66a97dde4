# SPDX-License-Identifier: Apache-2.0
"""``ascmcu monitor``."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ascmcu.cli.numbers import Real

if TYPE_CHECKING:
    from ascmcu.api.monitoring import HeardHop, Listened
    from ascmcu.api.showing import Showing
    from ascmcu.features.pcm import Pcm


@click.command("monitor")
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), default=Path("build"))
@click.option(
    "--input", "recording", default=None, type=click.Path(path_type=Path),
    help="Run on the simulator: a recording that its microphone hears.",
)  # fmt: skip
@click.option(
    "--serial", default=None, help="Read a board with listen.elf at this port; as in bench.",
)  # fmt: skip
@click.option("--live", is_flag=True, help="Run the network on this machine, on the sound of its microphone.")
@click.option(
    "--baud", type=click.IntRange(min=1), default=None, help="With --serial: instead of the board's."
)
@click.option(
    "--seconds", type=Real(min=0, min_open=True), default=None,
    help="With --serial and --live: end after so much sound.  [default: Ctrl-C ends]",
)  # fmt: skip
@click.option(
    "--web", is_flag=True,
    help="Also serve a page on this machine: level, spectrogram, scores, events, load. Ctrl-C ends it.",
)  # fmt: skip
@click.option(
    "--port", type=click.IntRange(0, 65535), default=None, help="With --web: its port.  [default: any that is free]"
)  # fmt: skip
@click.option(
    "--record", type=click.Path(path_type=Path), default=None,
    help="Keep what is heard in this new folder: the sound, a table of the events, a clip of each.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    folder: Path, recording: Path | None, serial: str | None, live: bool, baud: int | None, seconds: float | None,
    web: bool, port: int | None, record: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Show what a firmware with a microphone hears: events, load, lost samples.

    DIR (default: build) is an export with --microphone. Its listen.elf runs on a board (--serial), or on the simulator,
    where it hears a recording at its rate, in simulated time (--input). Or the network runs on this machine and hears
    its microphone (--live).
    """
    if (recording is not None) + (serial is not None) + live != 1:
        raise click.UsageError("give one of --input, --serial and --live")
    if serial is None and baud is not None:
        raise click.UsageError("--baud goes with --serial")
    if recording is not None and seconds is not None:
        raise click.UsageError("--seconds goes with --serial and --live")
    if port is not None and not web:
        raise click.UsageError("--port goes with --web")
    from ascmcu.api.monitoring import listen_live, listen_on_serial, listen_on_sim
    from ascmcu.api.showing import Showing

    source = "this machine's microphone" if live else serial or str(recording)
    showing = Showing.of(folder, source=source, record=record)
    with showing.served(port or 0) if web else contextlib.nullcontext("") as url:
        if url:
            click.echo(f"the page is {url}", err=as_json)
        tell = _telling(showing, quiet=as_json)
        if recording is not None:
            _tell_whole(showing, listen_on_sim(folder, recording, tell), as_json)
        elif serial is not None:
            hops = listen_on_serial(folder, serial, baud=baud, seconds=seconds, tell=tell)
            _tell_hops(showing, hops, as_json)
        else:
            _tell_hops(showing, listen_live(folder, seconds=seconds, tell=tell), as_json)
        for path in showing.save():
            click.echo(f"kept {path}", err=as_json)
        if url:
            showing.ended()
            click.echo("the page stays until Ctrl-C", err=True)
            with contextlib.suppress(KeyboardInterrupt):
                threading.Event().wait()


def _telling(showing: Showing, *, quiet: bool) -> Callable[[HeardHop, Pcm | None], None]:
    def tell(hop: HeardHop, sound: Pcm | None) -> None:
        shown = showing.take(hop, sound)
        for label, score in () if quiet else shown.events:
            click.echo(f"{shown.seconds:8.2f} s  {label}  {score:.3f}")

    return tell


def _tell_whole(showing: Showing, found: Listened, as_json: bool) -> None:
    if as_json:
        lost = {"lost_samples": found.lost_samples}
        click.echo(json.dumps({**dataclasses.asdict(found), **lost, "hops": _hops(found.hops)}, indent=2))
        return
    count, busiest = _counted(found.hops)
    click.echo(
        f"{len(found.hops):,} hops in {found.seconds:.1f} s at {found.rate_hz:g} Hz: {count} events, "
        f"{found.lost_samples} samples lost"
    )
    click.echo(f"{showing.duty(found.slept)}; a hop took at most {busiest:,} cycles")


def _tell_hops(showing: Showing, hops: tuple[HeardHop, ...], as_json: bool) -> None:
    lost = hops[-1].lost_samples if hops else 0
    if as_json:
        click.echo(json.dumps({"lost_samples": lost, "hops": _hops(hops)}, indent=2))
        return
    count, busiest = _counted(hops)
    since = " since the board started" if busiest else ""
    click.echo(f"{len(hops):,} hops: {count} events, {lost} samples lost{since}")
    if busiest:
        click.echo(f"a hop took at most {busiest:,} cycles, {100 * showing.load(busiest):.1f} % of its time")


def _hops(hops: tuple[HeardHop, ...]) -> list[dict[str, object]]:
    return [{**dataclasses.asdict(hop), "scores": list(hop.scores)} for hop in hops]


def _counted(hops: tuple[HeardHop, ...]) -> tuple[int, int]:
    """Events, and the busiest hop's cycles."""
    return sum(len(hop.events) for hop in hops), max((hop.busy_cycles for hop in hops), default=0)
