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
from ascmcu.kernels._lowered import DEFAULT_TUNING, Lowered, Tuning
from ascmcu.kernels._registry import kernels_of


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


@functools.lru_cache(maxsize=1024)
def _lowered(op: Op, operands: _Operands, tuning: Tuning) -> Lowered | None:
    """The same layer stands in many graphs while layouts and plans are compared."""
    inputs, output = operands.inputs, operands.output
    fitting = [k for k in kernels_of(type(op)) if k.fits(inputs, output)]
    for kernel in sorted(fitting, key=lambda k: k.cost.cycles(op, inputs, output)):
        lowered = kernel.lower(op, inputs, output, tuning)
        if lowered is not None:
            cycles = lowered.cycles or kernel.cost.cycles(op, inputs, output)
            return dataclasses.replace(lowered, kernel=kernel.name, cycles=cycles)
    return None
