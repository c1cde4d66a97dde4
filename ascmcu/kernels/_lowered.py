# SPDX-License-Identifier: Apache-2.0
"""The result of lowering a layer to a kernel, and the limits for it."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import RowRule
from ascmcu.ir.types import Array, DType
from ascmcu.kernels._cycles import DEFAULT_TARGET, Target
from ascmcu.kernels._work import NO_WORK, Work


@dataclass(frozen=True)
class Lowered:
    """What the kernel's template needs to become C.

    Attributes:
        params: a frozen dataclass of compile-time constants; layers with equal kind and params share one C function.
        constants: arrays in flash, by the name that the template uses, in the layout that the kernel walks.
        state: element type and count of the accumulators that live from the first step to the last, if any.
        holds_state: the accumulators outlive the rows that steps complete.
        scratch: element type and count of what a step needs only while it runs, if anything.
        shift: of the requantization, where layers of one shift share their code.
        widens_in_place: the kernel reads its only input row forward into a scratch twice as long, whose second half
            that row may be.
        rule: how rows flow, where the kernel takes others at a time than the op says.
        work: how often an inference runs each part of the kernel's code, steps left out; empty leaves it to what is
            known of any kernel: multiply-accumulates, outputs and inputs.
        kernel: its name, which is that of its template; set by the selector.
        cycles: predicted for a whole inference; set by the selector, but for a kernel that was never measured.
        at_most_cycles: what it is unlikely to pass, by which kernels are compared: one whose cycles the compiler
            decides must promise more.
    """

    params: object
    constants: tuple[tuple[str, Array], ...] = ()
    state: tuple[DType, int] | None = None
    holds_state: bool = False
    scratch: tuple[DType, int] | None = None
    shift: int | None = None
    widens_in_place: bool = False
    rule: RowRule | None = None
    work: Work = NO_WORK
    kernel: str = ""
    cycles: int = 0
    at_most_cycles: float = 0.0


SCRATCH_BYTES = 4096  # a row's working set beyond this is done in blocks, unless the caller says otherwise


@dataclass(frozen=True)
class Tuning:
    """Limits of a lowering: RAM for scratch, code size of inner loops.

    ``scratch_bytes`` bounds what a layer needs only while a step runs, as far as its smallest block allows: less costs
    some cycles, since neighbouring blocks widen the columns between them twice. ``unroll`` is how many pairs of taps
    an inner loop may have side by side: fewer cost cycles and save flash; more do not fit, with their caller, the
    kilobyte of instruction cache of an STM32. Two pixels by four channels of at most ``inside`` pairs of taps are
    summed inside the code that requantizes them. ``shift`` is the requantization's that layers take where they can,
    ``pitch`` the distance of widened time steps, for the same reason. ``dense`` says that dense layers are much of the
    network and may have code of their own. ``target`` is what cycles are predicted for. ``kernel`` is one that
    layers take wherever it is exact, whatever others are predicted to cost: for measuring it.
    """

    scratch_bytes: int = SCRATCH_BYTES
    unroll: int = 8
    inside: int = 0
    shift: int = 13
    pitch: int = 0
    dense: bool = False
    target: Target = DEFAULT_TARGET
    kernel: str = ""


DEFAULT_TUNING = Tuning()
