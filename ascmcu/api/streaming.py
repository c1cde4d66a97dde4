# SPDX-License-Identifier: Apache-2.0
"""A long recording with known events through a firmware that listens: how often it is wrong, and how late."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soundfile

from ascmcu import boards
from ascmcu.api.benching import runner_of
from ascmcu.benchmark.stream import Streamed, check_decides, check_length, stream
from ascmcu.data import audio, datasets
from ascmcu.errors import DataError, InputError
from ascmcu.features import spec as specs
from ascmcu.features.pcm import Pcm
from ascmcu.features.pcmspec import PcmSpec
from ascmcu.listening import judging, mixing, sed, truths
from ascmcu.listening.decisions import Decisions
from ascmcu.listening.judging import Heard, Truth
from ascmcu.paths import PathLike, check_output, filling, real, save_whole, write_whole
from ascmcu.results import streams
from ascmcu.results.streams import RuleResult, StreamResult
from ascmcu.runners.base import Target
from ascmcu.runners.serial import SerialRunner
from ascmcu.toolchain.manifest import Manifest

Progress = Callable[[int, int], None]
# Clips of this class are what lies under the others.
BACKGROUND = "background"
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
        InputError: the export has no events, the table is none, or the firmware can find none of its events.
        DataError: the recording cannot be read, or is too short.
        LinkError: the link failed.
    """
    folder, recording = Path(folder), Path(recording)
    manifest = Manifest.load(folder)
    target = Target(folder, boards.of_export(folder, manifest.board), manifest, manifest.features is not None)
    known = truths.read(Path(events))
    truths.check_labels((t.label for t in known), _rules(manifest), str(events))
    runner = SerialRunner(target, serial, baud) if serial is not None else runner_of(on, target)
    spec = _features(manifest)
    pcm = audio.whole_pcm(recording, spec)
    check_length(manifest, len(pcm))
    notices = truths.notices(known, _rules(manifest), len(pcm) / spec.sample_rate_hz, str(events))
    with filling(folder):
        made = stream(target, runner, pcm, progress)
    result = _result(target, runner.label, recording.name, known, made, most_per_hour, chosen_on)
    result = dataclasses.replace(result, notices=(*notices, *result.notices))
    write_whole(folder / f"stream-{runner.label}.json", result.to_json())
    write_whole(folder / f"stream-{runner.label}.html", streams.page(result))
    return result


def _rules(manifest: Manifest) -> tuple[str, ...]:
    """The classes of the rules."""
    return tuple(rule.label for rule in check_decides(manifest).rules)


def _features(manifest: Manifest) -> specs.Spec:
    if manifest.features is None:
        raise InputError("this export takes tensors, not audio", where=manifest.model)
    return specs.from_dict(manifest.features)


def _result(
    target: Target,
    runner: str,
    recording: str,
    known: Sequence[Truth],
    made: Streamed,
    most_per_hour: float,
    chosen_on: float,
) -> StreamResult:
    heard, decisions, listening = made.heard, target.manifest.decisions, target.manifest.listening
    assert decisions is not None and listening is not None
    seconds = heard.ends_s[-1]
    split, tolerance = chosen_on * seconds, listening.window_s
    rules = []
    chosen_all = decisions
    for number, rule in enumerate(decisions.rules):
        mine = [t for t in known if t.label == rule.label]
        before = judging.judge(judging.reports(heard, decisions, number), mine, (0, seconds), tolerance)
        curve = judging.det(heard, decisions, number, mine, (0, split), tolerance)
        chosen = judging.operating_point(curve, most_per_hour)
        on = next(
            x for x in judging.thresholds(heard, decisions, number) if decisions.real(x) == chosen.threshold
        )
        reports = judging.reports(heard, judging.with_threshold(decisions, number, on), number)
        chosen_all = judging.with_threshold(chosen_all, number, on)
        judged = judging.judge(reports, mine, (split, seconds), tolerance)
        rules.append(RuleResult(rule.label, before, curve, chosen, judged, tuple(reports)))
    figures, why = _sed(heard, chosen_all, known, split)
    return StreamResult(
        target.manifest.model, target.board.name, runner, recording, seconds, len(heard.ends_s), split, most_per_hour,
        tolerance, made.overruns, made.counts, made.worst_count, made.mean_count, tuple(known), tuple(rules),
        made.checked, tuple(filter(None, (*map(_unsupported, rules), why))), figures,
    )  # fmt: skip


def _sed(
    heard: Heard, decisions: Decisions, known: Sequence[Truth], split: float
) -> tuple[sed.SedScores | None, str]:
    """The field's figures of the part that is judged; or why there are none, in a sentence."""
    labels = tuple(dict.fromkeys(rule.label for rule in decisions.rules))
    first = next(n for n, end in enumerate((0.0, *heard.ends_s)) if end >= split)
    times = (0.0, *heard.ends_s)[first:]
    mine = [t for t in known if t.label in labels]
    if not any(times[0] <= t.onset_s < times[-1] for t in mine):
        return None, ""
    if len(labels) < len(decisions.rules):
        return None, "several rules have one class: event F1 and PSDS are not computed"
    if missing := sed.unavailable():
        return None, missing
    found = [span for rule in range(len(labels)) for span in judging.spans(heard, decisions, rule)]
    scores = judging.smoothed(heard, decisions)[first:]
    return sed.sed_scores(found, mine, scores, times, labels), ""


def _unsupported(rule: RuleResult) -> str:
    """Which figure of a rule stands on no event, in a sentence; empty where each stands on some."""
    if not rule.as_exported.truths:
        return f"{rule.label}: the recording holds no event of this class; only false accepts are counted"
    if not rule.judged.truths:
        return f"{rule.label}: the part that is judged holds no event of this class"
    if rule.judged.truths == rule.as_exported.truths:
        return f"{rule.label}: the part on which its threshold is chosen holds no event of this class"
    return ""


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
        recording, events: the file (WAV or FLAC) and the table that are written. Neither may be there already.
        folder: the export whose front end names the rate.
        minutes: its length.
        snrs_db: signal-to-noise ratios; each clip takes one of them.
        split: a part of the data.
        seed: of all that is random.

    Returns:
        how many events there are.

    Raises:
        InputError: a file is there already or cannot be written, or the firmware can find none of the clips.
        DataError: no recordings, or ones that cannot be used.
    """
    recording, events = Path(recording), Path(events)
    manifest = Manifest.load(Path(folder))
    rate_hz = _features(manifest).sample_rate_hz
    _check_new(recording, events, Path(data))
    found = datasets.load(Path(data))
    chosen = found.only([split]) if split is not None else found
    labels = {one.label for one in chosen.recordings} - {BACKGROUND}
    truths.check_labels(labels, _rules(manifest), str(data))
    spec = PcmSpec(sample_rate_hz=rate_hz)
    clips: list[mixing.Clip] = []
    under: list[mixing.Clip] = []
    for one in chosen.recordings:
        samples = audio.whole_pcm(one.path, spec)[:, 0] / 32768
        (under if one.label == BACKGROUND else clips).append(mixing.Clip(one.label, samples))
    if not clips:
        raise DataError("there are no clips to mix", where=str(data))
    rng = np.random.default_rng(seed)
    count = round(60 * minutes * rate_hz)
    below = _repeated([c.samples for c in under], count) if under else mixing.background(count, rate_hz, rng)
    pcm, mixed = mixing.mix(clips, below, rate_hz, snrs_db, rng)
    if not mixed:
        raise DataError(
            "the recording is too short for a single clip", expected="more --minutes", found=minutes
        )
    _write_both(recording, pcm, rate_hz, events, truths.table(mixed))
    return len(mixed)


def _check_new(recording: Path, events: Path, data: Path) -> None:
    """Refuse files that ``mix_stream`` would replace: a recording and its labels cost work by hand."""
    if real(recording) == real(events):
        raise InputError(
            "the recording and its events are one file", where=str(events), hint="name two files"
        )
    if not soundfile.check_format(recording.suffix[1:], "PCM_16"):
        raise InputError(
            "not the name of a recording", where=str(recording), expected="a name that ends in .wav or .flac"
        )
    for path in (recording, events):
        check_output(path, among=data)
        if os.path.lexists(path):
            raise InputError(
                "the file is there already, and --mix replaces none",
                where=str(path),
                hint="name other files, or delete it; without --mix, --stream and --events read what is there",
            )


def _write_both(recording: Path, pcm: Pcm, rate_hz: int, events: Path, table: str) -> None:
    """Neither is left without the other."""
    save_whole(recording, lambda path: soundfile.write(path, pcm, rate_hz, subtype="PCM_16"))
    try:
        write_whole(events, table)
    except BaseException:
        recording.unlink(missing_ok=True)
        raise


def _repeated(parts: Sequence[mixing.Samples], count: int) -> mixing.Samples:
    """The backgrounds one after the other, as often as it takes."""
    together = np.concatenate(parts)
    return np.resize(together, count)
