# SPDX-License-Identifier: Apache-2.0
"""What a library promises its caller, as macros of its headers."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ascmcu import __version__
from ascmcu.codegen.frontend.parts import literal
from ascmcu.jinja import render

C_TYPES = {
    "int8": "int8_t", "uint8": "uint8_t", "int16": "int16_t", "uint16": "uint16_t", "int32": "int32_t",
    "float32": "float", "bool": "uint8_t",
}  # fmt: skip
# The first line behind the macros of a header.
_BEFORE = "#ifdef __cplusplus\n"
# Assembly that keeps values in floating-point registers, and arithmetic in float32.
_FPU = re.compile(r"\bASCMCU_DSP_FPU\b|\b(float|float32_t|double|model_float|scale_once\w*)\b")
_NO_CODE = re.compile(r"/\*.*?\*/|^typedef [^;]*;", re.DOTALL | re.MULTILINE)
_MASKS = re.compile(r"\bcpsid?\b|\bmsr\b|__disable_irq|primask|basepri", re.IGNORECASE)


class Tensor(Protocol):
    """An input or output as a caller sees it (a manifest's TensorSpec)."""

    @property
    def name(self) -> str:
        """In the model file."""

    @property
    def dtype(self) -> str:
        """NumPy's name of the element type."""

    @property
    def shape(self) -> Sequence[int]:
        """In the model file."""

    @property
    def scale(self) -> float:
        """Of the quantization."""

    @property
    def zero_point(self) -> int:
        """Of the quantization."""

    @property
    def rows(self) -> int:
        """How many rows are pushed."""

    @property
    def row_bytes(self) -> int:
        """Of a pushed row."""

    @property
    def permutation(self) -> Sequence[int]:
        """Axes by which a caller's array is transposed before it is cut into rows."""

    @property
    def sweeps(self) -> Sequence[int]:
        """Where the columns begin that are pushed each time, for an input that is pushed several times."""

    @property
    def sweep_columns(self) -> int:
        """How many columns are pushed each time."""


@dataclass(frozen=True)
class End:
    """An input or an output as the template sees it."""

    macro: str
    tensor: Tensor

    @property
    def name(self) -> str:
        """Which one, in words."""
        return self.macro.removeprefix("MODEL_").replace("_", " ").capitalize()

    @property
    def what(self) -> str:
        """Its name in the model, and for an input how it is pushed."""
        told = re.sub(r"[^\x20-\x7e]|\*/|/\*|\\|\?\?", "_", self.tensor.name)
        rows = f", pushed as {self.tensor.rows} row(s) of {self.tensor.row_bytes} bytes"
        return f"'{told}'{rows if self.macro.startswith('MODEL_INPUT') else ''}"

    @property
    def c_type(self) -> str:
        """Of an element."""
        return C_TYPES[self.tensor.dtype]

    @property
    def shape(self) -> tuple[int, ...]:
        """In the model file; a scalar has one element."""
        return tuple(self.tensor.shape) or (1,)

    @property
    def elements(self) -> int:
        """In all."""
        return math.prod(self.shape)

    @property
    def quantized(self) -> bool:
        """Whether its values are integers that stand for real numbers."""
        return np.dtype(self.tensor.dtype).kind in "iu"

    @property
    def scale(self) -> str:
        """A C literal that reads back as the same float32."""
        return literal(self.tensor.scale)

    @property
    def zero_point(self) -> int:
        """The value that stands for 0."""
        return self.tensor.zero_point

    @property
    def order(self) -> tuple[int, ...]:
        """The permutation, where it is not the identity."""
        order = tuple(self.tensor.permutation)
        return order if order != tuple(sorted(order)) else ()


@dataclass(frozen=True)
class Measured:
    """Figures of a run, and its conditions in words."""

    stack_bytes: int
    frontend_stack_bytes: int | None
    push_cycles: int
    conditions: str


@dataclass(frozen=True)
class Contract:
    """What the headers say beside the functions.

    Attributes:
        inputs, outputs: as a caller sees them.
        has_states: whether something in them lives on from one inference to the next.
        code: the generated C, which says what it uses.
        figures: what was measured, None where there was no compiler.
        instances: what the network remembers lies in structs of the caller's.
    """

    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]
    has_states: bool
    code: str
    figures: Measured | None = None
    instances: bool = False

    @property
    def ends(self) -> tuple[End, ...]:
        """The inputs, then the outputs; a number in an input's name tells several apart."""
        several = len(self.inputs) > 1
        inputs = (End(f"MODEL_INPUT_{i}" if several else "MODEL_INPUT", x) for i, x in enumerate(self.inputs))
        outputs = (End(f"MODEL_OUTPUT_{i}", output) for i, output in enumerate(self.outputs))
        return (*inputs, *outputs)

    @property
    def uses_fpu(self) -> bool:
        """Whether a build for the floating-point unit takes its registers."""
        return bool(_FPU.search(_NO_CODE.sub("", self.code)))

    @property
    def masks_interrupts(self) -> bool:
        """Whether the code touches the masks of the core."""
        return bool(_MASKS.search(_NO_CODE.sub("", self.code)))

    def in_headers(self, files: dict[str, str]) -> dict[str, str]:
        """The headers among ``files`` with the contract, by name."""
        told = {"c": self, "tool_version": __version__}
        made = {"model.h": _with(files["model.h"], render("contract.h.j2", **told))}
        if "frontend.h" in files and self.figures is not None:
            made["frontend.h"] = _with(files["frontend.h"], render("frontend_contract.h.j2", **told))
        return made


def _with(header: str, macros: str) -> str:
    """A header with macros in front of its functions."""
    before, found, behind = header.partition(_BEFORE)
    assert found, "a header without functions"
    return f"{before}{macros.lstrip()}{found}{behind}"
