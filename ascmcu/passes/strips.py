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
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ascmcu.errors import VerifyError
from ascmcu.ir.graph import Graph, Node, with_tensor
from ascmcu.ir.op import Span
from ascmcu.ir.types import Tensor
from ascmcu.ops.concatenation import Concatenation
from ascmcu.ops.crop import Crop
from ascmcu.ops.hold import Hold
from ascmcu.ops.paste import Paste
from ascmcu.ops.slice import Slice

_KEPT = ".halo"


@dataclass(frozen=True)
class Part:
    """A part of a network: what is computed of ``source``, up to ``target``, in so many strips.

    Columns of the tensors ``kept`` that the next strip needs as well are kept for it, those of the others are computed
    again. A strip of a tensor in ``staged``, which is also kept, is there as a whole before what is behind it begins.
    With ``in_place`` the strips of ``target`` lie in the columns of ``source`` that they are made of. The next strip
    needs some of these, which are kept for it: ``source`` is in ``kept``.
    """

    source: str
    target: str
    strips: int = 1
    kept: tuple[str, ...] = ()
    staged: tuple[str, ...] = ()
    in_place: bool = False

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
        """Strips of the network's input, each of which is pushed on its own, but for those that need none of it."""
        strips = strips_of(self.graph, part, nodes)
        x = self.graph.tensors[part.source]
        spans = [strip.spans[part.source] for strip in strips if part.source in strip.spans]
        columns = max(end - begin for begin, end in spans)
        begins = tuple(min(begin, x.shape[2] - columns) for begin, _ in spans)
        rows = x.shape[1]
        shape = (1, rows * len(begins), columns, x.shape[3])
        pushed = dataclasses.replace(x, name=f"{x.name}.strips", shape=shape, source_index=-1)
        self.tensors.append(pushed)
        self.inputs = (pushed.name,)
        for number, strip in enumerate(strips):
            name = f"{x.name}.strip{number}"
            if number < len(begins):
                begin, end = spans[number]
                of = with_tensor(x, name=name, shape=(1, rows, end - begin, x.shape[3]), source_index=-1)
                op = Slice((0, number * rows, begin - begins[number], 0), of.shape, (1, 1, 1, 1))
                self.emit(Node(of.name, op, (pushed.name,), of.name), of)
            self.strip(strip, name)
        return Sweeps(begins, columns)

    def cropped(self, part: Part, nodes: Sequence[Node]) -> None:
        """Strips of a tensor that is held."""
        x = self.tensors_now(self.renamed.get(part.source, part.source))
        source = x.name
        for number, strip in enumerate(strips_of(self.graph, part, nodes)):
            name = f"{part.source}.strip{number}.{part.target}"
            begin, end = strip.taken
            if end > begin:
                of = with_tensor(x, name=name, shape=(*x.shape[:2], end - begin, x.shape[3]), source_index=-1)
                awaited = (self.renamed[part.target],) if number else ()
                self.emit(Node(of.name, Crop(begin, end - begin), (source, *awaited), of.name), of)
            self.strip(strip, name, source if part.in_place and not number else "")
            source = self.renamed[part.target] if part.in_place else source

    def strip(self, strip: Strip, source: str, base: str = "") -> None:
        """The nodes of a strip, and what puts it in its place: in that of ``base``, or of the strip before."""
        for node, output, tensors in strip.nodes(source):
            self.emit(node, output)
            self.tensors += tensors
        target, number = strip.part.target, strip.number
        whole = self.graph.tensors[target]
        last = number == strip.part.strips - 1
        name = target if last else f"{target}.strips{number}"
        made = with_tensor(whole, name=name)
        begin = strip.spans[target][0]
        into = (self.renamed[target],) if number else (base,) if base else ()
        op = Paste(begin, whole.shape[2])
        self.emit(Node(f"{target}.paste{number}", op, (strip.name(target), *into), made.name), made)
        self.renamed[target] = made.name


def strips_of(graph: Graph, part: Part, nodes: Sequence[Node]) -> list[Strip]:
    """The strips of a part, from the left to the right.

    Raises:
        VerifyError: a layer has no form for some of its columns.
    """
    found: list[Strip] = []
    for number in range(part.strips):
        found.append(Strip(graph, part, nodes, number, found[-1] if found else None))
    for strip, after in itertools.pairwise(found):
        strip.keep_for(after)
        if part.in_place and after.taken[0] < strip.spans[part.target][1]:
            raise VerifyError("a strip lies in columns that the next one reads", where=part.target)
    return found


def middle_of(graph: Graph, part: Part, nodes: Sequence[Node]) -> Strip:
    """A strip to estimate all by: as wide as any, with neighbours on both sides if there is one.

    Raises:
        VerifyError: a layer has no form for some of its columns.
    """
    columns = _columns(graph.tensors[part.target], part)
    ends = [columns * n // part.strips for n in range(part.strips + 1)]
    numbers = range(1, max(part.strips - 1, 2))
    at = max(numbers, key=lambda n: ends[n + 1] - ends[n])
    before = Strip(graph, part, nodes, at - 1, None)
    middle = Strip(graph, part, nodes, at, before)
    before.keep_for(middle)
    if at + 1 < part.strips:
        middle.keep_for(Strip(graph, part, nodes, at + 1, middle))
    return middle


class Strip:
    """One strip of a part: which columns of each of its tensors are there, and which of them are computed in it.

    Raises:
        VerifyError: a layer has no form for some of its columns.
    """

    def __init__(
        self, graph: Graph, part: Part, nodes: Sequence[Node], number: int, before: Strip | None
    ) -> None:
        self.graph, self.part, self.number, self.before = graph, part, number, before
        columns = _columns(graph.tensors[part.target], part)
        begin, end = (columns * n // part.strips for n in (number, number + 1))
        self.spans: dict[str, Span] = {part.target: (begin, end)}
        self.made: dict[str, Span] = {}
        # Columns that the next strip has of this one.
        self.keeps: dict[str, Span] = {}
        self.forms: list[tuple[Node, tuple[Span | None, ...], tuple[int, ...]]] = []
        for node in reversed(nodes):
            if node.output in self.spans:
                self._need(node)
        self.forms.reverse()
        if part.in_place:
            _check_in_place(graph, part)
            self.spans.setdefault(part.source, (0, 0))
            self.made[part.source] = self._own(part.source)

    def keep_for(self, after: Strip) -> None:
        """Keep what the next strip has of this one."""
        self.keeps = {
            name: (after.spans[name][0], begin)
            for name in self.part.kept
            if name in after.made and (begin := after.made[name][0]) > after.spans[name][0]
        }

    def _own(self, name: str) -> Span:
        """The columns of a tensor that are computed in this strip."""
        begin, end = self.spans[name]
        before = None if self.before is None else self.before.spans.get(name)
        # A layer that puts columns in another order, such as a concatenation, may need some further to the left.
        if before is None or name not in self.part.kept or begin < before[0]:
            return begin, end
        return min(max(begin, before[1]), end), end

    def _need(self, node: Node) -> None:
        inputs, output = self.graph.input_tensors(node), self.graph.output_tensor(node)
        form = None
        if _is_map(output) and node.output not in self.graph.outputs:
            begin, end = self.made[node.output] = self._own(node.output)
            if begin == end:
                return  # the strip before has kept all
            form = node.op.in_columns(inputs, output, self.made[node.output])
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
            begin, end = self.made[node.output]
            y = self.graph.output_tensor(node)
            macs = node.op.macs(self.graph.input_tensors(node), y)
            found += macs * (end - begin) / y.shape[2]
        return found

    @property
    def taken(self) -> Span:
        """The columns that the strip takes of the source's map; none if the strip before has kept all."""
        spans = self.made if self.part.in_place else self.spans
        return spans.get(self.part.source, (0, 0))

    def columns_of(self, tensor: str) -> int:
        """How many columns of a tensor the strip has."""
        begin, end = self.spans.get(tensor, (0, 0))
        return end - begin

    @property
    def kept_bytes(self) -> int:
        """Of the columns that are kept for the next strip, or were for this one, whichever are more."""
        before = {} if self.before is None else self.before.keeps
        return max(self._bytes(self.keeps), self._bytes(before))

    def _bytes(self, spans: Mapping[str, Span]) -> int:
        maps = ((self.graph.tensors[name], end - begin) for name, (begin, end) in spans.items())
        return sum(t.size_bytes // t.shape[2] * columns for t, columns in maps)

    def alone(self) -> tuple[Graph, dict[str, str]]:
        """The strip as a network without outputs, and the whole tensor of which each of its tensors is a part; what
        other strips keep for it, and it for them, are inputs and tensors without readers (``is_kept``)."""
        begin, end = self.taken
        x = self.graph.tensors[self.part.source]
        entry = with_tensor(x, name=f"{x.name}.entry", shape=(*x.shape[:2], end - begin, x.shape[3]))
        nodes, tensors = [], [entry]
        for node, output, constants in self.nodes(entry.name):
            nodes.append(node)
            tensors += [output, *constants]
        whole = {self.name(name) + self._end(name): name for name in self.made}
        before = [] if self.before is None else [self.before.kept(name) for name in self.before.keeps]
        kept = {**self.graph.tensors, **{t.name: t for t in (*tensors, *before)}}
        inputs = (entry.name, *(t.name for t in before))
        return Graph(self.graph.name, kept, tuple(nodes), inputs, ()).replace(), whole

    def name(self, tensor: str) -> str:
        """Of a tensor in this strip."""
        return f"{tensor}.strip{self.number}"

    def _end(self, tensor: str) -> str:
        """What the name of the columns ends in that are computed in this strip, where others are joined to them."""
        return "" if self.made[tensor] == self.spans[tensor] else ".new"

    def kept(self, tensor: str) -> Tensor:
        """The columns of a tensor that this strip keeps for the next one."""
        begin, end = self.keeps[tensor]
        return self._columns_of(self.graph.tensors[tensor], f"{self.name(tensor)}{_KEPT}", (begin, end))

    def nodes(self, source: str) -> Iterator[tuple[Node, Tensor, list[Tensor]]]:
        """Each node of the strip with the tensor that it writes, and with constants of its own."""
        names = {self.part.source: source}
        for name, (begin, end) in self.made.items():
            if begin == end and self.before is not None:
                names[name] = self.before.kept(name).name
                if name in self.keeps:
                    yield from self._keep(name, names[name])
        if self.part.in_place:
            yield from self._with_kept(source, names)
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
            y, made = self.graph.output_tensor(node), self.made[node.output]
            output = self._columns_of(y, self.name(y.name), self.spans[y.name])
            own = self._columns_of(y, output.name + self._end(y.name), made)
            names[y.name] = output.name
            yield (
                dataclasses.replace(node, name=self.name(node.name), inputs=tuple(inputs), output=own.name),
                own,
                constants,
            )
            if own.name != output.name:
                assert self.before is not None
                both = (self.before.kept(y.name).name, own.name)
                yield Node(output.name, Concatenation(2), both, output.name), output, []
            if y.name in self.part.staged:
                staged = self._columns_of(y, f"{output.name}.staged", self.spans[y.name])
                yield Node(staged.name, Hold(), (output.name,), staged.name), staged, []
                names[y.name] = staged.name
            if y.name in self.keeps:
                yield from self._keep(y.name, names[y.name])

    def _with_kept(self, taken: str, names: dict[str, str]) -> Iterator[tuple[Node, Tensor, list[Tensor]]]:
        """The source's columns that the strip before has kept and those that are taken; what is kept of them again."""
        source = self.part.source
        begin, end = self.made[source]
        if begin == end:
            return  # the strip before has kept all
        if self.made[source] != self.spans[source]:
            assert self.before is not None
            both = (self.before.kept(source).name, taken)
            # The part before may have strips of the same tensor.
            name = f"{self.name(source)}.source"
            joined = self._columns_of(self.graph.tensors[source], name, self.spans[source])
            yield Node(joined.name, Concatenation(2), both, joined.name), joined, []
            names[source] = joined.name
        if source in self.keeps:
            yield from self._keep(source, names[source])

    def _keep(self, tensor: str, name: str) -> Iterator[tuple[Node, Tensor, list[Tensor]]]:
        """A copy of the columns that the next strip needs."""
        begin, end = self.keeps[tensor]
        kept = self.kept(tensor)
        copy = dataclasses.replace(kept, name=f"{kept.name}.rows")
        crop = Crop(begin - self.spans[tensor][0], end - begin)
        yield Node(copy.name, crop, (name,), copy.name), copy, []
        yield Node(kept.name, Hold(), (copy.name,), kept.name), kept, []

    def _columns_of(self, t: Tensor, name: str, span: Span) -> Tensor:
        begin, end = span
        return with_tensor(t, name=name, shape=(*t.shape[:2], end - begin, t.shape[3]), source_index=-1)

    def _part(self, tensor: str, name: str, span: Span) -> tuple[Node, Tensor]:
        """Some columns of what the strip holds of a tensor, for a reader that takes fewer than another."""
        begin, end = span
        x = self.graph.tensors[tensor]
        part = f"{self.name(tensor)}.columns{begin}-{end}"
        output = with_tensor(x, name=part, shape=(*x.shape[:2], end - begin, x.shape[3]), source_index=-1)
        return Node(part, Crop(begin - self.spans[tensor][0], end - begin), (name,), part), output


def is_kept(tensor: str) -> bool:
    """Whether a tensor of ``Strip.alone`` holds columns for the next strip, or from the one before."""
    return tensor.removesuffix(".rows").endswith(_KEPT)


def _check_in_place(graph: Graph, part: Part) -> None:
    if not fits_in_place(graph, part) or part.source not in part.kept:
        where = graph.tensors[part.target].describe()
        raise VerifyError("the strips cannot lie in the map that they are made of", where=where)


def fits_in_place(graph: Graph, part: Part) -> bool:
    """Whether the target of a part could lie in its source's bytes, column by column."""
    source, target = (graph.tensors[name] for name in (part.source, part.target))
    return part.source not in graph.inputs and (source.shape, source.dtype) == (target.shape, target.dtype)


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
