# SPDX-License-Identifier: Apache-2.0
"""The data of ``ascmcu inspect``: layers, sizes, limits, and boards."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from ascmcu import boards
from ascmcu.codegen.frontend import frontend_cost
from ascmcu.features import streaming
from ascmcu.features.spec import FeatureSpec, Spec
from ascmcu.ir.figures import computes, figures_of, parameters_of
from ascmcu.ir.graph import Graph, Node, node_macs
from ascmcu.ir.types import Tensor
from ascmcu.results import limits
from ascmcu.results.limits import LimitReport
from ascmcu.schedule.plan import Plan


@dataclass(frozen=True)
class LayerReport:
    """One operator of the file. ``parameters`` and ``weights_bytes`` count constants, zeros included."""

    index: int
    name: str
    op: str
    output_shape: tuple[int, ...]
    parameters: int
    macs: int
    weights_bytes: int


@dataclass(frozen=True)
class BoardReport:
    """Whether activations and weights alone fit a board, whole layers at a time or streamed by rows."""

    name: str
    ram_bytes: int
    flash_bytes: int
    fits_layers: bool
    fits_rows: bool


@dataclass(frozen=True)
class InputReport:
    """An input of the network that a caller gives."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class FrontendReport:
    """A front end: its buffers and tables, and whether it gives rows before the clip has ended.

    Attributes:
        shape: rows, bands and channels of a clip's features.
        ram_bytes, tables_bytes: buffers in RAM; constant tables in flash.
        streams: whether it holds no more than the frames that a row needs.
        held_for: the fields of the specification that need the whole clip.
        streamed_ram_bytes: RAM with other values of these fields, which give other features; None where there are none.
    """

    shape: tuple[int, ...]
    ram_bytes: int
    tables_bytes: int
    streams: bool
    held_for: tuple[str, ...]
    streamed_ram_bytes: int | None


@dataclass(frozen=True)
class Inspection:
    """``--json`` prints these fields.

    Attributes:
        model: the file's name without extension; ``sha256`` of its bytes.
        input_shape, input_dtype, outputs: the network's ends; ``outputs`` are shapes. ``inputs`` are all inputs.
        layers: one per operator of the file, in order.
        parameters: elements of all constants that reach a kernel, zeros included, as DCASE counts them.
        parameter_bytes, nonzero_bytes: their bytes (int8 weights 1, int32 biases 4), and those of the non-zero ones.
        macs: multiply–accumulates of one inference of the file as it is.
        compiled_layers, compiled_parameters, compiled_macs, compiled_weights_bytes: the same after all passes, with the
            kernels' tables, as an export counts them.
        ram_layers_bytes, ram_rows_bytes: peak of the activations with whole layers, and streamed by rows.
        limits: every challenge limit with ``passed``.
        features_in_graph: the features of audio that the file begins with, which the front end computes in place of
            these operators; the layers are those behind them. Empty where the file begins with the network.
        boards: every known board; code and stack come on top of what is compared.
        frontend: of the feature specification that was named, or is in the model; its memory counts for the boards.
    """

    model: str
    sha256: str
    input_shape: tuple[int, ...]
    input_dtype: str
    outputs: tuple[tuple[int, ...], ...]
    layers: tuple[LayerReport, ...]
    parameters: int
    parameter_bytes: int
    nonzero_bytes: int
    macs: int
    compiled_layers: int
    compiled_parameters: int
    compiled_macs: int
    compiled_weights_bytes: int
    ram_layers_bytes: int
    ram_rows_bytes: int
    limits: tuple[LimitReport, ...]
    boards: tuple[BoardReport, ...]
    inputs: tuple[InputReport, ...] = ()
    features_in_graph: str = ""
    frontend: FrontendReport | None = None

    def __repr__(self) -> str:
        facts = f"{len(self.layers)} layers, {self.parameters:,} parameters, {self.macs:,} MACs"
        return f"Inspection({self.model!r}: {facts}, {self.input_dtype}{list(self.input_shape)})"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"exportable": True, **dataclasses.asdict(self)}


def frontend_of(spec: Spec) -> FrontendReport:
    """What a specification's front end takes."""
    cost, held = frontend_cost(spec), tuple(streaming.changes(spec))
    streamed = streaming.counterpart(spec) if held and isinstance(spec, FeatureSpec) else None
    least = None if streamed is None else frontend_cost(streamed).ram_bytes
    return FrontendReport(
        spec.shape, cost.ram_bytes, cost.tables_bytes, not spec.needs_whole_clip, held, least
    )


def make(
    name: str,
    sha256: str,
    source: Graph,
    layers_plan: Plan,
    rows_plan: Plan,
    features_in_graph: str = "",
    frontend: FrontendReport | None = None,
) -> Inspection:
    """Count everything.

    Args:
        name: the model's name.
        sha256: of the file.
        source: the graph as the file has it.
        layers_plan: the compiled graph, whole layers at a time.
        rows_plan: the compiled graph, streamed by rows.
        features_in_graph: those that the file begins with.
        frontend: what computes the network's input from samples.
    """
    figures = figures_of(source)
    weights = sum(data.nbytes for layer in layers_plan.running for _, data in layer.lowered.constants)
    ram, tables = (0, 0) if frontend is None else (frontend.ram_bytes, frontend.tables_bytes)
    x = source.tensors[source.inputs[0]]
    return Inspection(
        model=name,
        sha256=sha256,
        inputs=tuple(_input(source.tensors[name]) for name in source.data_inputs),
        input_shape=x.shape,
        input_dtype=str(x.dtype.numpy),
        outputs=tuple(source.tensors[n].shape for n in source.data_outputs),
        layers=tuple(_layer(source, node) for node in source.nodes if computes(source, node)),
        parameters=figures.parameters,
        parameter_bytes=figures.parameter_bytes,
        nonzero_bytes=figures.nonzero_bytes,
        macs=figures.macs,
        compiled_layers=len(layers_plan.running),
        compiled_parameters=layers_plan.graph.parameters,
        compiled_macs=layers_plan.graph.macs,
        compiled_weights_bytes=weights,
        ram_layers_bytes=layers_plan.arena_bytes,
        ram_rows_bytes=rows_plan.arena_bytes,
        limits=limits.report(figures),
        boards=tuple(
            _board(n, weights + tables, layers_plan.arena_bytes + ram, rows_plan.arena_bytes + ram)
            for n in boards.names()
        ),
        features_in_graph=features_in_graph,
        frontend=frontend,
    )


def _input(tensor: Tensor) -> InputReport:
    return InputReport(tensor.name, tensor.shape, str(tensor.dtype.numpy))


def _layer(graph: Graph, node: Node) -> LayerReport:
    parameters = parameters_of(graph, [node])
    return LayerReport(
        index=node.source_index,
        name=node.name,
        op=node.op.kind(),
        output_shape=graph.output_tensor(node).shape,
        parameters=sum(t.elements for t in parameters),
        macs=node_macs(graph, node),
        weights_bytes=sum(t.size_bytes for t in parameters),
    )


def _board(name: str, constants_bytes: int, layers_bytes: int, rows_bytes: int) -> BoardReport:
    board = boards.load(name)
    ram, flash = board.ram.size_bytes, board.flash.size_bytes
    room = ram - board.stack_bytes if constants_bytes <= flash else -1
    return BoardReport(name, ram, flash, layers_bytes <= room, rows_bytes <= room)
