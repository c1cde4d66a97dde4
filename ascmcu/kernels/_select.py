# SPDX-License-Identifier: Apache-2.0
"""Which kernel a layer takes: of those that read and write its layouts, the one predicted to be the fastest that is
exact."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass

from ascmcu.errors import VerifyError
from ascmcu.ir.graph import Graph, Node
from ascmcu.ir.op import Inputs, Op
from ascmcu.ir.types import Tensor
from ascmcu.kernels._cycles import error, predicted, with_waits
from ascmcu.kernels._lowered import DEFAULT_TUNING, Lowered, Tuning
from ascmcu.kernels._registry import Kernel, kernels_of
from ascmcu.kernels._work import general

# A kernel whose own estimate is so many times the best prediction is not lowered.
_HOPELESS = 2.0


def select(graph: Graph, node: Node, tuning: Tuning = DEFAULT_TUNING) -> Lowered:
    """The fastest exact kernel of a node.

    Raises:
        VerifyError: none reads and writes its layouts.
    """
    inputs, output = graph.input_tensors(node), graph.output_tensor(node)
    lowered = lower(node.op, inputs, output, tuning)
    if lowered is None:
        layouts = [
            str(t.layout) or "row-major" for t in (*inputs, output) if t is not None and not t.is_const
        ]
        raise VerifyError("no kernel has these layouts", where=node.describe(), found=layouts)
    return lowered


def lower(op: Op, inputs: Inputs, output: Tensor, tuning: Tuning = DEFAULT_TUNING) -> Lowered | None:
    """The same for tensors that no graph holds yet; ``None`` where there is no kernel."""
    return _lowered(op, _Operands(tuple(inputs), output), tuning)


@dataclass(frozen=True, eq=False)
class _Operands:
    """Tensors as far as lowering looks at them: equal where all but their names is."""

    inputs: tuple[Tensor | None, ...]
    output: Tensor

    @functools.cached_property
    def _key(self) -> tuple[object, ...]:
        return tuple(t and t.content for t in (*self.inputs, self.output))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Operands) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


@functools.lru_cache(maxsize=4096)
def _lowered(op: Op, operands: _Operands, tuning: Tuning) -> Lowered | None:
    """The same layer stands in many graphs while layouts and plans are compared."""
    inputs, output = operands.inputs, operands.output
    estimates = {k: k.cost.cycles(op, inputs, output) for k in kernels_of(type(op)) if k.fits(inputs, output)}
    best: Lowered | None = None
    for kernel, estimate in sorted(
        estimates.items(), key=lambda item: (item[0].name != tuning.kernel, item[1])
    ):
        if best is not None and (estimate > _HOPELESS * best.cycles or best.kernel == tuning.kernel):
            break
        lowered = kernel.lower(op, inputs, output, tuning)
        if lowered is not None:
            found = _predicted(kernel, lowered, estimate, op, operands, tuning)
            best = found if best is None or found.at_most_cycles < best.at_most_cycles else best
    return best


def _predicted(
    kernel: Kernel, lowered: Lowered, estimate: int, op: Op, operands: _Operands, tuning: Tuning
) -> Lowered:
    """A kernel's result with its name and its cycles: those of its parts, or the kernel's own estimate where it has
    not been measured."""
    inputs, output = operands.inputs, operands.output
    work = lowered.work if lowered.work.parts else general(op, inputs, output)
    rule = lowered.rule or op.row_rule(inputs, output)
    cycles = predicted(kernel.name, rule.steps, work, tuning.target)
    cycles = with_waits(lowered.cycles or estimate, tuning.target) if cycles is None else cycles
    at_most = cycles * (1.0 + error(kernel.name, work, tuning.target))
    return dataclasses.replace(lowered, kernel=kernel.name, work=work, cycles=cycles, at_most_cycles=at_most)
