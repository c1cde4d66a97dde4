# SPDX-License-Identifier: Apache-2.0
"""What a ``.tflite`` consists of, whether or not it can be compiled: its operators, and which are not supported.

Only names, element types and shapes are read here, so this holds for every file that the format can express.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import tflite

from ascmcu.errors import ModelError
from ascmcu.frontends import arithmetic, loops, variables
from ascmcu.frontends.flatbuffer import builtin_name, options_of
from ascmcu.ir import registry

_TYPE_NAMES = {v: k.lower() for k, v in vars(tflite.TensorType).items() if k.isupper()}
_MOST_LAYERS = 3
# The options that name another subgraph.
_CALLS = (
    "CondSubgraphIndex", "BodySubgraphIndex", "ThenSubgraphIndex", "ElseSubgraphIndex", "InitSubgraphIndex",
)  # fmt: skip

_BEHIND_FEATURES = "export the network behind the features, and describe them with --features"
# Custom operators by the beginning of their name: what they are, and what to do.
_CUSTOM = (
    ("ethos-u", "compiled by Vela for an Arm Ethos-U", "take the .tflite from before Vela ran"),
    ("edgetpu", "compiled for the Edge TPU", "take the .tflite from before edgetpu_compiler ran"),
    ("Flex", "a TensorFlow operator that runs in the Flex delegate",
     "convert without SELECT_TF_OPS; recurrent layers convert with unroll=True or a fixed batch size of 1"),
    ("Signal", "a feature operator of TensorFlow Lite Micro's signal library",
     _BEHIND_FEATURES),
    ("AudioSpectrogram", "a feature operator", _BEHIND_FEATURES),
    ("Mfcc", "a feature operator", _BEHIND_FEATURES),
    ("TFLite_Detection", "the post-processing of an object detector", "convert the model without it"),
    ("VAR_HANDLE", "a variable of an old converter", "convert the model again with TensorFlow 2.8 or later"),
)  # fmt: skip
_BUILTIN_HINTS = {
    "BIDIRECTIONAL_SEQUENCE_LSTM": "a recurrent layer: bidirectional LSTM",
    "UNIDIRECTIONAL_SEQUENCE_RNN": "a recurrent layer: simple RNN",
    "BIDIRECTIONAL_SEQUENCE_RNN": "a recurrent layer: bidirectional simple RNN",
    "LSTM": "a recurrent layer: one LSTM step",
    "RNN": "a recurrent layer: one step of a simple RNN",
    "IF": "a branch that is chosen at run time",
    "HASHTABLE": "a table of strings",
    "EMBEDDING_LOOKUP": "an embedding: text, not audio",
}


@dataclass(frozen=True)
class OperatorUse:
    """Operators of one kind and element type.

    Attributes:
        name: the builtin's name, or ``custom`` and the name that the file gives.
        dtype: of the first output; empty where there is none.
        count: how many there are, in all subgraphs.
        layers: the names of the first outputs, as the converter made them from the layers' names, up to three.
        supported: whether an operator of that name can be imported; ``note`` says what it is where it cannot, ``hint``
            what to do.
    """

    name: str
    dtype: str
    count: int
    layers: tuple[str, ...]
    supported: bool
    note: str = ""
    hint: str = ""

    @property
    def counted(self) -> str:
        """Name and count, for messages."""
        return f"{self.name} × {self.count}" if self.count > 1 else self.name

    def describe(self) -> str:
        """For messages: name, type, count, what it is, and which layers made it."""
        dtype = f" ({self.dtype})" if self.dtype else ""
        times = f" × {self.count}" if self.count > 1 else ""
        what = f": {self.note}" if self.note else ""
        more = ", …" if self.count > len(self.layers) else ""
        made = f"; made by {', '.join(self.layers)}{more}" if self.layers else ""
        return f"{self.name}{dtype}{times}{what}{made}"


@dataclass(frozen=True)
class Survey:
    """What a file holds.

    Attributes:
        inputs, outputs: name, element type and shape of the main subgraph's ends.
        subgraphs: how many there are; loops, branches and initial values have their own.
        signatures: the names under which the file's subgraphs can be called; the first subgraph is the one compiled.
        operators: of the first subgraph and of those that it calls, by name and element type, in the order of their
            first use.
        constant_bytes: bytes of all constants.
        macs: multiply–accumulates of one pass through convolutions and dense layers whose shapes are known; loops are
            counted once.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    subgraphs: int
    signatures: tuple[str, ...]
    operators: tuple[OperatorUse, ...]
    constant_bytes: int
    macs: int

    @property
    def unsupported(self) -> tuple[OperatorUse, ...]:
        """The operators that cannot be imported."""
        return tuple(use for use in self.operators if not use.supported)


def survey(model: Any, without: frozenset[int] = frozenset()) -> Survey:
    """Read operators and tensors of every subgraph; ``model`` is a ``tflite.Model``.

    Args:
        without: operators of the first subgraph that do not count.

    Raises:
        ModelError: an operator's code is out of range.
    """
    found: dict[tuple[str, str], list[str]] = {}
    buffers: dict[int, int] = {}
    macs = 0
    for number in reached(model):
        graph = model.Subgraphs(number)
        for index in range(graph.OperatorsLength()):
            if number == 0 and index in without:
                continue
            raw = graph.Operators(index)
            name = builtin_name(model, raw, f"operator {index}")
            first = _first_output(graph, raw)
            key = (name, "" if first is None else _TYPE_NAMES.get(first.Type(), "unknown"))
            found.setdefault(key, []).append("" if first is None else _name(first))
            macs += _macs(name, graph, raw)
        for index in range(graph.TensorsLength()):
            buffer = graph.Tensors(index).Buffer()
            if 0 < buffer < model.BuffersLength():
                buffers[buffer] = model.Buffers(buffer).DataLength() or model.Buffers(buffer).Size()
    main = model.Subgraphs(0)
    return Survey(
        tuple(_describe(main, main.Inputs(i)) for i in range(main.InputsLength())),
        tuple(_describe(main, main.Outputs(i)) for i in range(main.OutputsLength())),
        model.SubgraphsLength(),
        tuple(signatures(model)),
        tuple(_use(name, dtype, places) for (name, dtype), places in found.items()),
        sum(buffers.values()),
        macs,
    )


def reached(model: Any) -> list[int]:
    """The first subgraph and those that it calls: bodies and conditions of loops, branches, initial values.

    Raises:
        ModelError: an operator's code is out of range.
    """
    found, waiting = [], [0] if model.SubgraphsLength() else []
    while waiting:
        number = waiting.pop(0)
        found.append(number)
        graph = model.Subgraphs(number)
        for index in range(graph.OperatorsLength()):
            options = options_of(graph.Operators(index))
            called = [int(getattr(options, name)()) for name in _CALLS if hasattr(options, name)]
            waiting += [n for n in called if 0 < n < model.SubgraphsLength() and n not in (*found, *waiting)]
    return found


def signatures(model: Any) -> list[str]:
    """The names of the file's signatures, in the order of their subgraphs."""
    found = [model.SignatureDefs(i) for i in range(model.SignatureDefsLength())]
    found.sort(key=lambda s: s.SubgraphIndex())
    return [(s.SignatureKey() or b"").decode("utf-8", "replace") for s in found]


def refusal(unsupported: Sequence[OperatorUse], name: str) -> ModelError:
    """One message for all operators that cannot be imported."""
    total = sum(use.count for use in unsupported)
    return ModelError(
        "an operator is not supported" if total == 1 else f"{total} operators are not supported",
        where=name,
        found=", ".join(use.counted for use in unsupported),
        hint="; ".join(dict.fromkeys(use.hint for use in unsupported)),
        details="\n".join(f"  {use.describe()}" for use in unsupported),
    )


def _use(name: str, dtype: str, places: list[str]) -> OperatorUse:
    layers = tuple(dict.fromkeys(layer for layer in places if layer))[:_MOST_LAYERS]
    handled = (*variables.BUILTINS, *loops.BUILTINS, *arithmetic.BUILTINS)
    form = {"floats": dtype == "float32", "wide": dtype == "int16", "integers": dtype in ("int32", "int64")}
    if name in handled or registry.importer(name, **form) is not None:
        return OperatorUse(name, dtype, len(places), layers, True)
    note, hint = _explanation(name, dtype)
    return OperatorUse(name, dtype, len(places), layers, False, note, hint)


def _explanation(name: str, dtype: str) -> tuple[str, str]:
    """What an operator that cannot be imported is, and what to do."""
    if name.startswith("custom "):
        own = name.removeprefix("custom ")
        known = next(((n, h) for prefix, n, h in _CUSTOM if own.lower().startswith(prefix.lower())), None)
        return known or ("an operator of somebody's own", "replace the layer, or run it outside the network")
    if registry.importer(name, floats=True) is not None:
        return "only its float32 form is supported", "keep this part of the network in float32"
    return _BUILTIN_HINTS.get(name, ""), "replace the layer, or run it outside the network"


def _first_output(graph: Any, raw: Any) -> Any:
    index = raw.Outputs(0) if raw.OutputsLength() else -1
    return graph.Tensors(index) if 0 <= index < graph.TensorsLength() else None


def _name(tensor: Any) -> str:
    return str((tensor.Name() or b"").decode("utf-8", "replace")).split(";")[0][:80]


def _describe(graph: Any, index: int) -> str:
    if not 0 <= index < graph.TensorsLength():
        return f"tensor {index}"
    tensor = graph.Tensors(index)
    dims = "x".join(str(d) for d in _shape(tensor))
    return f"{_name(tensor) or f'tensor {index}'} {_TYPE_NAMES.get(tensor.Type(), 'unknown')}[{dims}]"


def _shape(tensor: Any) -> tuple[int, ...]:
    return tuple(int(tensor.Shape(i)) for i in range(tensor.ShapeLength()))


def _operand_shapes(graph: Any, raw: Any) -> Iterator[tuple[int, ...]]:
    for i in range(raw.InputsLength()):
        index = raw.Inputs(i)
        yield _shape(graph.Tensors(index)) if 0 <= index < graph.TensorsLength() else ()


def _macs(name: str, graph: Any, raw: Any) -> int:
    """Of the operators that carry nearly all of a network's work."""
    first = _first_output(graph, raw)
    shapes = list(_operand_shapes(graph, raw))
    if first is None or len(shapes) < 2 or any(d < 0 for shape in (*shapes, _shape(first)) for d in shape):
        return 0
    elements, weights = math.prod(_shape(first)), shapes[1]
    if name == "CONV_2D" and len(weights) == 4:
        return elements * math.prod(weights[1:])
    if name == "DEPTHWISE_CONV_2D" and len(weights) == 4:
        return elements * weights[1] * weights[2]
    if name == "FULLY_CONNECTED" and len(weights) == 2:
        return elements * weights[1]
    if name == "TRANSPOSE_CONV" and len(weights) == 4 and len(shapes) > 2:
        return math.prod(shapes[2]) * math.prod(weights[:3])
    if name == "UNIDIRECTIONAL_SEQUENCE_LSTM" and len(shapes) > 8:
        return math.prod(shapes[0][:-1]) * sum(math.prod(shape) for shape in shapes[1:9])
    if name == "SVDF" and len(shapes) > 2:
        return math.prod(shapes[1]) + math.prod(shapes[2])
    return 0
