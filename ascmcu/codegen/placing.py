# SPDX-License-Identifier: Apache-2.0
"""What start-up copies out of the flash: constants into RAM that is free, where loads neither wait for the flash nor
lose their overlap; the network's code into a memory that gives it without waiting.

What a layer gains is predicted (``ascmcu.kernels``): its cycles with its constants here and there. An array's share of
that is its share of the layer's bytes, since a layer reads all of them about equally often. Arrays go in the order of
cycles gained per byte, as far as there is room.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ascmcu.boards import Memory
from ascmcu.codegen.model import WeightArray
from ascmcu.kernels import predicted
from ascmcu.schedule.plan import Layer, Plan

# The linker puts what follows at a multiple of 16, and every array at one of 4.
_ALIGNMENT_BYTES = 16
_WORD_BYTES = 4


@dataclass(frozen=True)
class Function:
    """A function of the network's code."""

    name: str
    size_bytes: int


@dataclass(frozen=True)
class Placement:
    """What start-up copies: arrays and functions, the ones that gain most first; the functions with their memory."""

    weights: tuple[WeightArray, ...] = ()
    code: tuple[Function, ...] = ()
    code_memory: str = ""

    @property
    def weights_bytes(self) -> int:
        """Of the arrays, without what lies between them."""
        return sum(array.size_bytes for array in self.weights)

    @property
    def code_bytes(self) -> int:
        """Of the functions, likewise."""
        return sum(function.size_bytes for function in self.code)


def choose(plan: Plan, arrays: Sequence[WeightArray], room_bytes: int) -> tuple[WeightArray, ...]:
    """The constants that go into so much RAM, in the order of the cycles that they gain per byte.

    Args:
        plan: the network, with the target that its cycles are predicted for.
        arrays: its constants.
        room_bytes: of RAM.
    """
    gains = gained(plan, arrays)
    left = room_bytes - _ALIGNMENT_BYTES
    chosen = []
    for array in sorted(arrays, key=lambda a: (-gains[a.symbol] / max(a.size_bytes, 1), a.layers, a.symbol)):
        if gains[array.symbol] > 0 and _taken(array) <= left:
            left -= _taken(array)
            chosen.append(array)
    return tuple(chosen)


def code(plan: Plan, functions: Sequence[Function], room_bytes: int) -> tuple[Function, ...]:
    """The functions that go into so much memory for code: all where they fit, else the smallest of the hot first.

    Nothing is moved where the plan's flash is not waited for.
    """
    if not plan.target.wait_states:
        return ()
    left = room_bytes - _ALIGNMENT_BYTES
    chosen = []
    for function in sorted(functions, key=lambda f: f.size_bytes):
        taken = -(-function.size_bytes // _WORD_BYTES) * _WORD_BYTES
        if taken <= left:
            left -= taken
            chosen.append(function)
    return tuple(chosen)


def needed_bytes(arrays: Sequence[WeightArray]) -> int:
    """RAM for all of them."""
    return sum(_taken(array) for array in arrays) + _ALIGNMENT_BYTES


def gained(plan: Plan, arrays: Sequence[WeightArray]) -> dict[str, float]:
    """Cycles of an inference that each array spares in RAM, by symbol."""
    running = {layer.index: layer for layer in plan.running}
    own_bytes = _bytes_of_layers(arrays)
    found = dict.fromkeys((array.symbol for array in arrays), 0.0)
    for array in arrays:
        for index in (i for i in array.layers if i in running):
            gain = _cycles(plan, running[index], 0.0) - _cycles(plan, running[index], 1.0)
            found[array.symbol] += gain * array.size_bytes / max(own_bytes[index], 1)
    return found


def placed(plan: Plan, arrays: Sequence[WeightArray], placement: Placement) -> Plan:
    """The plan with the cycles that are predicted with arrays and code where they lie now."""
    plan = dataclasses.replace(
        plan, target=dataclasses.replace(plan.target, code_in_ram=bool(placement.code))
    )
    own_bytes, in_ram = _bytes_of_layers(arrays), _bytes_of_layers(placement.weights)
    layers = []
    for layer in plan.layers:
        share = in_ram.get(layer.index, 0) / max(own_bytes.get(layer.index, 0), 1)
        lowered = dataclasses.replace(layer.lowered, cycles=round(_cycles(plan, layer, share)))
        layers.append(dataclasses.replace(layer, lowered=lowered))
    return dataclasses.replace(plan, layers=tuple(layers))


def _cycles(plan: Plan, layer: Layer, share_in_ram: float) -> float:
    """Predicted cycles of a layer with so much of its constants in RAM; of a kernel that was never measured, what the
    plan has."""
    found = []
    for in_ram in (False, True):
        target = dataclasses.replace(plan.target, weights_in_ram=in_ram)
        cycles = predicted(layer.lowered.kernel, layer.rule.steps, layer.lowered.work, target)
        found.append(layer.lowered.cycles if cycles is None else cycles)
    return found[0] + share_in_ram * (found[1] - found[0])


def _bytes_of_layers(arrays: Sequence[WeightArray]) -> Mapping[int, int]:
    found: dict[int, int] = {}
    for array in arrays:
        for index in array.layers:
            found[index] = found.get(index, 0) + array.size_bytes
    return found


def _taken(array: WeightArray) -> int:
    return -(-array.size_bytes // _WORD_BYTES) * _WORD_BYTES


def describe(before: Plan, after: Plan, arrays: Sequence[WeightArray], placement: Placement) -> str:
    """The end of ``plan.txt``: what lies where, and what that spares.

    Args:
        before: the plan with everything in flash.
        after: the same as it is placed.
        arrays: all constants.
        placement: what start-up copies.
    """
    copied = f"{before.cycles - after.cycles} of {before.cycles} predicted cycles spared"
    lines = ["", f"copied at start-up: {copied if placement.weights or placement.code else 'nothing'}"]
    if placement.code:
        lines.append(f"code in {placement.code_memory}: {placement.code_bytes} bytes")
        lines += [f"  {function.name}: {function.size_bytes} bytes" for function in placement.code]
    gains = gained(after, arrays)
    if placement.weights:
        lines.append(f"weights in RAM: {placement.weights_bytes} bytes")
    for array in placement.weights:
        of = ", ".join(str(index) for index in array.layers)
        spared = f"{round(gains[array.symbol])} cycles spared"
        lines.append(f"  {array.symbol}: {array.size_bytes} bytes of layer {of}, {spared}")
    moved = {array.symbol for array in placement.weights}
    rest = [array for array in arrays if array.symbol not in moved]
    lines.append(f"weights in flash: {sum(a.size_bytes for a in rest)} bytes in {len(rest)} arrays")
    lines += [
        f"  {a.symbol}: {a.size_bytes} bytes, {round(gains[a.symbol])} cycles to be spared" for a in rest
    ]
    return "\n".join(lines) + "\n"


def describe_second(memory: Memory, taken_bytes: int) -> str:
    """The end of ``plan.txt`` where the first RAM is too small for all buffers."""
    return (
        f"\nin {memory.name}: the buffers of features and protocol, {taken_bytes} of {memory.size_bytes} bytes; "
        "the first RAM has no room for them beside the activations\n"
    )
