# SPDX-License-Identifier: Apache-2.0
"""A long recording with known events through a firmware that listens: how often it is wrong, and how late."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soundfile

from ascmcu import boards
from ascmcu.api.benching import runner_of
from ascmcu.benchmark.stream import Streamed, stream
from ascmcu.data import audio, datasets
from ascmcu.errors import DataError, InputError
from ascmcu.features import spec as specs
from ascmcu.features.pcmspec import PcmSpec
from ascmcu.listening import judging, mixing
from ascmcu.listening.judging import Truth
from ascmcu.paths import PathLike, check_output, filling, write_whole
from ascmcu.results import streams
from ascmcu.results.streams import RuleResult, StreamResult
from ascmcu.runners.base import Target
from ascmcu.runners.serial import SerialRunner
from ascmcu.toolchain.manifest import Manifest

Progress = Callable[[int, int], None]
COLUMNS = ("onset", "offset", "label")
SNRS_DB = (0.0, 10.0, 20.0)


def bench_stream(
    folder: PathLike,
    recording: PathLike,
    events: PathLike,
    *,
    on: str = "sim",
    serial: str | None = None,
    baud: int | None = None,
    most_per_hour: float = 1.0,
    chosen_on: float = 0.5,
    progress: Progress = lambda done, total: None,
) -> StreamResult:
    """Stream a recording; ``stream-<runner>.json`` and ``.html`` in the folder hold the result.

    Args:
        folder: an export with ``--listen --decisions``.
        recording: a file that libsndfile reads; it is brought to the front end's rate.
        events: a table with the columns onset, offset (seconds) and label, separated by commas or tabs.
        on, serial, baud: where, as in ``bench``.
        most_per_hour: false accepts that a threshold may have to be chosen.
        chosen_on: the part of the recording, from its start, on which thresholds are chosen; the rest is judged.

    Raises:
        InputError: the export has no events, or the table is none.
        DataError: the recording cannot be read, or is too short.
        LinkError: the link failed.
    """
    folder, recording = Path(folder), Path(recording)
    manifest = Manifest.load(folder)
    target = Target(folder, boards.of_export(folder, manifest.board), manifest, manifest.features is not None)
    truths = read_events(Path(events))
    runner = SerialRunner(target, serial, baud) if serial is not None else runner_of(on, target)
    pcm = audio.whole_pcm(recording, _features(manifest))
    with filling(folder):
        made = stream(target, runner, pcm, progress)
    result = _result(target, runner.label, recording.name, truths, made, most_per_hour, chosen_on)
    write_whole(folder / f"stream-{runner.label}.json", result.to_json())
    write_whole(folder / f"stream-{runner.label}.html", streams.page(result))
    return result


def _features(manifest: Manifest) -> specs.Spec:
    if manifest.features is None:
        raise InputError("this export takes tensors, not audio", where=manifest.model)
    return specs.from_dict(manifest.features)


def _result(
    target: Target,
    runner: str,
    recording: str,
    truths: Sequence[Truth],
    made: Streamed,
    most_per_hour: float,
    chosen_on: float,
) -> StreamResult:
    heard, decisions, listening = made.heard, target.manifest.decisions, target.manifest.listening
    assert decisions is not None and listening is not None
    seconds = heard.ends_s[-1]
    split, tolerance = chosen_on * seconds, listening.window_s
    rules = []
    for number, rule in enumerate(decisions.rules):
        mine = [t for t in truths if t.label == rule.label]
        before = judging.judge(judging.reports(heard, decisions, number), mine, (0, seconds), tolerance)
        curve = judging.det(heard, decisions, number, mine, (0, split), tolerance)
        chosen = judging.operating_point(curve, most_per_hour)
        on = next(
            x for x in judging.thresholds(heard, decisions, number) if decisions.real(x) == chosen.threshold
        )
        reports = judging.reports(heard, judging.with_threshold(decisions, number, on), number)
        judged = judging.judge(reports, mine, (split, seconds), tolerance)
        rules.append(RuleResult(rule.label, before, curve, chosen, judged, tuple(reports)))
    return StreamResult(
        target.manifest.model, target.board.name, runner, recording, seconds, len(heard.ends_s), split, most_per_hour,
        tolerance, made.overruns, made.counts, made.worst_count, made.mean_count, tuple(truths), tuple(rules),
    )  # fmt: skip


def read_events(path: Path) -> list[Truth]:
    """The events of a table.

    Raises:
        DataError: no table, another header, or a line that is no event.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError("cannot read the events", where=str(path), found=str(error)) from error
    lines = csv.DictReader(text.splitlines(), delimiter="\t" if "\t" in text.partition("\n")[0] else ",")
    names = {name.strip().removeprefix("event_"): name for name in lines.fieldnames or ()}
    if any(column not in names for column in COLUMNS):
        raise DataError(
            "the table of events has other columns",
            where=str(path),
            expected=", ".join(COLUMNS),
            found=", ".join(names) or "nothing",
        )
    truths = []
    for row in lines:
        try:
            truth = Truth(
                float(row[names["onset"]]), float(row[names["offset"]]), row[names["label"]].strip()
            )
        except (TypeError, ValueError, AttributeError) as error:
            raise DataError(
                "a line of the events is none", where=f"{path}, line {lines.line_num}", found=row
            ) from error
        if not 0 <= truth.onset_s < truth.offset_s < float("inf"):
            raise DataError(
                "an event ends before it begins",
                where=f"{path}, line {lines.line_num}",
                found=f"{truth.onset_s} to {truth.offset_s}",
            )
        truths.append(truth)
    return sorted(truths, key=lambda t: t.onset_s)


def mix_stream(
    data: PathLike,
    recording: PathLike,
    events: PathLike,
    *,
    folder: PathLike,
    minutes: float = 60.0,
    snrs_db: Sequence[float] = SNRS_DB,
    split: str | None = None,
    seed: int = 1,
) -> int:
    """Build a long recording of clips over a made background, and the table of its events.

    Args:
        data: recordings with classes, as for ``bench``; those of the class ``background`` are what lies under the
            others, in place of made noise.
        recording, events: the WAV file and the table that are written.
        folder: the export whose front end names the rate.
        minutes: its length.
        snrs_db: signal-to-noise ratios; each clip takes one of them.
        split: a part of the data.
        seed: of all that is random.

    Returns:
        how many events there are.

    Raises:
        DataError: no recordings, or ones that cannot be used.
    """
    recording, events = Path(recording), Path(events)
    rate_hz = _features(Manifest.load(Path(folder))).sample_rate_hz
    for path in (recording, events):
        check_output(path, among=Path(data))
    found = datasets.load(Path(data))
    chosen = found.only([split]) if split is not None else found
    spec = PcmSpec(sample_rate_hz=rate_hz)
    clips: list[mixing.Clip] = []
    under: list[mixing.Clip] = []
    for one in chosen.recordings:
        samples = audio.whole_pcm(one.path, spec)[:, 0] / 32768
        (under if one.label == "background" else clips).append(mixing.Clip(one.label, samples))
    if not clips:
        raise DataError("there are no clips to mix", where=str(data))
    rng = np.random.default_rng(seed)
    count = round(60 * minutes * rate_hz)
    below = _repeated([c.samples for c in under], count) if under else mixing.background(count, rate_hz, rng)
    pcm, truths = mixing.mix(clips, below, rate_hz, snrs_db, rng)
    if not truths:
        raise DataError(
            "the recording is too short for a single clip", expected="more --minutes", found=minutes
        )
    lines = [",".join(COLUMNS), *(f"{t.onset_s:.3f},{t.offset_s:.3f},{t.label}" for t in truths)]
    soundfile.write(recording, pcm, rate_hz, subtype="PCM_16")
    write_whole(events, "\n".join(lines) + "\n")
    return len(truths)


def _repeated(parts: Sequence[mixing.Samples], count: int) -> mixing.Samples:
    """The backgrounds one after the other, as often as it takes."""
    together = np.concatenate(parts)
    return np.resize(together, count)
