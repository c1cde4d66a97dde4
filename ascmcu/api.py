"""The stages put together: what the command line is a thin shell of."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import sys
import tempfile
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ascmcu import __version__, boards, passes
from ascmcu.bench import clips as clip_sources
from ascmcu.bench import run as bench_run
from ascmcu.boards import Board
from ascmcu.build import cmsis_dsp, gcc
from ascmcu.build.manifest import MANIFEST_VERSION, Layer, Manifest, TensorSpec
from ascmcu.codegen import board as board_code
from ascmcu.codegen import library, renode
from ascmcu.codegen.frontend import render_frontend
from ascmcu.codegen.memory_map import render_memory_map
from ascmcu.codegen.model import ModelSource, render_model
from ascmcu.errors import BoardError, FeatureError, InputError, ModelError
from ascmcu.features import spec as feature_specs
from ascmcu.features.spec import FeatureSpec
from ascmcu.frontends import tflite
from ascmcu.ir import text
from ascmcu.ir.graph import Graph, node_macs
from ascmcu.ir.op import SWAP
from ascmcu.ir.types import DType, Tensor
from ascmcu.ir.verify import verify
from ascmcu.passes.recompute import recomputations, recompute
from ascmcu.passes.swap_axes import swap_axes, transpose_input
from ascmcu.report import budgets, comparison, inspection, page, schema
from ascmcu.report.comparison import Comparison
from ascmcu.report.inspection import Inspection
from ascmcu.report.schema import Benchmark
from ascmcu.report.summarize import summarize
from ascmcu.runners import base as runners
from ascmcu.runners.base import Runner, Target
from ascmcu.runners.serial import SerialRunner
from ascmcu.schedule import LAYERS, ROWS, Plan, make_plan, peak_bytes
from ascmcu.schedule.describe import describe
from ascmcu.schedule.plan import Layer as PlanLayer
from ascmcu.schedule.plan import scratch_name, state_name

Schedule = Literal["rows", "layers", "auto"]
Format = Literal["firmware", "library"]
NO_FEATURES = "none"
# Barriers behind which rows are made a second time, at most.
_MOST_RECOMPUTATIONS = 3
PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class Compiled:
    """A model after all passes, with what its file says beside the graph.

    ``stages`` holds the graph after the import and after every pass, by name.
    """

    name: str
    sha256: str
    source: Graph
    graph: Graph
    stages: tuple[tuple[str, Graph], ...]
    features: FeatureSpec | None
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Variant:
    """A compiled graph for one choice of the axes.

    Attributes:
        name: ``as-is``, or what was done to the axes.
        graph: the graph to schedule.
        permutation: axes by which the caller's input array is transposed before it is cut into rows.
    """

    name: str
    graph: Graph
    permutation: tuple[int, ...]


@dataclass(frozen=True)
class Candidate:
    """A plan, and the variant that it schedules."""

    variant: Variant
    plan: Plan


@dataclass(frozen=True)
class Export:
    """A finished export."""

    folder: Path
    manifest: Manifest
    plan: Plan


def compile_model(model: PathLike, *, features: PathLike | None = None) -> Compiled:
    """Import a ``.tflite`` and run all passes.

    Args:
        model: the file.
        features: a feature specification (name or TOML) in place of the one that the file carries, or ``none``
            for the network alone, with tensors as its input.

    Raises:
        ModelError: the file is no model, or one that cannot be compiled.
        FeatureError: the feature specification is wrong, or does not fit the network's input.
    """
    model = Path(model)
    source, data = tflite.load(model)
    if len(source.inputs) != 1:
        raise ModelError(
            "the network must have one input", where=model.name, expected=1, found=len(source.inputs)
        )
    stages = [("import", source), *passes.run(source)]
    embedded, labels = _metadata(data, model.name)
    spec = (
        embedded
        if features is None
        else None
        if features == NO_FEATURES
        else feature_specs.load(str(features))
    )
    name = re.sub(r"[^\w.\-]", "_", model.stem)
    compiled = Compiled(name, tflite.sha256(data), source, stages[-1][1], tuple(stages), spec, labels)
    if spec is not None:
        _check_features(compiled, spec)
    return compiled


def _metadata(data: bytes, name: str) -> tuple[FeatureSpec | None, tuple[str, ...]]:
    raw = tflite.metadata(data, name).get("ascmcu")
    if raw is None:
        return None, ()
    try:
        content = json.loads(raw)
        labels = tuple(str(label) for label in content["labels"])
        features = content["features"]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError("the model's ascmcu metadata is unreadable", where=name, found=error) from error
    return FeatureSpec.from_dict(features), labels


def _check_features(compiled: Compiled, spec: FeatureSpec) -> None:
    shape = compiled.source.tensors[compiled.source.inputs[0]].shape
    time, mel, channels = spec.shape
    expected = (1, time, mel, channels) if spec.layout == "time_mel" else (1, mel, time, channels)
    if shape != expected:
        raise FeatureError(
            "the features do not have the shape of the network's input",
            where=compiled.name,
            expected=f"input {list(expected)} for {time} frames of {mel} bands and {channels} channel(s)",
            found=f"input {list(shape)}",
            hint="check clip length, hop_length, n_mels, deltas and layout",
        )


def variants(compiled: Compiled) -> tuple[Variant, ...]:
    """The graphs that may be scheduled, the natural one first.

    Rows are pushed along the features' time axis; without features along either. The network itself may stream
    along the other axis, behind a transpose of the whole input.
    """
    graph = compiled.graph
    x = graph.tensors[graph.inputs[0]]
    shape = compiled.source.tensors[compiled.source.inputs[0]].shape
    as_is = Variant("as-is", graph, tuple(range(len(shape))))
    # An input that is reshaped at once is pushed in its new shape, whose axes a caller's array does not have.
    if len(x.shape) != 4 or x.shape[0] != 1 or x.shape != shape:
        return (as_is,)
    swapped = Variant("swap-axes", verify(swap_axes(graph), "swap-axes"), SWAP)
    if compiled.features is None:
        return as_is, swapped
    if compiled.features.layout == "mel_time":
        return swapped, Variant("transpose-input", verify(transpose_input(graph), "transpose-input"), SWAP)
    other = verify(transpose_input(swapped.graph), "transpose-input")
    return as_is, Variant("transpose-input", other, as_is.permutation)


def candidates(compiled: Compiled, schedule: Schedule) -> list[Candidate]:
    """The plans that ``schedule`` allows, fastest first: whole layers, then rows along the cheapest axis."""
    choices = variants(compiled)
    found = []
    if schedule in ("auto", LAYERS):
        found.append(Candidate(choices[0], make_plan(choices[0].graph, LAYERS)))
    if schedule in ("auto", ROWS):
        cheapest = min(choices, key=lambda v: peak_bytes(v.graph, ROWS)) if len(choices) > 1 else choices[0]
        found.append(Candidate(cheapest, make_plan(cheapest.graph, ROWS)))
    return found


def recomputed(candidate: Candidate) -> Iterator[Candidate]:
    """Row plans that make rows a second time instead of keeping a map whole: each in less RAM than the one before,
    for more multiply–accumulates."""
    variant = candidate.variant
    least = peak = peak_bytes(variant.graph, ROWS)
    for _ in range(_MOST_RECOMPUTATIONS):
        graph = variant.graph
        # What a small map would save is not worth the search.
        worth = (c for c in recomputations(graph) if 4 * graph.tensors[c.stored].size_bytes >= peak)
        graphs = [recompute(graph, choice) for choice in worth]
        peaks = {graph: peak_bytes(graph, ROWS) for graph in graphs}
        for graph in sorted(graphs, key=lambda g: (g.macs, peaks[g])):
            if peaks[graph] < least:
                least = peaks[graph]
                name = f"{candidate.variant.name}-recompute"
                chosen = Variant(name, verify(graph, "recompute"), variant.permutation)
                yield Candidate(chosen, make_plan(graph, ROWS))
        if least == peak:
            return
        variant, peak = chosen, least


def inspect(model: PathLike) -> Inspection:
    """Count what a ``.tflite`` holds and needs, without a board or a feature specification.

    Raises:
        ModelError: the file is no model, or one that cannot be compiled.
    """
    compiled = compile_model(model, features=NO_FEATURES)
    layers, rows = candidates(compiled, "auto")
    return inspection.make(compiled.name, compiled.sha256, compiled.source, layers.plan, rows.plan)


def export(
    model: PathLike,
    board: str,
    folder: PathLike = "build",
    *,
    schedule: Schedule = "auto",
    features: PathLike | None = None,
    optimize: gcc.Optimize = "cycles",
    output: Format = "firmware",
    max_ram_bytes: int | None = None,
) -> Export:
    """Compile a ``.tflite`` for a board into ``folder``, which appears whole or not at all.

    Args:
        model: the file.
        board: a board's name, or the path of a board's TOML.
        folder: replaced if it is an earlier export; refused if it holds anything else.
        schedule: ``auto`` takes whole layers if they fit, else streamed rows.
        features: a feature specification in place of the model's own.
        optimize: what the compiler optimises for.
        output: ``firmware`` builds an image; ``library`` gives sources with a CMakeLists.txt.
        max_ram_bytes: a limit on the activations, tighter than the board's RAM.

    Raises:
        InputError: model, board, features or folder are unusable, or the firmware does not fit.
        ToolError: a compiler or source is missing.
    """
    boards.load(board)  # what is wrong with it is known before the model is read
    check_folder(Path(folder))
    compiled = compile_model(model, features=features)
    return build(
        compiled, board, folder, schedule=schedule, optimize=optimize, output=output, max_ram_bytes=max_ram_bytes
    )  # fmt: skip


def build(
    compiled: Compiled,
    board: str,
    folder: PathLike = "build",
    *,
    schedule: Schedule = "auto",
    optimize: gcc.Optimize = "cycles",
    output: Format = "firmware",
    max_ram_bytes: int | None = None,
) -> Export:
    """Build a compiled model for a board into ``folder``, which appears whole or not at all.

    Arguments and errors are those of ``export``.
    """
    target = boards.load(board)
    folder = Path(folder)
    place = folder.resolve()
    check_folder(folder)
    found = candidates(compiled, schedule)
    with _scratch_beside(place) as scratch:
        part = Path(scratch) / "export"
        try:
            fitting = _fitting(found, max_ram_bytes, target)
            plan, manifest = _write_first_that_fits(compiled, fitting, target, part, optimize, output)
        except BoardError:
            smaller = [] if schedule == LAYERS else list(recomputed(found[-1]))
            if not smaller:
                raise
            shutil.rmtree(part, ignore_errors=True)
            fitting = _fitting([*found, *smaller], max_ram_bytes, target)
            fitting = [candidate for candidate in fitting if all(candidate is not c for c in found)]
            plan, manifest = _write_first_that_fits(compiled, fitting, target, part, optimize, output)
        _replace(place, part)
    return Export(folder, manifest, plan)


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds something that is not an export.

    Raises:
        InputError: it does.
    """
    folder = folder.resolve()
    if folder.exists() and (
        not folder.is_dir() or (any(folder.iterdir()) and not (folder / "manifest.json").is_file())
    ):
        raise InputError(
            "the output folder holds something that is not an export",
            where=str(folder),
            expected="a new or empty folder, or an earlier export",
            hint="choose another with -o",
        )


def _scratch_beside(folder: Path) -> tempfile.TemporaryDirectory[str]:
    """A hidden folder on the same file system, so that the finished export can be renamed into place."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent)
    except OSError as error:
        raise InputError(
            "the output folder cannot be made",
            where=str(folder),
            found=error.strerror,
            hint="choose another with -o",
        ) from error


def _replace(folder: Path, part: Path) -> None:
    """Swap the finished export in; an earlier one is removed only then, and comes back if that fails."""
    previous = part.parent / "previous"
    if folder.exists():
        folder.rename(previous)
    try:
        part.rename(folder)
    except BaseException:
        if previous.exists():
            previous.rename(folder)
        raise


def _fitting(found: Sequence[Candidate], limit: int | None, board: Board) -> list[Candidate]:
    room = board.ram.size_bytes if limit is None else min(limit, board.ram.size_bytes)
    fitting = [c for c in found if c.plan.arena_bytes <= room]
    if not fitting:
        smallest = min(c.plan.arena_bytes for c in found)
        others = boards.that_hold(0, smallest)
        raise BoardError(
            "the network's activations do not fit",
            where=board.name if limit is None else f"{board.name}, --max-ram {limit}",
            expected=f"≤ {room} bytes",
            found="; ".join(f"{c.plan.arena_bytes} bytes with --schedule {c.plan.mode}" for c in found),
            hint=f"their size alone fits {', '.join(others)}" if others else "no known board is large enough",
        )
    return fitting


def _write_first_that_fits(
    compiled: Compiled,
    fitting: Sequence[Candidate],
    board: Board,
    part: Path,
    optimize: gcc.Optimize,
    output: Format,
) -> tuple[Plan, Manifest]:
    for candidate in fitting:
        part.mkdir()
        manifest = write_sources(compiled, candidate, fitting, board, part)
        if output == "library":
            _write_library(compiled, candidate.plan, manifest, part)
            return candidate.plan, _finish(part, manifest)
        try:
            report = gcc.build_firmware(
                part, board, frontend=compiled.features is not None, optimize=optimize
            )
        except BoardError:
            if candidate is fitting[-1]:
                raise
            shutil.rmtree(part)
            continue
        built = dataclasses.replace(
            manifest,
            ram_bytes=report.ram_bytes,
            flash_bytes=report.flash_bytes,
            compiler=report.compiler,
            flags=report.flags,
        )
        return candidate.plan, _finish(part, built)
    raise AssertionError("there is always a candidate")


def _finish(part: Path, manifest: Manifest) -> Manifest:
    (part / "manifest.json").write_text(manifest.to_json())
    return manifest


def write_sources(
    compiled: Compiled,
    candidate: Candidate,
    others: Sequence[Candidate],
    board: Board | None,
    folder: Path,
) -> Manifest:
    """Write dumps, plan and C into ``folder``; the manifest's sizes are those known without a compiler."""
    plan = candidate.plan
    stages = list(compiled.stages)
    if candidate.variant.graph is not compiled.graph:
        stages.append((candidate.variant.name, candidate.variant.graph))
    for number, (name, graph) in enumerate(stages):
        (folder / f"{number:02d}-{name}.ir").write_text(text.dump(graph))
    large: dict[str, Any] = {key: data for _, graph in stages for key, data in text.constants(graph).items()}
    np.savez(folder / "constants.npz", **large)
    (folder / "plan.txt").write_text(describe(plan, [c.plan for c in others]))
    (folder / "memory.svg").write_text(render_memory_map(plan, compiled.name))
    source = render_model(plan, name=compiled.name, sha256=compiled.sha256)
    files: dict[str, str] = dict(source.files)
    if compiled.features is not None:
        x = compiled.source.tensors[compiled.source.inputs[0]]
        scale, zero_point = (1.0, 0) if x.dtype is DType.FLOAT32 else (x.scale, x.zero_point)
        files.update(render_frontend(compiled.features, scale, zero_point, str(x.dtype.numpy)))
    if board is not None:
        files.update(board_code.files(board))
        files.update(renode.files(board, compiled.name))
    for name, content in files.items():
        (folder / name).write_text(content)
    return _manifest(compiled, candidate, source, board)


def _manifest(compiled: Compiled, candidate: Candidate, source: ModelSource, board: Board | None) -> Manifest:
    plan = candidate.plan
    return Manifest(
        version=MANIFEST_VERSION,
        tool_version=__version__,
        model=compiled.name,
        model_sha256=compiled.sha256,
        board=board.name if board is not None else "",
        schedule=plan.mode,
        inputs=(_input_spec(compiled, candidate.variant),),
        outputs=tuple(_output_spec(compiled.source.tensors[name]) for name in compiled.source.outputs),
        layers=_layers(plan, source),
        labels=compiled.labels,
        features=None if compiled.features is None else compiled.features.to_dict(),
        macs=plan.graph.macs,
        parameters=plan.graph.parameters,
        ram_bytes={"total": plan.arena_bytes, "activations": plan.arena_bytes},
        flash_bytes={"total": source.weights_bytes, "weights": source.weights_bytes},
    )


def _input_spec(compiled: Compiled, variant: Variant) -> TensorSpec:
    tensor = compiled.source.tensors[compiled.source.inputs[0]]
    pushed = variant.graph.tensors[variant.graph.inputs[0]]
    return dataclasses.replace(
        _tensor_spec(tensor), rows=pushed.rows, row_bytes=pushed.row_bytes, permutation=variant.permutation
    )


def _output_spec(tensor: Tensor) -> TensorSpec:
    return dataclasses.replace(_tensor_spec(tensor), rows=1, row_bytes=tensor.size_bytes)


def _tensor_spec(tensor: Tensor) -> TensorSpec:
    return TensorSpec(
        name=tensor.name,
        shape=tensor.shape,
        dtype=str(tensor.dtype.numpy),
        scale=1.0 if tensor.quant is None else tensor.scale,
        zero_point=tensor.zero_point,
        rows=tensor.rows,
        row_bytes=tensor.row_bytes,
        permutation=tuple(range(len(tensor.shape))),
    )


def _layers(plan: Plan, source: ModelSource) -> tuple[Layer, ...]:
    graph = plan.graph
    running = [layer for layer in plan.layers if not plan.moves_nothing(layer)]
    return tuple(
        Layer(
            index=index,
            name=layer.node.name,
            op=layer.node.op.kind(),
            macs=node_macs(graph, layer.node),
            parameters=sum(
                graph.tensors[name].elements
                for name in layer.node.op.parameter_inputs(layer.node.inputs)
                if name and graph.tensors[name].is_const
            ),
            weights_bytes=source.layer_weights_bytes[index],
            output_shape=graph.output_tensor(layer.node).shape,
            buffer_bytes=_buffer_bytes(plan, layer),
            code_index=layer.index,
        )
        for index, layer in enumerate(running)
    )


def _buffer_bytes(plan: Plan, layer: PlanLayer) -> int:
    """Bytes of the buffers that bear the layer's name: what shares another's bytes is counted there."""
    own = {layer.node.output, state_name(layer), scratch_name(layer)}
    return sum(buffer.size_bytes for buffer in plan.buffers if buffer.name in own)


def _write_library(compiled: Compiled, plan: Plan, manifest: Manifest, folder: Path) -> None:
    """What makes the sources stand alone."""
    ends = (manifest.inputs[0], manifest.outputs)
    cmsis = (cmsis_dsp.C_FILES, cmsis_dsp.VERSION)
    weights = manifest.flash_bytes["weights"]
    made = library.files(compiled.name, compiled.sha256, plan, ends, weights, compiled.features, cmsis)
    for name, content in made.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)


Progress = Callable[[int, int], None]


def bench(
    folder: PathLike = "build",
    *,
    on: str = "sim",
    serial: str | None = None,
    baud: int | None = None,
    data: PathLike | None = None,
    split: str | None = None,
    tensors: PathLike | None = None,
    limit: int | None = None,
    repeat: int = 1,
    warm_up: int = 0,
    save_outputs: PathLike | None = None,
    wait_states: bool = False,
    progress: Progress = lambda done, total: None,
) -> Benchmark:
    """Send clips through the firmware of an export; the result also lies there, as ``bench-<runner>.json``.

    Args:
        folder: the export.
        on: a runner: host, sim, qemu, …
        serial: a board's port in place of a runner; ``auto`` for the one that carries its probe's USB numbers.
        baud: in place of the board's own rate.
        data: recordings: a folder or a table.
        split: the part of the data to take.
        tensors: a ``.npy`` of (N, *input shape) in the input's dtype, in place of ``data``.
        limit: at most so many clips.
        repeat: how often every clip is run; counts are the median.
        warm_up: clips to run before, whose results are dropped.
        save_outputs: where the raw outputs go as ``.npy``; a second output goes to ``NAME.1.npy``.
        wait_states: on ``sim``, behind the chip's real flash; the result says what difference it makes.
        progress: called with clips done and clips in all.

    Raises:
        InputError: no export, no such runner, clips that do not fit the network.
        LinkError: the link to the device failed; what was scored is kept, and the next call goes on from there.
        ToolError: a program that the runner needs is missing.
    """
    if (data is None) == (tensors is None):
        raise InputError("a benchmark needs either recordings or tensors", expected="data or tensors")
    folder = Path(folder)
    manifest = Manifest.load(folder)
    target = Target(folder, boards.load(manifest.board), manifest, manifest.features is not None)
    if wait_states and (on != "sim" or serial is not None):
        raise InputError("only the simulator models flash wait states", found=serial or on, expected="sim")
    runner = SerialRunner(target, serial, baud) if serial is not None else _runner(on, target, wait_states)
    if data is not None:
        clips = clip_sources.from_data(manifest, Path(data), split, limit)
    else:
        assert tensors is not None
        clips = clip_sources.from_tensors(manifest, Path(tensors), limit)
    result = bench_run.run(target, runner, clips, repeat=repeat, warm_up=warm_up, progress=progress)
    if save_outputs is not None:
        _save_outputs(
            Path(save_outputs), [clip_sources.outputs(manifest, clip.outputs) for clip in result.clips]
        )
    summary = summarize(manifest, target.board, clips, result, folder)
    provenance = dataclasses.replace(summary.provenance, repetitions=repeat)
    summary = dataclasses.replace(summary, provenance=provenance)
    if wait_states:
        detail = f"{summary.runner_detail}; {_flash_difference(target, clips, result)}"
        summary = dataclasses.replace(summary, runner_detail=detail)
    whole = folder / f".bench-{runner.label}.json"
    whole.write_text(summary.to_json(), encoding="utf-8")
    whole.replace(folder / f"bench-{runner.label}.json")
    return summary


def _runner(name: str, target: Target, wait_states: bool) -> Runner:
    if not wait_states:
        return runners.create(name, target)
    from ascmcu.runners.sim import SimRunner  # Unicorn and Numba load with it

    return SimRunner(target, "cached")


def _flash_difference(target: Target, clips: clip_sources.Clips, result: bench_run.RunResult) -> str:
    """The first clip's network on the other models of the flash, beside what was run."""
    from ascmcu.runners.sim import FlashModel, SimRunner

    first = dataclasses.replace(clips, clips=clips.clips[:1])
    models: tuple[FlashModel, ...] = ("zero-wait", "cached-least")
    here = result.clips[0].network
    others = {
        flash: bench_run.run(target, SimRunner(target, flash), first).clips[0].network for flash in models
    }
    zero, least = others["zero-wait"], others["cached-least"]
    return (
        f"the first clip's network takes {here:,} cycles, {100 * (here / zero - 1):+.1f} % on {zero:,} at zero wait "
        f"states; {least:,} ({100 * (least / zero - 1):+.1f} %) if prefetched lines stay out of the cache"
    )


def _save_outputs(path: Path, outputs: list[list[npt.NDArray[np.generic]]]) -> None:
    for number in range(len(outputs[0]) if outputs else 0):
        to = path if number == 0 else path.with_suffix(f".{number}.npy")
        with to.open("wb") as file:
            np.save(file, np.stack([per_clip[number] for per_clip in outputs]))


def result(path: PathLike = "build") -> Benchmark:
    """A stored result: a file, or the newest in an export's folder.

    Raises:
        InputError: there is none.
    """
    return schema.load(result_path(Path(path)))


def result_path(path: Path) -> Path:
    """The file of a result, of a folder the newest.

    Raises:
        InputError: the folder holds none.
    """
    if not path.is_dir():
        return path
    found = sorted(path.glob("bench-*.json"), key=lambda p: p.stat().st_mtime)
    if not found:
        raise InputError(
            "no result of a benchmark here",
            where=str(path),
            hint="`ascmcu bench` writes one beside the export",
        )
    return found[-1]


def report(path: PathLike = "build", to: PathLike | None = None, *, export: PathLike | None = None) -> Path:
    """Write a result as one HTML file.

    Args:
        path: the result, or the folder of an export.
        to: the page; by default ``report.html`` beside the result.
        export: the export's folder, whose memory map is shown; by default where the result lies.

    Raises:
        InputError: there is no result.
    """
    path = Path(path)
    file = result_path(path)
    text = page.render(schema.load(file), page.memory_map_beside(Path(export or file.parent)))
    target = Path(to or file.with_name("report.html"))
    target.write_text(text, encoding="utf-8")
    return target


def compare(base: PathLike, *results: PathLike, budget: Sequence[str] = ()) -> list[Comparison]:
    """Hold results against the first.

    Args:
        base: a result's file, or an export's folder with the newest one.
        results: the same, at least one.
        budget: bounds such as ``cycles=+1%`` or ``ram=64000``; ``Comparison.kept`` says whether they hold.

    Raises:
        InputError: a file that is no result, or an unknown budget.
    """
    bounds = [budgets.parse(text) for text in budget]
    first = result(base)
    return [comparison.compare(first, result(path), bounds) for path in results]


def _also_callable(package: str, function: Callable[..., Any]) -> None:
    """Let ``ascmcu.bench(...)`` work where ``ascmcu.bench`` is the package, once that has been imported."""

    class Called(types.ModuleType):
        def __call__(self, *arguments: Any, **options: Any) -> Any:
            return function(*arguments, **options)

    sys.modules[package].__class__ = Called


for _function in (bench, build, report):
    _also_callable(f"ascmcu.{_function.__name__}", _function)
