# SPDX-License-Identifier: Apache-2.0
"""The surroundings of the core: memories, peripheral family, console port; from a board, a name, or the ELF file."""

from __future__ import annotations

import contextlib
import difflib
from dataclasses import dataclass, replace

from ascmcu import boards
from ascmcu.boards import Board, FlashCache
from ascmcu.errors import BoardError, InputError
from ascmcu.sim.image import Image

KIB = 1024
PAGE = 4096


@dataclass(frozen=True)
class Region:
    """Memory at an address. ``alias`` is a second address of the same bytes, -1 for none.

    ``banks_bytes``: the sizes of the memories in it that have a bus port each, when it is several.
    """

    name: str
    origin: int
    size_bytes: int
    writable: bool
    alias: int = -1
    banks_bytes: tuple[int, ...] = ()


@dataclass(frozen=True)
class FlashTiming:
    """A flash that has to be waited for, and what stands before it."""

    wait_states: int
    cache: FlashCache


UNDESCRIBED = FlashCache()
# RM0390 3.4, RM0090 3.5: what is assumed of a program of which only its wait states are said.
ART_F4 = FlashCache(read_bytes=16, prefetch=True, instruction_lines=64, data_lines=8)


@dataclass(frozen=True)
class Layout:
    """A machine to simulate.

    ``family`` chooses the peripherals; ``console`` is the number of the USART that carries text or the wire
    protocol; ``slow_bank`` is RAM whose first access of a group waits a cycle. ``origin`` says, for reports,
    where the description came from. ``wait_states`` are the flash's, behind ``cache``; ``waits_from``: who says so.
    """

    name: str
    regions: tuple[Region, ...]
    family: str
    console: int
    clock_hz: int
    slow_bank: tuple[int, int]
    origin: str
    wait_states: int = 0
    waits_from: str = "assumed: no board is named"
    cache: FlashCache = UNDESCRIBED

    @property
    def flash(self) -> FlashTiming | None:
        """The flash that has to be waited for; None at zero wait states."""
        return FlashTiming(self.wait_states, self.cache) if self.wait_states else None

    @property
    def flash_text(self) -> str:
        """The flash that cycles hold, in words."""
        states = f"{self.wait_states} wait states ({self.waits_from})"
        if not self.wait_states:
            return states
        cache = self.cache
        parts = [f"reads of {8 * cache.read_bytes} bits"]
        parts += ["prefetch"] if cache.prefetch else []
        for name, lines in (("instruction", cache.instruction_lines), ("data", cache.data_lines)):
            parts += [f"{lines * cache.line_bytes} B {name} cache"] if lines else []
        return ", ".join([states, *parts])

    @property
    def banks(self) -> tuple[tuple[int, int], ...]:
        """The memories that have a bus port each, as (start, end)."""
        spans = []
        for region in self.regions:
            start = region.origin
            for size_bytes in region.banks_bytes or (region.size_bytes,):
                spans.append((start, start + size_bytes))
                start += size_bytes
        return tuple(spans)


# Parts that the simulator knows beyond those with a board description: for programs built elsewhere.
_L4R5 = Layout(
    name="stm32l4r5",
    regions=(
        Region("flash", 0x0800_0000, 2048 * KIB, False, alias=0),
        Region("sram", 0x2000_0000, 640 * KIB, True, banks_bytes=(192 * KIB, 64 * KIB, 384 * KIB)),
        Region("sram2", 0x1000_0000, 64 * KIB, True),
    ),
    family="stm32l4",
    console=0,
    clock_hz=16_000_000,
    # SRAM2 and SRAM3 follow SRAM1's 192 KB; the first access of a group waits (mupq/pqm4 pull request 193).
    slow_bank=(0x2003_0000, 0x200A_0000),
    origin="built in",
    cache=FlashCache(  # RM0432 3.3.5, as on the board of that name
        read_bytes=8, prefetch=True, instruction_lines=32, data_lines=8, line_bytes=32
    ),
)
_MPS2 = Layout(
    name="mps2-an386",
    regions=(
        Region("code", 0x0000_0000, 4096 * KIB, True),
        Region("ram", 0x2000_0000, 4096 * KIB, True),
        Region("psram", 0x2100_0000, 16384 * KIB, True),
    ),
    family="mps2",
    console=0,
    clock_hz=25_000_000,
    slow_bank=(0, 0),
    origin="built in",
)
NAMED = {
    "stm32l4r5": _L4R5,
    "mps2-an386": _MPS2,
}
# Parts with RAM that is slower than the rest.
_SLOW_BANKS = {"stm32l4r5zi": _L4R5.slow_bank}


def of_board(board: Board) -> Layout:
    """A board description as a machine: at its own clock, behind its own flash.

    Raises:
        InputError: the chip's description says nothing of its flash.
    """
    if not board.chip.flash_cache.read_bytes:
        raise InputError(
            "the chip's description does not say how its flash is read",
            where=f"{board.name} ({board.chip.title})",
            expected="a table [flash_cache] with read_bytes",
            hint="see boards/chips/ for other parts' tables",
        )
    regions = tuple(
        Region(
            m.name,
            m.origin,
            m.size_bytes,
            m.kind != "flash",
            alias=0 if m.kind == "flash" and m.origin else -1,
            banks_bytes=m.banks_bytes,
        )
        for m in board.chip.memory
    )
    return Layout(
        name=board.name,
        regions=regions,
        family=board.chip.family,
        console=board.serial.usart,
        clock_hz=board.clock.sysclk_hz,
        slow_bank=_SLOW_BANKS.get(board.chip.name, (0, 0)),
        origin=f"{board.chip.name} at {board.clock.sysclk_hz / 1e6:g} MHz",
        wait_states=board.clock.wait_states,
        waits_from=f"at {board.clock.sysclk_hz / 1e6:g} MHz",
        cache=board.chip.flash_cache,
    )


def named(name: str) -> Layout:
    """A machine by the name of a board or of a part that the simulator knows.

    Raises:
        InputError: neither.
    """
    if name in NAMED:
        return replace(NAMED[name], waits_from="assumed: the name of a part says no clock")
    if name.endswith(".toml") or name in boards.names():
        return of_board(boards.load(name))
    with contextlib.suppress(BoardError):
        return of_board(boards.load(name))  # another name of a board, or its chip's
    known = sorted([*NAMED, *boards.names()])
    near = difflib.get_close_matches(name, known, n=3)
    raise InputError(
        "unknown board",
        found=name,
        expected=", ".join(known),
        hint=f"did you mean {' or '.join(near)}?" if near else None,
    )


def with_wait_states(layout: Layout, wait_states: int) -> Layout:
    """The machine with so many wait states; of a flash that nobody has described, the STM32F4's caches are assumed."""
    if layout.cache.read_bytes:
        origin = f"asked for, where {layout.wait_states} are needed {layout.waits_from}"
        if layout.waits_from.startswith("assumed"):
            origin = "asked for"
        return replace(layout, wait_states=wait_states, waits_from=origin)
    return replace(
        layout, wait_states=wait_states, waits_from="asked for, caches as in the STM32F4", cache=ART_F4
    )


def guessed(image: Image, ram_kib: int = 1024, flash_kib: int = 4096) -> Layout:
    """A machine for an ELF of which nothing is said.

    The part with 640 KB of RAM is recognised by the initial stack pointer, the peripheral family by the base
    addresses that the program holds as constants; the rest is generous.
    """
    stack = image.initial_stack or 0
    # No other part has so much RAM at this address; a reserved area may lie above the stack.
    if 576 * KIB < stack - 0x2000_0000 <= 640 * KIB:
        return replace(_L4R5, origin=f"guessed from the initial stack pointer, {_kib(stack)} KB into RAM")
    family = _family(image)
    # Linker scripts that keep SRAM1 and SRAM2 (256 KB) apart from SRAM3 put the stack at SRAM2's end.
    if family == "stm32l4" and stack == 0x2000_0000 + 256 * KIB:
        return replace(_L4R5, origin="guessed from the register addresses and a stack 256 KB into RAM")
    ram_end = max([0x2000_0000 + ram_kib * KIB, stack, *(_end(s) for s in _ram(image))])
    lowest = min((s.load_address for s in image.segments), default=0)
    flash_base = 0x0800_0000 if lowest >= 0x0800_0000 else 0
    written = any(s.writable and s.run_address < flash_kib * KIB for s in image.segments)
    regions = [
        Region("flash", flash_base, flash_kib * KIB, written, alias=0 if flash_base else 0x0800_0000),
        Region("ram", 0x2000_0000, _pages(ram_end - 0x2000_0000), True),
        Region("ccm", 0x1000_0000, 64 * KIB, True),
    ]
    return Layout(
        name=f"generic ({family})",
        regions=tuple(regions),
        family=family,
        console={"stm32f4": 2, "stm32l4": 0, "mps2": 0}.get(family, -1),
        clock_hz=16_000_000,
        slow_bank=(0, 0),
        origin="guessed from the ELF",
    )


def _kib(stack: int) -> int:
    return -(-(stack - 0x2000_0000) // KIB)


def _ram(image: Image) -> list[tuple[int, int]]:
    return [
        (s.run_address, s.memory_bytes) for s in image.segments if 0x2000_0000 <= s.run_address < 0x4000_0000
    ]


def _end(span: tuple[int, int]) -> int:
    return span[0] + span[1]


def _pages(size_bytes: int) -> int:
    return -(-size_bytes // PAGE) * PAGE


def _family(image: Image) -> str:
    """Count constants that are register addresses of one family only."""
    votes = {"stm32f4": 0, "stm32l4": 0, "mps2": 0}
    for segment in image.segments:
        data = segment.data[: len(segment.data) // 4 * 4]
        for word in memoryview(data).cast("I") if data else ():
            if 0x4002_3800 <= word < 0x4002_4000 or 0x4002_0000 <= word < 0x4002_0C00:
                votes["stm32f4"] += 1
            elif 0x4800_0000 <= word < 0x4800_2400 or 0x4002_1000 <= word < 0x4002_1100:
                votes["stm32l4"] += 1
            elif word in (0x4000_4010, 0x4000_4008, 0x4002_8000, 0x4002_F000):
                votes["mps2"] += 1
    best = max(votes, key=lambda family: votes[family])
    return best if votes[best] else "none"
