# SPDX-License-Identifier: Apache-2.0
"""A long recording through a firmware that listens, hop after hop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ascmcu.benchmark import clips
from ascmcu.benchmark.answers import FirstAnswers
from ascmcu.benchmark.run import check_firmware, connect
from ascmcu.benchmark.wire import Kind
from ascmcu.errors import DataError, GeneratedCodeError, InputError
from ascmcu.features import spec as specs
from ascmcu.features.pcm import Pcm
from ascmcu.listening.decisions import Decisions, Event
from ascmcu.listening.judging import Heard, decided
from ascmcu.runners.base import Runner, Target
from ascmcu.toolchain.manifest import Manifest

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Streamed:
    """What came of a recording.

    Attributes:
        heard: scores of every hop.
        events: as the firmware reported them, with their hops.
        samples: sample frames that were sent, in whole hops.
        overruns: bytes that the device lost.
        counts: what the next two are, or "none".
        worst_count, mean_count: of a hop, front end and network together.
        checked: how many windows were found equal to the integer interpreter's, in words; empty where none can be.
    """

    heard: Heard
    events: tuple[tuple[int, Event], ...]
    samples: int
    overruns: int
    counts: str
    worst_count: int
    mean_count: float
    checked: str


def check_decides(manifest: Manifest) -> Decisions:
    """What an export decides.

    Raises:
        InputError: it does not listen, or does not decide.
    """
    if manifest.listening is None or manifest.decisions is None or manifest.features is None:
        raise InputError(
            "this export has no events",
            where=manifest.model,
            hint="export with --listen --decisions FILE.toml",
        )
    return manifest.decisions


def check_length(manifest: Manifest, samples: int) -> None:
    """Refuse a recording without a full window.

    Raises:
        DataError: it is so short.
    """
    assert manifest.listening is not None and manifest.features is not None
    spec = specs.from_dict(manifest.features)
    if len(clips.steps(samples, spec)) <= manifest.listening.warmup_hops:
        raise DataError(
            "the recording is too short: it holds no full window",
            expected=f"{manifest.listening.window_s:g} s or more",
            found=f"{samples / spec.sample_rate_hz:g} s",
        )


def stream(
    target: Target, runner: Runner, pcm: Pcm, progress: Progress = lambda done, total: None
) -> Streamed:
    """Send a recording.

    Args:
        target: an export that listens and decides.
        runner: not yet entered.
        pcm: int16 (samples, channels) at the front end's rate.
        progress: called with hops done and hops in all.

    Raises:
        InputError: the export does not listen, or does not decide.
        DataError: the recording is shorter than a window.
        GeneratedCodeError: the scores of the first windows are not the network's, or the firmware decided otherwise
            than the reference does on its scores.
        LinkError: the link failed.
    """
    manifest = target.manifest
    decisions = check_decides(manifest)
    check_length(manifest, len(pcm))
    assert manifest.features is not None
    spec = specs.from_dict(manifest.features)
    hops = clips.steps(len(pcm), spec)
    check = FirstAnswers(target, Kind.AUDIO, runner.name)
    parts = clips.of_samples(pcm[np.newaxis], spec)
    outputs, energies, events, cycles = [], [], [], []
    with connect(runner) as (link, session):
        check_firmware(session.hello, target)
        for number, (part, (begin, end)) in enumerate(zip(parts, hops, strict=True)):
            progress(number, len(hops))
            data = part.load()
            result = session.run(data, Kind.AUDIO, continues=part.follows)
            check(part, data, result.outputs)
            outputs.append(clips.outputs(manifest, result.outputs)[0].reshape(-1))
            energies.append(int(np.sum(pcm[begin:end].astype(np.int64) ** 2)))
            events += [(number, event) for event in result.events]
            cycles.append(result.counts.frontend + result.counts.network)
        progress(len(hops), len(hops))
        overruns = session.statistics().overruns
        counted = link.facts.count_kind
    ends = tuple(end / spec.sample_rate_hz for _, end in hops)
    heard = Heard(np.stack(outputs), tuple(energies), ends)
    expected = decided(heard, decisions)
    if expected != events:
        raise GeneratedCodeError(
            "the firmware decides otherwise than the reference: a defect of ascmcu or of the compiler",
            expected=f"{len(expected)} events",
            found=f"{len(events)} events",
            hint="report it; attach the export's folder and the recording",
        )
    return Streamed(
        heard,
        tuple(events),
        hops[-1][1],
        overruns,
        str(counted),
        max(cycles),
        float(np.mean(cycles)),
        check.told(parts),
    )
