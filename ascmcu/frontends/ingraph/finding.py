# SPDX-License-Identifier: Apache-2.0
"""Whether a file begins with features, and which specification is equal to them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ascmcu.errors import FeatureError, ModelError
from ascmcu.features import spec as specs
from ascmcu.features.spec import Spec
from ascmcu.frontends.ingraph import operators, proof, reading, signal_library, specifying
from ascmcu.frontends.ingraph.floats import NotRunError
from ascmcu.frontends.ingraph.operators import Operator, Subgraph
from ascmcu.frontends.ingraph.reading import Reading, Readings

# Transforms that no network has; convolutions may be one too, and are read where their kernels are.
_TRANSFORMS = ("RFFT2D",)
_SAMPLES_LEAST = 256
_EIGHT_BITS = "the samples are rounded to 8 bits before the transform; convert with the features in float32"
_HINT = "export the network behind the features, and describe them with --features"


@dataclass(frozen=True)
class Front:
    """The features at the beginning of a file, and what is equal to them.

    Attributes:
        spec: the specification.
        words: what was found in the file.
        evidence: how the two compare.
        tensor: the tensor of features, which the network takes.
        operators: those that make it, by their index; the front end takes their place.
        alone: whether the file has nothing behind them.
    """

    spec: Spec
    words: str
    evidence: str
    tensor: int
    operators: frozenset[int]
    alone: bool

    @property
    def known_as(self) -> str:
        """The names of the shipped specifications that are the same but for the length of a clip; else its fields."""
        length = {"clip_samples": self.spec.clip_samples}
        same = [name for name in specs.names() if _resized(specs.load(name), length) == self.spec]
        return " or ".join(same) or ", ".join(specs.to_toml(self.spec).splitlines())


def _resized(spec: Spec, length: dict[str, int]) -> Spec | None:
    try:
        return spec.replace(**length)
    except FeatureError:
        return None


def find(model: Any, name: str) -> Front | None:
    """The features that a ``tflite.Model`` begins with; ``None`` where it begins with a network.

    Raises:
        ModelError: it begins with a transform of audio that no specification is equal to; the message says what it is.
    """
    graph = operators.read(model, name)
    if signal_library.has_signals(graph):
        return _of_signals(graph, name)
    names = {op.name for op in graph.operators}
    if names.isdisjoint({*_TRANSFORMS, "CONV_2D"}) or not graph.inputs:
        return None
    audio = graph.inputs[0]
    if (
        graph.dtypes[audio] not in ("float32", "int16")
        or max(graph.shapes[audio], default=0) < _SAMPLES_LEAST
    ):
        return None
    try:
        found = reading.follow(graph, audio)
        front, why = _front(graph, audio, found)
    except NotRunError as error:
        found, front, why = {}, None, _EIGHT_BITS if str(error) == "DEQUANTIZE" else f"frames made by {error}"
    if front is not None or names.isdisjoint(_TRANSFORMS):
        return front
    raise _refusal(name, _words(found) or _of_shapes(graph), why)


def _of_shapes(graph: Subgraph) -> str:
    """What the shapes tell of a transform whose frames are not known."""
    op = next(op for op in graph.operators if op.name in _TRANSFORMS)
    shape = graph.shapes[op.outputs[0]]
    return f"{math.prod(shape[:-1])} frames, FFT of {2 * (shape[-1] - 1)}"


def _refusal(name: str, words: str, why: str) -> ModelError:
    return ModelError(
        "the file begins with features of audio that the front end does not compute",
        where=name,
        found="; ".join(part for part in (words, why) if part),
        hint=_HINT,
    )


def _of_signals(graph: Subgraph, name: str) -> Front:
    """The micro front end, where it is equal to the signal library's operators of the file."""
    found = signal_library.read(graph)
    inside = _makers(graph, found.tensor)
    if found.spec is None or not _is_only_way(graph, found.tensor, inside):
        raise _refusal(name, found.words, found.why)
    alone = found.tensor in graph.outputs
    return Front(found.spec, found.words, found.evidence, found.tensor, frozenset(inside), alone)


def _front(graph: Subgraph, audio: int, found: Readings) -> tuple[Front | None, str]:
    """The longest way into the graph that a specification is equal to; else why there is none."""
    why = left = ""
    for tensor, x in reversed(found.items()):
        inside = _makers(graph, tensor)
        if len(graph.shapes[tensor]) == 2 and graph.shapes[tensor][0] != 1:
            # A network's input begins with one example: rows in its place are none.
            left = "what follows stays in the network, whose tensors have no axis of examples there"
            continue
        if x.part != "values" or not _is_only_way(graph, tensor, inside):
            continue
        derived = specifying.derive(x, graph.dtypes[audio])
        if derived.spec is None:
            why = why or derived.why
            continue
        if derived.spec.layout == "mel_time" and len(graph.shapes[tensor]) != 4:
            # The network turns the rows itself.
            continue
        if derived.spec.frames != x.framing.frames:
            why = why or f"{x.framing.frames} frames, where such a front end has {derived.spec.frames}"
            continue
        evidence = proof.compare(graph, audio, tensor, derived.spec, derived.unit)
        if evidence.holds:
            alone = tensor in graph.outputs
            words = "; ".join(filter(None, (_words({tensor: x}), left)))
            return Front(derived.spec, words, str(evidence), tensor, frozenset(inside), alone), ""
        why = why or f"the nearest specification has {evidence}"
    return None, why


def _makers(graph: Subgraph, tensor: int) -> set[int]:
    """The operators that a tensor depends on."""
    makers: dict[int, Operator] = {output: op for op in graph.operators for output in op.outputs}
    found: set[int] = set()
    waiting = [tensor]
    while waiting:
        op = makers.get(waiting.pop())
        if op is not None and op.index not in found:
            found.add(op.index)
            waiting += op.inputs
    return found


def _is_only_way(graph: Subgraph, tensor: int, inside: set[int]) -> bool:
    """Whether everything else takes nothing of what is inside but this tensor."""
    made = {output for op in graph.operators if op.index in inside for output in op.outputs} | {
        graph.inputs[0]
    }
    made.discard(tensor)
    taken = {i for op in graph.operators if op.index not in inside for i in op.inputs}
    return made.isdisjoint(taken) and made.isdisjoint(graph.outputs)


def _words(found: Readings) -> str:
    """What the last of the features are, for messages."""
    shown = [x for x in found.values() if x.part == "values"] or list(found.values())
    return _described(shown[-1]) if shown else ""


def _described(x: Reading) -> str:
    parts = [x.framing.words]
    if x.part == "values":
        parts.append({1.0: "magnitudes", 2.0: "powers"}.get(x.power, f"magnitudes to the power {x.power:g}"))
    if x.matrix is not None:
        parts.append(f"{x.matrix.shape[1]} filters")
    if x.logarithm:
        parts.append(f"{x.logarithm:.4g} ln(x + {x.offset:.3g}), x at least {x.floor:.3g}")
    if x.top_db is not None:
        parts.append(f"at least the peak less {x.top_db:g}")
    if x.basis is not None:
        parts.append(f"{x.basis.shape[1]} coefficients")
    return ", ".join(parts)
