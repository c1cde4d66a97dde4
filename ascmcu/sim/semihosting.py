# SPDX-License-Identifier: Apache-2.0
"""Arm semihosting: BKPT 0xAB with an operation in R0 and its parameters in R1.

Numbers and conventions: Arm "Semihosting for AArch32 and AArch64", release 2.0. Only the console, the clock
and the end of the program are served; files of the host are not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

SYS_OPEN, SYS_CLOSE, SYS_WRITEC, SYS_WRITE0, SYS_WRITE = 0x01, 0x02, 0x03, 0x04, 0x05
SYS_READ, SYS_READC, SYS_ISERROR, SYS_ISTTY, SYS_SEEK, SYS_FLEN = 0x06, 0x07, 0x08, 0x09, 0x0A, 0x0C
SYS_CLOCK, SYS_TIME, SYS_ERRNO, SYS_GET_CMDLINE, SYS_HEAPINFO = 0x10, 0x11, 0x13, 0x15, 0x16
SYS_EXIT, SYS_EXIT_EXTENDED, SYS_ELAPSED, SYS_TICKFREQ = 0x18, 0x20, 0x30, 0x31

APPLICATION_EXIT = 0x20026
FAILED = 0xFFFFFFFF


@dataclass(frozen=True)
class Answer:
    """R0 behind the call, and the exit code if the program ended."""

    r0: int
    exit_code: int | None = None


def call(
    operation: int,
    parameter: int,
    read: Callable[[int, int], bytes],
    write: Callable[[int, bytes], None],
    console: bytearray,
    cycle: int,
    clock_hz: int,
    stack: int = 0,
) -> Answer | None:
    """Serve one call; None when the operation is not known.

    Args:
        operation: R0.
        parameter: R1.
        read: guest memory, by address and length.
        write: guest memory, by address and bytes.
        console: what the program has written, appended to.
        cycle: now.
        clock_hz: the core clock, for SYS_CLOCK and SYS_TICKFREQ.
        stack: the initial stack pointer, for SYS_HEAPINFO.
    """

    def words(count: int) -> list[int]:
        data = read(parameter, 4 * count)
        return [int.from_bytes(data[4 * n : 4 * n + 4], "little") for n in range(count)]

    if operation == SYS_WRITEC:
        console += read(parameter, 1)
        return Answer(parameter)
    if operation == SYS_WRITE0:
        console += _string(read, parameter)
        return Answer(parameter)
    if operation == SYS_WRITE:
        handle, start, count = words(3)
        if handle in (1, 2):
            console += read(start, count)
            return Answer(0)
        return Answer(count)
    if operation == SYS_OPEN:
        start, mode, length = words(3)
        if read(start, length) == b":tt":
            return Answer(0 if mode < 4 else (1 if mode < 8 else 2))
        return Answer(FAILED)
    if operation in (SYS_EXIT, SYS_EXIT_EXTENDED):
        return Answer(0, _exit_code(operation, parameter, words))
    if operation == SYS_ELAPSED:
        write(parameter, cycle.to_bytes(8, "little"))
        return Answer(0)
    simple = {
        SYS_CLOSE: 0,
        SYS_ISTTY: 1,
        SYS_ERRNO: 0,
        SYS_TIME: 0,
        SYS_TICKFREQ: clock_hz,
        SYS_SEEK: FAILED,
        SYS_FLEN: 0,
        SYS_READC: FAILED,
        SYS_CLOCK: cycle * 100 // clock_hz,
        SYS_GET_CMDLINE: FAILED,
    }
    if operation == SYS_ISERROR:
        return Answer(int(words(1)[0] >> 31))
    if operation == SYS_READ:
        return Answer(words(3)[2])  # nothing read: end of file
    if operation == SYS_HEAPINFO:
        # Zeros leave the heap to the program's own idea of it; a C library without a linker script's stack
        # symbol (newlib's rdimon) takes the stack from here.
        write(words(1)[0], bytes(8) + stack.to_bytes(4, "little") + bytes(4))
        return Answer(0)
    return Answer(simple[operation] & FAILED) if operation in simple else None


def _exit_code(operation: int, parameter: int, words: Callable[[int], list[int]]) -> int:
    reason, code = words(2) if operation == SYS_EXIT_EXTENDED else (parameter, 0)
    if reason == APPLICATION_EXIT:
        return code & 0xFF
    return 1


def _string(read: Callable[[int, int], bytes], address: int) -> bytes:
    text = bytearray()
    while len(text) < 1 << 20:
        byte = read(address + len(text), 1)
        if byte == b"\0":
            break
        text += byte
    return bytes(text)
