# SPDX-License-Identifier: Apache-2.0
"""The parts of a stage of the front end: constants, tables, variables, and a template for its functions."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ascmcu.jinja import render


@dataclass(frozen=True)
class Constant:
    """An enumerator of the generated C; ``value`` is a C expression."""

    name: str
    value: str | int
    comment: str = ""


@dataclass(frozen=True)
class Table:
    """A constant array in flash."""

    name: str
    type: str
    comment: str
    values: tuple[str, ...]
    item_bytes: int

    @property
    def size(self) -> int:
        """Number of items."""
        return len(self.values)

    @property
    def lines(self) -> list[str]:
        """The items as they stand in the C."""
        return textwrap.wrap(", ".join(self.values), 104)

    @property
    def bytes(self) -> int:
        """What the linker gives it, without alignment."""
        return self.size * self.item_bytes


@dataclass(frozen=True)
class Variable:
    """A variable in static RAM: a field of ``struct frontend`` or an array of its own.

    Attributes:
        part: the name of its share in the list of RAM.
        extent: the array's dimensions in C, such as ``[WIDTH][STATICS]``; empty for a scalar.
        bytes: its size; the compiler asserts it.
        declared: whether the stage's template declares it, because its type is the stage's own.
    """

    part: str
    type: str
    name: str
    extent: str
    bytes: int
    comment: str = ""
    declared: bool = False


class Stage:
    """Base of the stages. A stage is a frozen dataclass: its fields are all that its template may ask.

    What it does not need it leaves empty; the frame puts the parts of all stages in their places.
    """

    TEMPLATE: ClassVar[str]

    @property
    def summary(self) -> str:
        """What the stage does, in words, for the header of the generated files; empty when it does nothing."""
        return ""

    @property
    def constants(self) -> tuple[Constant, ...]:
        """Enumerators that this and later stages use."""
        return ()

    @property
    def tables(self) -> tuple[Table, ...]:
        """Constants in flash."""
        return ()

    @property
    def state(self) -> tuple[Variable, ...]:
        """Fields of ``struct frontend``, which a reset clears."""
        return ()

    @property
    def buffers(self) -> tuple[Variable, ...]:
        """Arrays in RAM, which a reset leaves alone."""
        return ()

    @property
    def code(self) -> str:
        """The stage's functions, without blank lines around them."""
        return render(f"frontend/{self.TEMPLATE}.c.j2", s=self).strip("\n")


@dataclass(frozen=True)
class Cost:
    """Memory of a generated front end: ``ram`` and ``tables`` list the parts as (name, bytes)."""

    ram: tuple[tuple[str, int], ...]
    tables: tuple[tuple[str, int], ...]

    @property
    def ram_bytes(self) -> int:
        """All static RAM of the front end; its stack comes on top."""
        return sum(size for _, size in self.ram)

    @property
    def tables_bytes(self) -> int:
        """All constants in flash, with those of a library's FFT of this length."""
        return sum(size for _, size in self.tables)


class Stages:
    """Base of the front ends: frozen dataclasses whose fields are the stages, in the order of the signal.

    Attributes:
        FRAME: the template that joins the stages into ``frontend.c``.
        PROFILED: names of the parts whose cycles the generated C can count.
    """

    FRAME: ClassVar[str]
    PROFILED: ClassVar[tuple[str, ...]]

    @property
    def stages(self) -> tuple[Stage, ...]:
        """All stages."""
        return tuple(getattr(self, field.name) for field in dataclasses.fields(self))  # type: ignore[arg-type]

    @property
    def library_tables(self) -> tuple[tuple[str, int], ...]:
        """(name, bytes) of tables in flash that a library brings."""
        return ()

    @property
    def summary(self) -> list[str]:
        """The front end in words, a line per stage that does something."""
        return [stage.summary for stage in self.stages if stage.summary]

    @property
    def constants(self) -> list[Constant]:
        """The enumerators of all stages."""
        return [constant for stage in self.stages for constant in stage.constants]

    @property
    def tables(self) -> list[Table]:
        """The tables of all stages."""
        return [table for stage in self.stages for table in stage.tables]

    @property
    def state(self) -> list[Variable]:
        """The fields of ``struct frontend``."""
        return [field for stage in self.stages for field in stage.state]

    @property
    def state_bytes(self) -> int:
        """The size of ``struct frontend``: all fields are words."""
        return sum(field.bytes for field in self.state)

    @property
    def buffers(self) -> list[Variable]:
        """The arrays in RAM."""
        return [buffer for stage in self.stages for buffer in stage.buffers]

    @property
    def cost(self) -> Cost:
        """Its memory."""
        ram: dict[str, int] = {}
        for variable in (*self.buffers, *self.state):
            ram[variable.part] = ram.get(variable.part, 0) + variable.bytes
        own = tuple((table.name, table.bytes) for table in self.tables)
        return Cost(tuple(ram.items()), (*self.library_tables, *own))


def field(type: str, name: str, comment: str = "", extent: str = "", bytes: int = 4) -> Variable:
    """A field of ``struct frontend``."""
    return Variable("state", type, name, extent, bytes, comment)


def literal(value: float) -> str:
    """A C literal that reads back as exactly the float32 nearest to ``value``."""
    text = f"{float(np.float32(value)):.9g}"
    return (text if any(c in text for c in ".en") else text + ".0") + "f"


def floats(name: str, comment: str, values: Iterable[float]) -> Table:
    """A table of float32."""
    return Table(name, "float32_t", comment, tuple(literal(v) for v in values), 4)


def integers(name: str, type: str, comment: str, values: Iterable[int]) -> Table:
    """A table of a fixed-width integer ``type``, such as ``uint16_t``."""
    bits = int("".join(c for c in type if c.isdigit()))
    return Table(name, type, comment, tuple(str(int(v)) for v in values), bits // 8)
