# SPDX-License-Identifier: Apache-2.0
"""Write the files of an export that need no compiler: dumps, C, manifest."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ascmcu import __version__
from ascmcu.api.arranging import Arranging
from ascmcu.api.choices import Candidate, Variant
from ascmcu.api.compiling import Compiled
from ascmcu.boards import Board
from ascmcu.codegen import board as board_code
from ascmcu.codegen import licence, placing, renode
from ascmcu.codegen.frontend import render_frontend
from ascmcu.codegen.listen import render_listening
from ascmcu.codegen.memory_map import render_memory_map
from ascmcu.codegen.microphone import render_microphone
from ascmcu.codegen.model import ModelSource, render_model
from ascmcu.codegen.placing import Placement
from ascmcu.features.spec import FeatureSpec
from ascmcu.ir import text
from ascmcu.ir.figures import figures_of, gives_probabilities
from ascmcu.ir.graph import Graph, node_macs
from ascmcu.ir.types import DType, Tensor
from ascmcu.listening.window import Listening
from ascmcu.schedule import Plan
from ascmcu.schedule.describe import describe
from ascmcu.schedule.plan import Layer as PlanLayer
from ascmcu.schedule.plan import scratch_name, state_name
from ascmcu.toolchain.identity import UNIDENTIFIED
from ascmcu.toolchain.manifest import DUMPS, MANIFEST_VERSION, Layer, Manifest, Prediction, TensorSpec


def write_sources(
    compiled: Compiled,
    candidate: Candidate,
    others: Sequence[Candidate],
    board: Board | None,
    folder: Path,
    *,
    firmware: bool = True,
) -> Manifest:
    """Write dumps, plan and C into ``folder``; the manifest's sizes are those known without a compiler.

    Args:
        compiled: the model.
        candidate: the plan to write.
        others: plans that ``plan.txt`` compares with it.
        board: the target; None for a library without a board.
        folder: an existing folder.
        firmware: also write the board's configuration, the linker script and the files for Renode.
    """
    plan = candidate.plan
    stages = list(compiled.stages)
    if candidate.variant.graph is not compiled.graph:
        stages.append((candidate.variant.name, candidate.variant.graph))
    stages += plan.stages
    _write_dumps(stages, folder / DUMPS)
    text = _for_whom(board) + describe(plan, [c.plan for c in others])
    (folder / "plan.txt").write_text(text, encoding="utf-8")
    (folder / "memory.svg").write_text(render_memory_map(plan, compiled.name), encoding="utf-8")
    source = _model_source(compiled, plan)
    files: dict[str, str] = dict(source.files)
    if compiled.features is not None:
        x = compiled.source.tensors[compiled.source.inputs[0]]
        scale, zero_point = (1.0, 0) if x.dtype is DType.FLOAT32 else (x.scale, x.zero_point)
        files.update(render_frontend(compiled.features, scale, zero_point, str(x.dtype.numpy)))
    if compiled.listening is not None and board is not None and compiled.features is not None:
        longest_s = plan.latency_cycles / board.clock.sysclk_hz
        files |= render_listening(
            compiled.listening, compiled.decisions, name=compiled.name, channels=compiled.features.audio_channels,
            longest_s=longest_s,
        )  # fmt: skip
    if compiled.microphone and board is not None and compiled.features is not None:
        spec = compiled.features
        files |= render_microphone(board, compiled.microphone, spec.sample_rate_hz, spec.audio_channels)
    if board is not None and firmware:
        files.update(board_code.files(board))
        files.update(renode.files(board, compiled.name))
    cmsis = isinstance(compiled.features, FeatureSpec)
    files.update(licence.files(compiled.name, compiled.sha256, cmsis=cmsis, firmware=firmware))
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    return _manifest(compiled, candidate, others, source, board)


def _for_whom(board: Board | None) -> str:
    """The first line of ``plan.txt``: what its cycles are predicted for, and by whom."""
    if board is None:
        return f"cycles predicted without a board, by ascmcu {__version__}\n"
    megahertz = f"{board.clock.sysclk_hz / 1e6:g} MHz, {board.clock.wait_states} wait states"
    return f"cycles predicted for {board.name} at {megahertz}, by ascmcu {__version__}\n"


def with_placement(
    manifest: Manifest, plan: Plan, others: Sequence[Candidate], arranging: Arranging, folder: Path
) -> tuple[Manifest, Plan]:
    """The manifest and the plan with the cycles that are predicted where everything lies now; ``plan.txt`` says so.
    What is told of other plans is predicted with as much of theirs copied."""
    placement = arranging.placement
    after = placing.placed(plan, arranging.arrays, placement)
    plans = [after if c.plan is plan else arranging.guessed(c.plan) for c in others]
    before = placing.placed(plan, arranging.arrays, Placement())
    text = _for_whom(arranging.board) + describe(after, plans)
    text += placing.describe(before, after, arranging.arrays, placement)
    if arranging.beside is not None:
        text += placing.describe_second(*arranging.beside)
    (folder / "plan.txt").write_text(text, encoding="utf-8")
    cycles = {layer.index: layer.lowered.cycles for layer in after.running}
    layers = tuple(
        dataclasses.replace(layer, predicted_cycles=cycles[layer.code_index]) for layer in manifest.layers
    )
    labels = [c.label for c in others]
    runner_up = next((pair for pair in zip(plans, labels, strict=True) if pair[0] is not after), None)
    return (
        dataclasses.replace(
            manifest,
            layers=layers,
            predicted=_prediction(after, "" if manifest.predicted is None else manifest.predicted.plan),
            runner_up=None if runner_up is None else _prediction(*runner_up),
        ),
        after,
    )


def _model_source(compiled: Compiled, plan: Plan) -> ModelSource:
    return render_model(plan, name=compiled.name, sha256=compiled.sha256, labels=compiled.labels)


def _write_dumps(stages: Sequence[tuple[str, Graph]], folder: Path) -> None:
    """The graph after each stage as text, and their large constants in one file."""
    folder.mkdir()
    for number, (name, graph) in enumerate(stages):
        (folder / f"{number:02d}-{name}.ir").write_text(text.dump(graph), encoding="utf-8")
    large: dict[str, Any] = {key: data for _, graph in stages for key, data in text.constants(graph).items()}
    np.savez(folder / "constants.npz", **large)


def _manifest(
    compiled: Compiled,
    candidate: Candidate,
    others: Sequence[Candidate],
    source: ModelSource,
    board: Board | None,
) -> Manifest:
    plan = candidate.plan
    runner_up = next((c for c in others if c is not candidate), None)
    return Manifest(
        version=MANIFEST_VERSION,
        tool_version=__version__,
        model=compiled.name,
        model_sha256=compiled.sha256,
        board=board.name if board is not None else "",
        schedule=plan.mode,
        inputs=input_specs(compiled, candidate.variant),
        outputs=tuple(_output_spec(compiled.source, name) for name in compiled.source.data_outputs),
        layers=_layers(plan, source),
        labels=compiled.labels,
        labels_source=compiled.labels_source,
        features=None if compiled.features is None else compiled.features.to_dict(),
        features_sha256=UNIDENTIFIED if compiled.features is None else compiled.features.hash(),
        macs=plan.graph.macs,
        state_bytes=plan.graph.state_bytes,
        parameters=plan.graph.parameters,
        figures=figures_of(compiled.source),
        ram_bytes={"total": plan.arena_bytes, "activations": plan.arena_bytes},
        flash_bytes={"total": source.weights_bytes, "weights": source.weights_bytes},
        predicted=_prediction(plan, candidate.label),
        runner_up=None if runner_up is None else _prediction(runner_up.plan, runner_up.label),
        detection=compiled.detection,
        listening=_listening(compiled, candidate),
        decisions=compiled.decisions,
        microphone=compiled.microphone,
        task=compiled.task,
    )


def _listening(compiled: Compiled, candidate: Candidate) -> Listening | None:
    """With what this plan keeps: the states of its graph are the rows of tensors."""
    heard = compiled.listening
    if heard is None or heard.steps:
        return heard
    return dataclasses.replace(heard, kept=tuple(state.name for state in candidate.variant.graph.states))


def input_specs(compiled: Compiled, variant: Variant) -> tuple[TensorSpec, ...]:
    """How a device takes each input of the network in this variant: its rows, their bytes, and in which order."""
    source, pushed = compiled.source, variant.graph
    specs = []
    for name, row_name in zip(source.data_inputs, pushed.data_inputs, strict=True):
        rows = pushed.tensors[row_name]
        # Of a network that listens, a step takes the rows of a hop, not those of a clip.
        whole = source.tensors[name] if compiled.listening is None else rows
        specs.append(dataclasses.replace(_tensor_spec(whole), rows=rows.rows, row_bytes=rows.row_bytes))
    # Axes are exchanged, and an input is pushed several times, only where there is one.
    if len(specs) > 1:
        return tuple(specs)
    swept = variant.sweeps
    begins, columns = ((), 0) if swept is None else (swept.begins, swept.columns)
    return (
        dataclasses.replace(specs[0], permutation=variant.permutation, sweeps=begins, sweep_columns=columns),
    )


def _output_spec(source: Graph, name: str) -> TensorSpec:
    tensor = source.tensors[name]
    return dataclasses.replace(
        _tensor_spec(tensor),
        rows=1,
        row_bytes=tensor.size_bytes,
        probabilities=gives_probabilities(source, name),
    )


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
            kernel=layer.lowered.kernel,
            predicted_cycles=layer.lowered.cycles,
        )
        for index, layer in enumerate(plan.running)
    )


def _prediction(plan: Plan, label: str) -> Prediction:
    waits = plan.target.wait_states
    return Prediction(plan.mode, plan.cycles, plan.latency_cycles, plan.arena_bytes, waits, label)


def _buffer_bytes(plan: Plan, layer: PlanLayer) -> int:
    """Bytes of the buffers that bear the layer's name: what shares another's bytes is counted there."""
    own = {layer.node.output, state_name(layer), scratch_name(layer)}
    return sum(buffer.size_bytes for buffer in plan.buffers if buffer.name in own)
