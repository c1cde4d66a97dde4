"""The result of a benchmark, as scripts read it: ``ascmcu bench --json`` and everything that is rendered from it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from ascmcu import __version__
from ascmcu.bench.clips import Clips
from ascmcu.bench.run import ClipResult, RunResult
from ascmcu.bench.wire import ClockState
from ascmcu.boards import Board
from ascmcu.build.manifest import Manifest
from ascmcu.runners.base import CountKind


@dataclass(frozen=True)
class Counts:
    """Counts per clip over all clips: the mean, rounded; the extremes of the network; the worst of the rest."""

    network: int
    frontend: int
    network_min: int
    network_max: int
    worst_hop: int
    latency: int


@dataclass(frozen=True)
class LayerCount:
    """One layer: mean count per clip, None where nothing counts."""

    name: str
    op: str
    macs: int
    count: int | None


@dataclass(frozen=True)
class Benchmark:
    """One benchmark with everything that its numbers depend on.

    ``accuracy``, ``class_accuracy`` and ``confusion`` (rows: truth, columns: prediction, in the order of
    ``labels``) are None without labelled clips. ``counts`` is None where the runner counts nothing;
    ``count_kind`` says what they are.
    """

    model: str
    model_sha256: str
    board: str
    runner: str
    runner_detail: str
    clock_hz: int
    wait_states: int
    clock_state: str
    clips: int
    resumed: int
    source: str
    labels: tuple[str, ...]
    accuracy: float | None
    class_accuracy: dict[str, float | None] | None
    confusion: tuple[tuple[int, ...], ...] | None
    count_kind: CountKind
    counts: Counts | None
    layers: tuple[LayerCount, ...]
    ram_bytes: dict[str, int]
    flash_bytes: dict[str, int]
    board_ram_bytes: int
    board_flash_bytes: int
    schedule: str
    compiler: str
    flags: str
    tool_version: str
    link: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; counts stand under ``cycles`` or ``instructions``, whichever they are."""
        plain = dataclasses.asdict(self)
        for name in ("counts", "count_kind", "layers"):
            del plain[name]
        if self.counts is not None:
            plain[self.count_kind] = dataclasses.asdict(self.counts)
        plain["layers"] = [
            {"name": x.name, "op": x.op, "macs": x.macs}
            | ({} if x.count is None else {self.count_kind: x.count})
            for x in self.layers
        ]
        return plain


def summarize(manifest: Manifest, board: Board, clips: Clips, run: RunResult) -> Benchmark:
    """Put a run's raw results together."""
    confusion = _confusion(run.clips, len(clips.labels))
    ram = dict(manifest.ram_bytes)
    if run.statistics.stack_peak_bytes:
        ram["stack_peak"] = run.statistics.stack_peak_bytes
    counting = run.facts.count_kind != "none" and bool(run.clips)
    modelled = run.facts.wait_states
    return Benchmark(
        model=manifest.model,
        model_sha256=manifest.model_sha256,
        board=board.name,
        runner=run.facts.name,
        runner_detail=run.facts.detail,
        clock_hz=run.hello.clock_hz,
        wait_states=run.hello.wait_states if modelled is None else modelled,
        clock_state=run.hello.clock.name.lower() if run.hello.clock_hz else "none",
        clips=len(run.clips),
        resumed=run.resumed,
        source=clips.source,
        labels=clips.labels,
        accuracy=_accuracy(confusion),
        class_accuracy=_class_accuracy(confusion, clips.labels),
        confusion=confusion,
        count_kind=run.facts.count_kind,
        counts=_counts(run.clips) if counting else None,
        layers=_layers(manifest, run.clips),
        ram_bytes=ram,
        flash_bytes=dict(manifest.flash_bytes),
        board_ram_bytes=board.ram.size_bytes,
        board_flash_bytes=board.flash.size_bytes,
        schedule=manifest.schedule,
        compiler=manifest.compiler,
        flags=manifest.flags,
        tool_version=__version__,
        link={
            **dataclasses.asdict(run.repairs),
            "device_overruns": run.statistics.overruns,
            "device_line_errors": run.statistics.line_errors,
            "device_bad_frames": run.statistics.bad_frames,
            "device_duplicates": run.statistics.duplicates,
            "device_rerequests": run.statistics.rerequests,
            "disturbed_chunks": sum(clip.disturbed for clip in run.clips),
        },
    )


def clock_warning(state: str) -> str | None:
    """A sentence for people when the device does not run on the clock that its board describes."""
    sentences = {
        ClockState.PLL_FROM_HSI.name.lower(): "the external oscillator is silent: the clock comes from the HSI",
        ClockState.HSI_ALONE.name.lower(): "the PLL did not start: the device runs on its 16 MHz HSI",
    }
    return sentences.get(state)


Confusion = tuple[tuple[int, ...], ...]


def _confusion(clips: tuple[ClipResult, ...], classes: int) -> Confusion | None:
    if not clips or any(clip.label is None for clip in clips):
        return None
    table = [[0] * classes for _ in range(classes)]
    for clip in clips:
        table[clip.label or 0][clip.predicted] += 1
    return tuple(tuple(row) for row in table)


def _accuracy(confusion: Confusion | None) -> float | None:
    if confusion is None:
        return None
    return sum(row[i] for i, row in enumerate(confusion)) / sum(map(sum, confusion))


def _class_accuracy(confusion: Confusion | None, labels: tuple[str, ...]) -> dict[str, float | None] | None:
    if confusion is None:
        return None
    return {
        label: row[i] / sum(row) if sum(row) else None
        for i, (label, row) in enumerate(zip(labels, confusion, strict=True))
    }


def _counts(clips: tuple[ClipResult, ...]) -> Counts:
    return Counts(
        network=round(sum(c.network for c in clips) / len(clips)),
        frontend=round(sum(c.frontend for c in clips) / len(clips)),
        network_min=min(c.network for c in clips),
        network_max=max(c.network for c in clips),
        worst_hop=max(c.worst_hop for c in clips),
        latency=max(c.latency for c in clips),
    )


def _layers(manifest: Manifest, clips: tuple[ClipResult, ...]) -> tuple[LayerCount, ...]:
    counted = bool(clips) and all(len(clip.layers) == len(manifest.layers) for clip in clips)
    return tuple(
        LayerCount(
            layer.name,
            layer.op,
            layer.macs,
            round(sum(clip.layers[layer.index] for clip in clips) / len(clips)) if counted else None,
        )
        for layer in manifest.layers
    )
