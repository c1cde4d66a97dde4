# SPDX-License-Identifier: Apache-2.0
"""LOOKUP eight elements a turn: two words of input, so that eight loads from the table follow each other."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from ascmcu.ir.layout import ROW_MAJOR, TIME_TO_WIDTH
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._work import work
from ascmcu.m4 import count
from ascmcu.m4.asm import Assembly
from ascmcu.m4.listing import Listing
from ascmcu.m4.registers import LR, PC, Core
from ascmcu.ops.lookup import Lookup

_EIGHT = 8
_REST_CYCLES = 6  # of an element behind the last eight, in C
_STEP_CYCLES = 12  # around the call

_X = Core(0, "x", "eight elements that come next")
_OUT = Core(1, "out", "of the elements that come next")
_TABLE = Core(2, "table", "256 bytes")
_END = Core(3, "end", "of x")
_SAVED = tuple(Core(n, f"r{n}") for n in range(4, 12))


@dataclass(frozen=True)
class Params:
    """Compile-time constants: ``eights`` turns of the assembly in a row of ``elements``."""

    elements: int
    eights: int
    x_type: str
    y_type: str

    @property
    def whole(self) -> int:
        """Elements that the assembly takes."""
        return _EIGHT * self.eights

    @property
    def code(self) -> Listing:
        """The assembly, which all layers share."""
        return code()


@kernel(
    Lookup,
    reads=(ROW_MAJOR, TIME_TO_WIDTH),
    writes=(ROW_MAJOR, TIME_TO_WIDTH),
    cost=Cost(output=4),
)
def lower(op: Lookup, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered | None:
    """Rows of eight elements or more; the table goes to flash."""
    x, table = present(inputs)
    elements = output.row_elements
    eights = elements // _EIGHT
    if not eights:
        return None
    rest, steps = elements % _EIGHT, op.row_rule(inputs, output).steps
    counted = count.cycles(code(), {"eights": eights}) + _STEP_CYCLES + rest * _REST_CYCLES
    return Lowered(
        Params(elements, eights, x.dtype.c_name, output.dtype.c_name),
        (("table", table.values),),
        cycles=counted * steps,
        work=work({"eights": eights * steps, "rest": rest * steps}),
    )


@functools.cache
def code() -> Listing:
    """``lookup_eights(x, out, table, end)``: from x to its end, a multiple of eight elements."""
    a = Assembly("lookup_eights", enters=(_X, _OUT, _TABLE, _END))
    a.push((*_SAVED, LR))
    top = a.loop("eights")
    words = Core(4, "x0-3", "bytes"), Core(8, "x4-7", "bytes")
    a.ldr(words[1], _X.at(4))
    a.ldr(words[0], _X.post(8))
    places = [place for word in words for place in _bytes(a, word)]
    ys = [Core(place.number, f"y{i}") for i, place in enumerate(places)]
    for place, y in zip(places, ys, strict=True):
        a.ldrb(y, _TABLE.at(place))
    for i, y in enumerate(ys[1:], 1):
        a.strb(y, _OUT.at(i))
    a.strb(ys[0], _OUT.post(8))
    a.cmp(_X, _END)
    a.b(top, "ne")
    a.pop((*_SAVED, PC))
    return a.finish()


def _bytes(a: Assembly, word: Core) -> list[Core]:
    """The four bytes of a word, in its register and the three behind it."""
    first = word.number
    bytes_ = [Core(first + i, f"{word.name} byte {i}") for i in range(4)]
    for i in (1, 2, 3):
        a.uxtb(bytes_[i], word, 8 * i)
    a.uxtb(bytes_[0], word)
    return bytes_
