# SPDX-License-Identifier: Apache-2.0
"""Run parts of a network one after the other, and each of them strip by strip across the columns.

Streamed through a whole network, rows of all its layers are in RAM at once. Where a tensor is held until it is
complete, the layers behind it begin when those before it have ended, and have their bytes. A part between two held
tensors can run over a few columns of its result at a time. Each strip is a narrower network; the columns that its
windows reach beyond it are computed once more. Windows at the map's edges keep their padding, so every element is
computed from the same numbers as before.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ascmcu.errors import VerifyError
from ascmcu.ir.graph import Graph, Node, with_tensor
from ascmcu.ir.op import Span
from ascmcu.ir.types import Tensor
from ascmcu.ops.crop import Crop
from ascmcu.ops.hold import Hold
from ascmcu.ops.paste import Paste
from ascmcu.ops.slice import Slice


@dataclass(frozen=True)
class Part:
    """A part of a network: what is computed of ``source``, up to ``target``, in so many strips."""

    source: str
    target: str
    strips: int = 1

    def __str__(self) -> str:
        strips = f" in {self.strips} strips" if self.strips > 1 else ""
        return f"to '{self.target}'{strips}"


@dataclass(frozen=True)
class Sweeps:
    """How a caller pushes an input several times: each time ``columns`` of its columns, from ``begins`` on."""

    begins: tuple[int, ...]
    columns: int


def cuts(graph: Graph) -> list[str]:
    """The tensors of which alone all that lies behind them is computed, the input first, in order."""
    last = {name: index for index, node in enumerate(graph.nodes) for name in node.inputs}
    open_ = {name for name in graph.inputs if name in last}
    found = [*open_] if len(open_) == 1 else []
    for index, node in enumerate(graph.nodes):
        open_ = {name for name in (*open_, node.output) if last.get(name, -1) > index}
        if open_ == {node.output}:
            found.append(node.output)
    return found


def region(graph: Graph, part: Part) -> tuple[Node, ...]:
    """The nodes of a part whose ends are cuts."""
    outputs = [node.output for node in graph.nodes]
    first = outputs.index(part.source) + 1 if part.source in outputs else 0
    return graph.nodes[first : outputs.index(part.target) + 1]


def in_parts(graph: Graph, parts: Sequence[Part]) -> tuple[Graph, Sweeps | None]:
    """The same function, computed part by part; all but the last hold their target.

    Args:
        graph: of one data input and without states, after the pipeline.
        parts: from the input on, each from the target of the one before; the last ends at an output, in one strip.

    Returns:
        the graph; and how its input is pushed, where the first part is computed in strips.

    Raises:
        VerifyError: a part cannot be computed in so many strips.
    """
    work = _Work(graph)
    sweeps = None
    for part in parts:
        nodes = region(graph, part)
        if part.strips == 1:
            work.as_is(nodes)
        elif part.source in graph.inputs:
            sweeps = work.swept(part, nodes)
        else:
            work.cropped(part, nodes)
        if part is not parts[-1]:
            work.hold(part.target)
    return work.done(), sweeps


class _Work:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[Node] = []
        self.tensors: list[Tensor] = []
        self.renamed: dict[str, str] = {}
        self.inputs = graph.inputs

    def done(self) -> Graph:
        outputs = tuple(self.renamed.get(name, name) for name in self.graph.outputs)
        return self.graph.replace(nodes=self.nodes, tensors=self.tensors, inputs=self.inputs, outputs=outputs)

    def as_is(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            inputs = tuple(self.renamed.get(name, name) for name in node.inputs)
            self.nodes.append(dataclasses.replace(node, inputs=inputs))

    def hold(self, name: str) -> None:
        x = self.tensors_now(self.renamed.get(name, name))
        held = dataclasses.replace(x, name=f"{name}.held", source_index=-1)
        self.emit(Node(held.name, Hold(), (x.name,), held.name), held)
        self.renamed[name] = held.name

    def tensors_now(self, name: str) -> Tensor:
        made = next((t for t in reversed(self.tensors) if t.name == name), None)
        return self.graph.tensors[name] if made is None else made

    def emit(self, node: Node, output: Tensor) -> None:
        self.nodes.append(node)
        self.tensors.append(output)

    def swept(self, part: Part, nodes: Sequence[Node]) -> Sweeps:
        """Strips of the network's input, each of which is pushed on its own."""
        strips = [Strip(self.graph, part, nodes, number) for number in range(part.strips)]
        x = self.graph.tensors[part.source]
        columns = max(end - begin for begin, end in (strip.spans[part.source] for strip in strips))
        begins = tuple(min(strip.spans[part.source][0], x.shape[2] - columns) for strip in strips)
        rows = x.shape[1]
        pushed = dataclasses.replace(
            x, name=f"{x.name}.strips", shape=(1, rows * part.strips, columns, x.shape[3]), source_index=-1
        )
        self.tensors.append(pushed)
        self.inputs = (pushed.name,)
        for number, (strip, at) in enumerate(zip(strips, begins, strict=True)):
            begin, end = strip.spans[part.source]
            of = dataclasses.replace(
                x, name=f"{x.name}.strip{number}", shape=(1, rows, end - begin, x.shape[3]), source_index=-1
            )
            op = Slice((0, number * rows, begin - at, 0), of.shape, (1, 1, 1, 1))
            self.emit(Node(of.name, op, (pushed.name,), of.name), of)
            self.strip(strip, of.name)
        return Sweeps(begins, columns)

    def cropped(self, part: Part, nodes: Sequence[Node]) -> None:
        """Strips of a tensor that is held."""
        x = self.tensors_now(self.renamed.get(part.source, part.source))
        for number in range(part.strips):
            strip = Strip(self.graph, part, nodes, number)
            begin, end = strip.spans[part.source]
            shape = (*x.shape[:2], end - begin, x.shape[3])
            of = dataclasses.replace(
                x, name=f"{part.source}.strip{number}.{part.target}", shape=shape, source_index=-1
            )
            awaited = (self.renamed[part.target],) if number else ()
            self.emit(Node(of.name, Crop(begin, end - begin), (x.name, *awaited), of.name), of)
            self.strip(strip, of.name)

    def strip(self, strip: Strip, source: str) -> None:
        """The nodes of a strip, and what puts it in its place."""
        for node, output, tensors in strip.nodes(source):
            self.emit(node, output)
            self.tensors += tensors
        target, number = strip.part.target, strip.number
        whole = self.graph.tensors[target]
        last = number == strip.part.strips - 1
        name = target if last else f"{target}.strips{number}"
        made = with_tensor(whole, name=name)
        begin = strip.spans[target][0]
        base = (self.renamed[target],) if number else ()
        op = Paste(begin, whole.shape[2])
        self.emit(Node(f"{target}.paste{number}", op, (strip.name(target), *base), made.name), made)
        self.renamed[target] = made.name


class Strip:
    """One strip of a part: which columns of each of its tensors are computed.

    Raises:
        VerifyError: a layer has no form for some of its columns.
    """

    def __init__(self, graph: Graph, part: Part, nodes: Sequence[Node], number: int) -> None:
        self.graph, self.part, self.number = graph, part, number
        columns = _columns(graph.tensors[part.target], part)
        begin, end = (columns * n // part.strips for n in (number, number + 1))
        self.spans: dict[str, Span] = {part.target: (begin, end)}
        self.forms: list[tuple[Node, tuple[Span | None, ...], tuple[int, ...]]] = []
        for node in reversed(nodes):
            if node.output in self.spans:
                self._need(node)
        self.forms.reverse()

    def _need(self, node: Node) -> None:
        inputs, output = self.graph.input_tensors(node), self.graph.output_tensor(node)
        form = None
        if _is_map(output) and node.output not in self.graph.outputs:
            form = node.op.in_columns(inputs, output, self.spans[node.output])
        if form is None:
            raise VerifyError("the layer cannot be computed in strips", where=node.describe())
        for index in form.kept:
            name, read, t = node.inputs[index], form.reads[index], inputs[index]
            if t is None or t.is_const:
                continue
            if not _is_map(t):
                raise VerifyError("the layer cannot be computed in strips", where=node.describe())
            begin, end = read or (0, t.shape[2])
            known = self.spans.get(name, (begin, end))
            self.spans[name] = (min(begin, known[0]), max(end, known[1]))
        self.forms.append((dataclasses.replace(node, op=form.op), form.reads, form.kept))

    @property
    def columns_work(self) -> float:
        """Multiply-accumulates of the strip."""
        found = 0.0
        for node, _, _ in self.forms:
            begin, end = self.spans[node.output]
            y = self.graph.output_tensor(node)
            macs = node.op.macs(self.graph.input_tensors(node), y)
            found += macs * (end - begin) / y.shape[2]
        return found

    def columns_of(self, tensor: str) -> int:
        """How many columns of a tensor the strip has."""
        begin, end = self.spans[tensor]
        return end - begin

    def alone(self) -> tuple[Graph, dict[str, str]]:
        """The strip as a network without outputs, and the whole tensor of which each of its tensors is a part."""
        begin, end = self.spans[self.part.source]
        x = self.graph.tensors[self.part.source]
        entry = with_tensor(x, name=f"{x.name}.entry", shape=(*x.shape[:2], end - begin, x.shape[3]))
        nodes, tensors = [], [entry]
        for node, output, constants in self.nodes(entry.name):
            nodes.append(node)
            tensors += [output, *constants]
        whole = {self.name(name): name for name in self.spans}
        kept = {**self.graph.tensors, **{t.name: t for t in tensors}}
        return Graph(self.graph.name, kept, tuple(nodes), (entry.name,), ()).replace(), whole

    def name(self, tensor: str) -> str:
        """Of a tensor in this strip."""
        return f"{tensor}.strip{self.number}"

    def nodes(self, source: str) -> Iterator[tuple[Node, Tensor, list[Tensor]]]:
        """Each node of the strip with the tensor that it writes, and with constants of its own."""
        names = {self.part.source: source}
        cut: dict[tuple[str, Span], str] = {}
        for node, reads, kept in self.forms:
            inputs: list[str] = []
            constants: list[Tensor] = []
            for index in kept:
                name, read = node.inputs[index], reads[index]
                t = self.graph.tensors[name] if name else None
                if t is None or (read is None and t.is_const):
                    inputs.append(name)
                elif t.is_const and read is not None:
                    constants.append(_constant(t, read, self.number))
                    inputs.append(constants[-1].name)
                elif read is None or read == self.spans[name]:
                    inputs.append(names[name])
                else:
                    if (name, read) not in cut:
                        part = self._part(name, names[name], read)
                        cut[name, read] = part[0].output
                        yield (*part, [])
                    inputs.append(cut[name, read])
            begin, end = self.spans[node.output]
            y = self.graph.output_tensor(node)
            output = with_tensor(
                y, name=self.name(y.name), shape=(*y.shape[:2], end - begin, y.shape[3]), source_index=-1
            )
            names[node.output] = output.name
            made = dataclasses.replace(
                node, name=self.name(node.name), inputs=tuple(inputs), output=output.name
            )
            yield made, output, constants

    def _part(self, tensor: str, name: str, span: Span) -> tuple[Node, Tensor]:
        """Some columns of what the strip holds of a tensor, for a reader that takes fewer than another."""
        begin, end = span
        x = self.graph.tensors[tensor]
        part = f"{self.name(tensor)}.columns{begin}-{end}"
        output = with_tensor(x, name=part, shape=(*x.shape[:2], end - begin, x.shape[3]), source_index=-1)
        return Node(part, Crop(begin - self.spans[tensor][0], end - begin), (name,), part), output


def _columns(target: Tensor, part: Part) -> int:
    if not _is_map(target) or target.shape[2] < part.strips:
        raise VerifyError(
            "the map has fewer columns than strips", where=target.describe(), expected=part.strips
        )
    return target.shape[2]


def _is_map(t: Tensor) -> bool:
    return len(t.shape) == 4 and t.shape[0] == 1


def _constant(t: Tensor, span: Span, number: int) -> Tensor:
    name = f"{t.name}.columns{span[0]}-{span[1]}"
    return with_tensor(t, name=name, data=t.values[:, :, span[0] : span[1]].copy(), source_index=-1)
