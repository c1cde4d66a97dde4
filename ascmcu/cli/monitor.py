# SPDX-License-Identifier: Apache-2.0
"""``ascmcu monitor``."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ascmcu.api.monitoring import HeardHop, Listened
    from ascmcu.toolchain.manifest import Manifest


@click.command("monitor")
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), default=Path("build"))
@click.option(
    "--input", "recording", required=True, type=click.Path(path_type=Path),
    help="A recording that the simulated microphone hears.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(folder: Path, recording: Path, as_json: bool) -> None:
    """Show what a firmware with a microphone hears: events, load, lost samples.

    DIR (default: build) is an export with --microphone. Its listen.elf runs on the simulator and hears the recording at
    its rate, in simulated time.
    """
    from ascmcu.api.monitoring import listen_on_sim
    from ascmcu.toolchain.manifest import Manifest

    manifest = Manifest.load(folder)

    def tell(hop: HeardHop) -> None:
        if not as_json:
            for line in _events(manifest, hop):
                click.echo(line)

    found = listen_on_sim(folder, recording, tell)
    if as_json:
        click.echo(json.dumps(_report(found), indent=2))
        return
    for line in _summary(manifest, found):
        click.echo(line)


def _time_s(manifest: Manifest, hop: int) -> float:
    """The end of a hop, in seconds from the first sample."""
    from ascmcu.features import spec as specs

    assert manifest.listening is not None and manifest.features is not None
    first = specs.from_dict(manifest.features).clip_samples / manifest.listening.sample_rate_hz
    return first + hop * manifest.listening.hop_s


def _events(manifest: Manifest, hop: HeardHop) -> list[str]:
    assert manifest.decisions is not None
    at = _time_s(manifest, hop.hop)
    rules = manifest.decisions.rules
    return [f"{at:8.2f} s  {rules[e.rule].label}  {manifest.decisions.real(e.score):.3f}" for e in hop.events]


def _summary(manifest: Manifest, found: Listened) -> list[str]:
    count = sum(len(hop.events) for hop in found.hops)
    busiest = max((hop.busy_cycles for hop in found.hops), default=0)
    return [
        f"{len(found.hops):,} hops in {found.seconds:.1f} s at {found.rate_hz:g} Hz: {count} events, "
        f"{found.lost_samples} samples lost",
        f"the core slept {100 * found.slept:.1f} % of the time; a hop took at most {busiest:,} cycles",
    ]


def _report(found: Listened) -> dict[str, object]:
    hops = [{**dataclasses.asdict(hop), "scores": list(hop.scores)} for hop in found.hops]
    return {**dataclasses.asdict(found), "lost_samples": found.lost_samples, "hops": hops}
