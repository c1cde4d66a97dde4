# SPDX-License-Identifier: Apache-2.0
"""Summarise the raw results of a run as one ``Benchmark`` with its conditions."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import functools
import hashlib
import importlib.metadata
import itertools
import platform
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

import ascmcu.ops  # noqa: F401  (registers the operators)
from ascmcu import __version__
from ascmcu.benchmark import counts, reconstruction
from ascmcu.benchmark.clips import Clip, Clips, outputs
from ascmcu.benchmark.journal import ClipResult
from ascmcu.benchmark.run import RunResult
from ascmcu.boards import Board
from ascmcu.data import anomalies, tagging
from ascmcu.data.anomalies import Anomalies
from ascmcu.data.tagging import Tagging
from ascmcu.features import extract
from ascmcu.features import spec as specs
from ascmcu.features.spec import Spec
from ascmcu.results import detections, limits
from ascmcu.results.schema import (
    Benchmark,
    ClipOutcome,
    CountSummary,
    Energy,
    LayerCount,
    Mistake,
    Provenance,
    Symbol,
)
from ascmcu.toolchain import size
from ascmcu.toolchain.manifest import Layer, Manifest
from ascmcu.version import commit

PROBABILITY_MIN = 1e-7
MISTAKES_SHOWN = 6
_SPECTROGRAM_FRAMES_MAX = 240
_SPECTROGRAM_RANGE_DB = 80.0

Confusion = tuple[tuple[int, ...], ...]
Windows = tuple[tuple[Clip, ClipResult], ...]


def summarize(manifest: Manifest, board: Board, clips: Clips, run: RunResult, folder: Path) -> Benchmark:
    """Put a run's raw results together.

    Args:
        manifest: of the export that ran.
        board: the one that it is for.
        clips: what was sent.
        run: what came back.
        folder: the export: its ELF gives the symbols; without one there are none.
    """
    recordings = _by_recording(clips, run)
    outcomes, found = _outcomes(manifest, clips, recordings)
    confusion = None if clips.anomalies else _confusion(outcomes, len(clips.labels))
    ram = dict(manifest.ram_bytes)
    if run.statistics.stack_peak_bytes:
        ram["stack_peak"] = run.statistics.stack_peak_bytes
    summed = _counts(run.clips) if run.facts.count_kind != "none" and run.clips else None
    symbols = _symbols(manifest, folder / "firmware.elf")
    modelled = run.facts.wait_states
    wait_states = run.hello.wait_states if modelled is None else modelled
    predicted = manifest.predicted if run.facts.count_kind == "cycles" else None
    if predicted is not None and predicted.wait_states != wait_states:
        predicted = None
    spec = None if manifest.features is None else specs.from_dict(manifest.features)
    return Benchmark(
        model=manifest.model,
        model_sha256=manifest.model_sha256,
        board=board.name,
        board_title=board.title,
        runner=run.facts.name,
        runner_detail=run.facts.detail,
        clock_hz=run.hello.clock_hz,
        wait_states=wait_states,
        clock_state=run.hello.clock.name.lower() if run.hello.clock_hz else "none",
        clips=len(outcomes),
        resumed=run.resumed,
        source=Path(clips.source).name or clips.source,  # where it lay on this machine is nobody's business
        clip_seconds=None if spec is None else spec.new_samples / spec.sample_rate_hz,
        labels=clips.labels,
        accuracy=_accuracy(confusion),
        macro_accuracy=_macro_accuracy(confusion),
        log_loss=_log_loss(outcomes),
        class_accuracy=_class_accuracy(confusion, clips.labels),
        device_accuracy=_device_accuracy(outcomes),
        confusion=confusion,
        count_kind=run.facts.count_kind,
        counts=summed,
        energy=_energy(board, summed) if run.facts.count_kind == "cycles" else None,
        layers=_layers(manifest, run.clips, symbols, predicted=predicted is not None),
        network=manifest.figures,
        limits=() if manifest.figures is None else limits.report(manifest.figures),
        ram_bytes=ram,
        flash_bytes=dict(manifest.flash_bytes),
        flash_symbols=symbols,
        board_ram_bytes=board.ram_room_bytes(manifest.ram_bytes),
        board_flash_bytes=board.flash.size_bytes,
        schedule=manifest.schedule,
        compiler=manifest.compiler,
        flags=manifest.flags,
        tool_version=__version__,
        link=_link(run),
        clip_results=outcomes,
        mistakes=() if spec is None else _mistakes(outcomes, recordings, spec),
        provenance=_provenance(folder / "firmware.elf", run),
        labels_source=clips.labels_source,
        notices=(*clips.notices, *run.notices),
        recordings=clips.heard,
        state_bytes=manifest.state_bytes,
        predicted_cycles=None if predicted is None else predicted.cycles,
        heard=detections.heard(manifest, clips, run.clips),
        tagging=_tagging(outcomes, clips.labels),
        anomalies=found,
    )


def _link(run: RunResult) -> dict[str, int]:
    return {
        **dataclasses.asdict(run.repairs),
        "device_overruns": run.statistics.overruns,
        "device_line_errors": run.statistics.line_errors,
        "device_bad_frames": run.statistics.bad_frames,
        "device_duplicates": run.statistics.duplicates,
        "device_rerequests": run.statistics.rerequests,
        "disturbed_chunks": sum(clip.disturbed for clip in run.clips),
    }


def _by_recording(clips: Clips, run: RunResult) -> list[Windows]:
    """The clips and results of every recording; those of one lie behind each other."""
    pairs = zip(clips.clips, run.clips, strict=True)
    return [
        tuple(group) for _, group in itertools.groupby(pairs, lambda pair: pair[0].recording or pair[0].name)
    ]


def _outcomes(
    manifest: Manifest, clips: Clips, recordings: list[Windows]
) -> tuple[tuple[ClipOutcome, ...], Anomalies | None]:
    """What was answered to every recording; of a network that reconstructs, also which of them are anomalies."""
    if not clips.anomalies:
        return tuple(_outcome(manifest, windows, bool(clips.labels)) for windows in recordings), None
    error = reconstruction.errors(manifest, clips.kind)
    outcomes = [_reconstructed(windows, error) for windows in recordings]
    known = [outcome for outcome in outcomes if outcome.truth is not None]
    truth = np.array([outcome.truth for outcome in known], int)
    scores = np.array([outcome.error for outcome in known], np.float64)
    found = anomalies.score(truth, scores, [outcome.device for outcome in known]) if known else None
    if found is None:
        return tuple(outcomes), None
    return tuple(
        dataclasses.replace(outcome, predicted=int((outcome.error or 0.0) >= found.threshold))
        for outcome in outcomes
    ), found


def _reconstructed(windows: Windows, error: Callable[[bytes, bytes], float]) -> ClipOutcome:
    """A recording with the mean of its windows' errors."""
    first, _ = windows[0]
    results = [result for _, result in windows]
    mean = np.mean([error(clip.load(), result.outputs) for clip, result in windows])
    return ClipOutcome(
        name=first.recording or first.name,
        device=first.device,
        truth=first.label,
        predicted=0,
        probabilities=(),
        counts=counts.over_clips([r.counts for r in results]),
        input_sha256=_joined([r.input_sha256 for r in results]),
        error=float(mean),
    )


def _tagging(outcomes: tuple[ClipOutcome, ...], labels: tuple[str, ...]) -> Tagging | None:
    """The figures of multi-label data; None of other data."""
    if not outcomes or any(outcome.tags is None for outcome in outcomes):
        return None
    truth = np.zeros((len(outcomes), len(labels)), int)
    for row, outcome in enumerate(outcomes):
        truth[row, list(outcome.tags or ())] = 1
    return tagging.score(labels, truth, np.array([outcome.probabilities for outcome in outcomes]))


def _outcome(manifest: Manifest, windows: Windows, labelled: bool) -> ClipOutcome:
    """What was answered to a recording: the mean of the windows' probabilities, and the class with the largest."""
    first, result = windows[0]
    results = [result for _, result in windows]
    each_alone = first.tags is not None
    scores = np.mean([_scores(manifest, result, each_alone) for result in results], axis=0)
    return ClipOutcome(
        name=first.recording or first.name,
        device=first.device,
        truth=first.label,
        predicted=result.predicted if len(windows) == 1 else int(np.argmax(scores)),
        probabilities=tuple(round(float(score), 6) for score in scores) if labelled else (),
        counts=counts.over_clips([r.counts for r in results]),
        input_sha256=_joined([r.input_sha256 for r in results]),
        tags=first.tags,
    )


def _joined(hashes: list[str]) -> str:
    """The hash of what was sent of a recording: of its windows' hashes where there are several."""
    if len(hashes) == 1 or not all(hashes):
        return hashes[0]
    return hashlib.sha256("".join(hashes).encode()).hexdigest()


def _scores(manifest: Manifest, result: ClipResult, each_alone: bool = False) -> npt.NDArray[np.float64]:
    """The first output as probabilities: as it is behind a softmax, else through one; as it is for multi-label data."""
    spec = manifest.outputs[0]
    raw = outputs(manifest, result.outputs)[0].reshape(-1).astype(np.float64)
    scores: npt.NDArray[np.float64] = (raw - spec.zero_point) * spec.scale
    if not spec.probabilities and not each_alone:
        powers = np.exp(scores - scores.max())
        scores = powers / powers.sum()
    return scores


def _confusion(outcomes: tuple[ClipOutcome, ...], classes: int) -> Confusion | None:
    if not outcomes or any(outcome.truth is None for outcome in outcomes):
        return None
    table = [[0] * classes for _ in range(classes)]
    for outcome in outcomes:
        table[outcome.truth or 0][outcome.predicted] += 1
    return tuple(tuple(row) for row in table)


def _accuracy(confusion: Confusion | None) -> float | None:
    if confusion is None:
        return None
    return sum(row[i] for i, row in enumerate(confusion)) / sum(map(sum, confusion))


def _macro_accuracy(confusion: Confusion | None) -> float | None:
    """The mean of the classes' own accuracies, of those that have clips (DCASE's first metric)."""
    if confusion is None:
        return None
    fractions = [row[i] / sum(row) for i, row in enumerate(confusion) if sum(row)]
    return sum(fractions) / len(fractions)


def _log_loss(outcomes: tuple[ClipOutcome, ...]) -> float | None:
    """The mean of -ln p(truth) (DCASE's second metric)."""
    losses = [loss(outcome) for outcome in outcomes]
    known = [x for x in losses if x is not None]
    return sum(known) / len(known) if known and len(known) == len(losses) else None


def loss(outcome: ClipOutcome) -> float | None:
    """-ln p(truth) of one clip, p at least ``PROBABILITY_MIN``; None where truth or probabilities are unknown."""
    if outcome.truth is None or not outcome.probabilities:
        return None
    return float(-np.log(max(outcome.probabilities[outcome.truth], PROBABILITY_MIN)))


def _class_accuracy(confusion: Confusion | None, labels: tuple[str, ...]) -> dict[str, float | None] | None:
    if confusion is None:
        return None
    return {
        label: row[i] / sum(row) if sum(row) else None
        for i, (label, row) in enumerate(zip(labels, confusion, strict=True))
    }


def _device_accuracy(outcomes: tuple[ClipOutcome, ...]) -> dict[str, float] | None:
    known = [outcome for outcome in outcomes if outcome.device and outcome.truth is not None]
    if not known:
        return None
    devices = sorted({outcome.device for outcome in known})
    right = {d: [o.truth == o.predicted for o in known if o.device == d] for d in devices}
    return {device: sum(answers) / len(answers) for device, answers in right.items()}


def _counts(clips: tuple[ClipResult, ...]) -> CountSummary:
    mean = counts.over_clips([clip.counts for clip in clips])
    network = [clip.counts.network for clip in clips]
    return CountSummary(**vars(mean), network_min=min(network), network_max=max(network))


def _energy(board: Board, counted: CountSummary | None) -> Energy | None:
    """The core's part of one clip's energy, where somebody has measured what the chip draws."""
    measured = board.chip.power.measured
    if counted is None or measured is None:
        return None
    idle = measured.idle
    bounds = (None, None, "") if idle is None else (*idle.ua, idle.source)
    found = Energy(0.0, 0.0, *measured.ua_per_mhz, measured.supply_mv, measured.source, *bounds)
    low, high = found.of(counted.network + counted.frontend)
    return dataclasses.replace(found, microjoules_low=round(low, 3), microjoules_high=round(high, 3))


def _layers(
    manifest: Manifest, clips: tuple[ClipResult, ...], symbols: tuple[Symbol, ...], *, predicted: bool
) -> tuple[LayerCount, ...]:
    counted = bool(clips) and all(len(clip.layers) == len(manifest.layers) for clip in clips)
    return tuple(
        LayerCount(
            name=layer.name,
            op=layer.op,
            output_shape=layer.output_shape,
            macs=layer.macs,
            parameters=layer.parameters,
            weights_bytes=layer.weights_bytes,
            flash_bytes=sum(s.size_bytes for s in symbols if s.layer == layer.index) or layer.weights_bytes,
            buffer_bytes=layer.buffer_bytes,
            count=round(sum(clip.layers[layer.index] for clip in clips) / len(clips)) if counted else None,
            kernel=layer.kernel,
            predicted_cycles=layer.predicted_cycles if predicted else None,
        )
        for layer in manifest.layers
    )


def _symbols(manifest: Manifest, elf: Path) -> tuple[Symbol, ...]:
    """What lies in flash, the largest first."""
    if not elf.is_file():
        return ()
    found = (
        Symbol(name, part, _layer_of(name, part, manifest.layers), used)
        for name, part, used in size.symbols(elf)
    )
    return tuple(sorted(found, key=lambda s: (-s.size_bytes, s.name)))


def _layer_of(symbol: str, part: str, layers: tuple[Layer, ...]) -> int | None:
    """Kernels are named ``<op>_<layer>[_<part>]``, constants ``<what>_<layer>``."""
    number = re.match(r"[a-z][a-z0-9_]*?_(\d+)(?:_|\.|$)", symbol)
    if number is None or part not in ("code", "weights"):
        return None
    right = [
        layer.index
        for layer in layers
        if layer.code_index == int(number[1]) and (part == "weights" or symbol.startswith(f"{layer.op}_"))
    ]
    return right[0] if right else None


def _mistakes(
    outcomes: tuple[ClipOutcome, ...], recordings: list[Windows], spec: Spec
) -> tuple[Mistake, ...]:
    """The wrong answers with the largest loss, with what they sound like (in their first window)."""
    losses = [
        (loss(outcome), number)
        for number, outcome in enumerate(outcomes)
        if outcome.truth is not None and outcome.truth != outcome.predicted
    ]
    worst = sorted(((x, number) for x, number in losses if x is not None), reverse=True)[:MISTAKES_SHOWN]
    return tuple(_mistake(number, recordings[number][0][0], spec) for _, number in worst)


def _mistake(number: int, clip: Clip, spec: Spec) -> Mistake:
    pcm = np.frombuffer(clip.load(), "<i2").reshape(-1, spec.audio_channels)
    power = extract.mel_power(pcm.astype(np.int16), spec)
    level_db = 10 * np.log10(np.maximum(_fewer_frames(power), 1e-12))
    high_db = float(level_db.max())
    low_db = max(float(level_db.min()), high_db - _SPECTROGRAM_RANGE_DB)
    fraction = (level_db - low_db) / max(high_db - low_db, 1e-6)
    levels = np.rint(255 * np.clip(fraction, 0, 1)).astype(np.uint8).T
    packed = base64.b64encode(np.ascontiguousarray(levels).tobytes()).decode()
    return Mistake(number, levels.shape[1], levels.shape[0], round(low_db, 2), round(high_db, 2), packed)


def _fewer_frames(power: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Means over neighbouring frames, so that a picture has no more than it can show: (frames, bands)."""
    group = -(-len(power) // _SPECTROGRAM_FRAMES_MAX)
    whole = len(power) // group * group
    grouped: npt.NDArray[np.float64] = power[:whole].reshape(-1, group, power.shape[1]).mean(axis=1)
    return grouped


def _provenance(elf: Path, run: RunResult) -> Provenance:
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    return Provenance(
        measured_at=now.isoformat().replace("+00:00", "Z"),
        machine=f"{platform.system()} {platform.machine()}",
        tools={"python": platform.python_version(), "ascmcu": __version__, **_libraries()},
        repetitions=1,
        firmware_sha256=hashlib.sha256(elf.read_bytes()).hexdigest() if elf.is_file() else "",
        build_sha256=run.hello.build_sha256,
        inputs_sha256=run.inputs_sha256,
        commit=commit(),
    )


@functools.cache
def _libraries() -> dict[str, str]:
    """Versions of what has a say in the numbers."""
    found = {}
    for name in ("numpy", "librosa", "soxr", "soundfile", "unicorn"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
