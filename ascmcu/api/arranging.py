# SPDX-License-Identifier: Apache-2.0
"""What a firmware's start-up copies out of the flash, decided once it is known what the firmware leaves free."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ascmcu.boards import Board, Memory
from ascmcu.codegen import placing
from ascmcu.codegen.board import Copied, linker_script
from ascmcu.codegen.model import WeightArray, weight_arrays
from ascmcu.codegen.placing import Function, Placement
from ascmcu.errors import BoardError
from ascmcu.schedule import Plan
from ascmcu.toolchain.size import end_of, functions

Weights = Literal["auto", "flash", "ram"]
_ALIGNMENT_BYTES = 16


class Arranging:
    """Called with a linked image that has everything in flash, it gives the linker script of the final one.

    ``board`` is the target; ``placement`` is what it chose of ``arrays``, the plan's constants. ``beside`` is the
    memory that the buffers of features and protocol were moved to, with their bytes, where the first has no room.
    ``weights`` and ``max_ram_bytes`` as in ``export``.
    """

    def __init__(
        self,
        board: Board,
        plan: Plan,
        weights: Weights,
        max_ram_bytes: int | None,
    ) -> None:
        self.board = board
        self._plan = plan
        self._weights = weights
        self._max_ram_bytes = max_ram_bytes
        self._free_bytes = 0
        self.arrays = weight_arrays(plan)
        self.placement = Placement()
        self.beside: tuple[Memory, int] | None = None

    def __call__(self, elf: Path, network: Path, second_memory: bool) -> str | None:
        """The script; None where nothing is to be moved.

        Args:
            elf: the image.
            network: the object file of ``model.c``.
            second_memory: the second memory is taken by buffers.

        Raises:
            BoardError: all weights are to lie in RAM, and do not fit.
        """
        board, ram = self.board, self.board.ram
        origin = -(-end_of(elf, ram) // _ALIGNMENT_BYTES) * _ALIGNMENT_BYTES
        memory = None if second_memory else board.code_memory
        if second_memory and board.spare is not None:
            self.beside = board.spare, end_of(elf, board.spare) - board.spare.origin
        self._free_bytes = ram.end - origin
        self.placement = Placement(self._in_ram(self._free_bytes))
        if memory is not None:
            found = [Function(name, size_bytes) for name, size_bytes in functions(network, elf)]
            room_bytes = memory.end - end_of(elf, memory)
            self.placement = self._with_code(found, memory, room_bytes, origin)
        if self.placement == Placement():
            return None
        copied = Copied(
            tuple(array.symbol for array in self.placement.weights),
            origin,
            tuple(function.name for function in self.placement.code),
        )
        return linker_script(board, second_memory=second_memory, copied=copied)

    def guessed(self, plan: Plan) -> Plan:
        """Another plan with its cycles where as much of its constants lies in RAM as would fit there, and its code
        where this one's does."""
        arrays = weight_arrays(plan)
        free_bytes = self._free_bytes + self._plan.arena_bytes - plan.arena_bytes
        if self._max_ram_bytes is not None:
            free_bytes = min(free_bytes, self._max_ram_bytes - plan.arena_bytes)
        chosen = () if self._weights == "flash" else placing.choose(plan, arrays, free_bytes)
        return placing.placed(plan, arrays, dataclasses.replace(self.placement, weights=chosen))

    def _with_code(
        self, found: Sequence[Function], memory: Memory, free_bytes: int, origin: int
    ) -> Placement:
        """The placement with code too. In a memory that is part of the first RAM it keeps constants out: whatever is
        predicted to be faster."""
        plain = self.placement
        code = placing.code(self._plan, found, free_bytes)
        if not code:
            return plain
        with_code = dataclasses.replace(plain, code=code, code_memory=memory.name)
        room_bytes = memory.mirrors - origin
        if not memory.mirrors or placing.needed_bytes(plain.weights) <= room_bytes:
            return with_code
        if room_bytes < 0 or self._weights == "ram":
            return plain
        fewer = placing.choose(self._plan, plain.weights, room_bytes)
        candidates = (plain, dataclasses.replace(with_code, weights=fewer))
        return min(candidates, key=lambda p: placing.placed(self._plan, self.arrays, p).cycles)

    def _in_ram(self, free_bytes: int) -> tuple[WeightArray, ...]:
        if self._weights == "flash":
            return ()
        room_bytes = free_bytes
        if self._max_ram_bytes is not None:
            room_bytes = min(room_bytes, self._max_ram_bytes - self._plan.arena_bytes)
        if self._weights == "auto":
            return placing.choose(self._plan, self.arrays, room_bytes)
        needed_bytes = placing.needed_bytes(self.arrays)
        if needed_bytes > room_bytes:
            limited = room_bytes < free_bytes
            raise BoardError(
                "the weights do not fit into RAM",
                where=f"{self.board.name}, --max-ram {self._max_ram_bytes}" if limited else self.board.name,
                expected=f"≤ {max(room_bytes, 0)} bytes that the {'limit' if limited else 'firmware'} leaves free",
                found=f"{needed_bytes} bytes",
                hint="--weights auto copies those that gain most",
            )
        return tuple(self.arrays)
