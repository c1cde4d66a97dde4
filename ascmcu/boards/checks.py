# SPDX-License-Identifier: Apache-2.0
"""The rules that a board's description must meet: one named function each, all of them in ``CHECKS``."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ascmcu.boards.families import FAMILIES
from ascmcu.boards.records import Board
from ascmcu.errors import BoardError, near

_LEAST_STACK_BYTES = 1024


def _refuse(check: str, what: str, where: str, **facts: Any) -> BoardError:
    return BoardError(f"{check}: {what}", where=where, **facts)


def check_name(board: Board, where: str) -> None:
    """A board is found by its file name."""
    if Path(where).stem != board.name:
        raise _refuse(
            "name", "a board is named as its file", where, expected=Path(where).stem, found=board.name
        )


def check_family(board: Board, where: str) -> None:
    """There must be firmware for the family."""
    family = board.chip.family
    if family not in FAMILIES:
        raise _refuse(
            "family",
            "no firmware for this family",
            where,
            expected=", ".join(FAMILIES),
            found=family,
            hint=near(family, list(FAMILIES), 2),
        )


def check_memory(board: Board, where: str) -> None:
    """Flash and RAM are there, no size is zero, no two ranges overlap."""
    for kind in ("flash", "ram"):
        if not any(m.kind == kind for m in board.chip.memory):
            raise _refuse("memory", f"the chip has no {kind}", where)
    regions = sorted(board.chip.memory, key=lambda m: m.origin)
    for region in regions:
        if region.size_bytes <= 0 or region.origin % 4 or not 0 <= region.origin < region.end <= 1 << 32:
            raise _refuse("memory", f"{region.name} is empty, unaligned or beyond 4 GiB", where)
    mirrored = [m for m in regions if m.mirrors]
    if any(not board.ram.origin <= m.mirrors <= board.ram.end - m.size_bytes for m in mirrored):
        raise _refuse("memory", "what a memory mirrors lies in the first RAM", where)
    for low, high in itertools.pairwise(regions):
        if low.end > high.origin:
            raise _refuse(
                "memory",
                f"{low.name} and {high.name} overlap",
                where,
                found=f"{low.name} ends at {low.end:#010x}, {high.name} begins at {high.origin:#010x}",
            )


def check_bootloader(board: Board, where: str) -> None:
    """A boot loader keeps whole kilobytes, so that the vector table is aligned, and at most half of the flash."""
    taken, half = board.bootloader_bytes, (board.bootloader_bytes + board.flash.size_bytes) // 2
    if taken % 1024 or not 0 <= taken <= half:
        expected = f"0 … {half} bytes, a multiple of 1024"
        raise _refuse("bootloader", "no such room", where, expected=expected, found=taken)
    if taken and board.family.config_at:
        raise _refuse(
            "bootloader", "the chip reads its options at the start of the flash", where, found=taken
        )


def check_stack(board: Board, where: str) -> None:
    """The stack is a multiple of 8 bytes (AAPCS alignment) and leaves room for data."""
    least_bytes = 2 * _LEAST_STACK_BYTES
    if board.ram.size_bytes < least_bytes:
        raise _refuse(
            "stack",
            "the RAM has no room for one",
            where,
            expected=f"RAM of {least_bytes} bytes or more",
            found=board.ram.size_bytes,
        )
    if board.stack_bytes % 8 or not _LEAST_STACK_BYTES <= board.stack_bytes <= board.ram.size_bytes // 2:
        raise _refuse(
            "stack",
            "not a multiple of 8, or out of range",
            where,
            expected=f"{_LEAST_STACK_BYTES} … {board.ram.size_bytes // 2} bytes",
            found=board.stack_bytes,
        )


def check_source(board: Board, where: str) -> None:
    """The oscillator is one that the chip accepts."""
    clock, limits = board.clock, board.chip.clock
    low, high = (limits.hsi_hz, limits.hsi_hz) if clock.source == "hsi" else limits.hse_hz
    if not low <= clock.source_hz <= high:
        raise _refuse(
            "source",
            f"{clock.source} out of range",
            where,
            expected=f"{low} … {high} Hz",
            found=clock.source_hz,
        )


def check_pll(board: Board, where: str) -> None:
    """Factors and inner frequencies are within the chip's ranges, and the outcome is what is claimed."""
    pll, limits = board.clock.pll, board.chip.clock.pll
    for name, value, (low, high) in (("m", pll.m, limits.m), ("n", pll.n, limits.n)):
        if not low <= value <= high:
            raise _refuse(
                "pll", f"factor {name} out of range", where, expected=f"{low} … {high}", found=value
            )
    if pll.p not in limits.p:
        raise _refuse("pll", "factor p out of range", where, expected=limits.p, found=pll.p)
    vco_in_hz = board.clock.source_hz / pll.m
    inner = (("input", vco_in_hz, limits.vco_in_hz), ("output", vco_in_hz * pll.n, limits.vco_out_hz))
    for name, value_hz, (low, high) in inner:
        if not low <= value_hz <= high:
            raise _refuse(
                "pll",
                f"VCO {name} out of range",
                where,
                expected=f"{low} … {high} Hz",
                found=f"{value_hz:.0f} Hz",
            )
    sysclk_hz = vco_in_hz * pll.n / pll.p
    if sysclk_hz != board.clock.sysclk_hz:
        raise _refuse(
            "pll",
            "the factors give another clock than sysclk_hz says",
            where,
            expected=board.clock.sysclk_hz,
            found=f"{sysclk_hz:.0f} Hz",
        )


def check_limit(board: Board, where: str) -> None:
    """No clock is beyond the part: SYSCLK with or without over-drive, APB1, APB2."""
    clock, limits = board.clock, board.chip.clock
    if clock.over_drive and not limits.over_drive_hz:
        raise _refuse("limit", f"{board.chip.name} has no over-drive", where)
    highest = limits.over_drive_hz if clock.over_drive else limits.sysclk_hz
    if clock.sysclk_hz > highest:
        beyond = "" if clock.over_drive or not limits.over_drive_hz else " without over-drive"
        raise _refuse(
            "limit",
            f"SYSCLK beyond the part's limit{beyond}",
            where,
            expected=f"≤ {highest} Hz",
            found=f"{clock.sysclk_hz} Hz",
        )
    buses = (("apb1", clock.apb1_divider, limits.apb1_hz), ("apb2", clock.apb2_divider, limits.apb2_hz))
    for name, divider, bus_hz in buses:
        if divider not in (1, 2, 4, 8, 16):
            raise _refuse("limit", f"{name}_divider", where, expected="1, 2, 4, 8, 16", found=divider)
        if clock.sysclk_hz > bus_hz * divider:
            raise _refuse(
                "limit",
                f"{name.upper()} beyond the part's limit",
                where,
                expected=f"≤ {bus_hz} Hz",
                found=f"{clock.sysclk_hz // divider} Hz",
            )


def check_wait_states(board: Board, where: str) -> None:
    """The flash latency is the lowest that the manual allows at this clock and supply voltage."""
    boost = board.clock.over_drive
    rows = [w for w in board.chip.flash_wait if board.supply_mv >= w.min_mv and (boost or not w.over_drive)]
    if not rows:
        raise _refuse(
            "wait states", "the chip does not run at this supply", where, found=f"{board.supply_mv} mV"
        )
    limits_hz = max(rows, key=lambda w: (w.over_drive, w.min_mv)).max_hz
    right = next((n for n, hz in enumerate(limits_hz) if board.clock.sysclk_hz <= hz), None)
    if board.clock.wait_states != right:
        raise _refuse(
            "wait states",
            f"wrong for {board.clock.sysclk_hz} Hz at {board.supply_mv} mV",
            where,
            expected="no setting allows this clock" if right is None else right,
            found=board.clock.wait_states,
        )


def check_serial(board: Board, where: str) -> None:
    """The port exists, the pins read as pins and are two, and both baud rates come out within 2 %."""
    serial, family = board.serial, board.family
    if serial.usart not in family.ports:
        known = ", ".join(f"{n} ({port.name})" for n, port in family.ports.items())
        raise _refuse("serial", "no such port in this family", where, expected=known, found=serial.usart)
    for pin in (serial.tx, serial.rx):
        try:
            family.pin(pin)
        except ValueError:
            raise _refuse(
                "serial", "not a pin", where, expected=" to ".join(family.pins_from_to), found=pin
            ) from None
    if serial.tx == serial.rx:
        raise _refuse("serial", "sender and receiver on one pin", where, found=serial.tx)
    if not 0 <= serial.alternate <= 15:
        raise _refuse(
            "serial", "no such alternate function", where, expected="0 … 15", found=serial.alternate
        )
    rates = family.ports[serial.usart].rates
    clocks = ((board.port_hz, serial.baud), (board.chip.clock.hsi_hz, serial.fallback_baud))
    for clock_hz, baud in clocks:
        if baud <= 0 or abs(rates(clock_hz, baud) - baud) > 0.02 * baud:
            raise _refuse("serial", f"baud rate not possible from {clock_hz} Hz", where, found=baud)


def check_power(board: Board, where: str) -> None:
    """A current is one that a Cortex-M4 draws, and says where it is from."""
    measured, datasheet = board.chip.power.measured, board.chip.power.datasheet
    named = [] if datasheet is None else [(datasheet.ua_per_mhz, datasheet.source)]
    if measured is not None:
        named += [(current, measured.source) for current in measured.ua_per_mhz]
        if measured.ua_per_mhz[0] > measured.ua_per_mhz[1]:
            raise _refuse("power", "the lowest current comes first", where, found=measured.ua_per_mhz)
        if not 1000 <= measured.supply_mv <= 6000:
            raise _refuse(
                "power", "not a plausible supply", where, expected="1000 … 6000 mV", found=measured.supply_mv
            )
    for current, source in named:
        if not 20 <= current <= 1000:
            found = f"{current} µA/MHz"
            raise _refuse("power", "not a plausible current", where, expected="20 … 1000 µA/MHz", found=found)
        if not source:
            raise _refuse("power", "the current needs its source", where)
    idle = None if measured is None else measured.idle
    if idle is not None and (not idle.source or not 0 <= idle.ua[0] <= idle.ua[1]):
        raise _refuse(
            "power", "an idle current needs its source, and the lowest comes first", where, found=idle.ua
        )


CHECKS: tuple[Callable[[Board, str], None], ...] = (
    check_name,
    check_family,
    check_memory,
    check_bootloader,
    check_stack,
    check_source,
    check_pll,
    check_limit,
    check_wait_states,
    check_serial,
    check_power,
)
