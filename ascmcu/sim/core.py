# SPDX-License-Identifier: Apache-2.0
"""The peripherals inside the Cortex-M4: NVIC, SysTick, system control block, DWT, and the rest of the PPB.

Register addresses and bits: Armv7-M Architecture Reference Manual (DDI 0403), B3 and C1.
"""

from __future__ import annotations

from ascmcu.sim.devices import Device
from ascmcu.sim.engine import NEVER

SYSTICK = 15
PENDSV = 14
SVCALL = 11
FIRST_IRQ = 16
IRQS = 128

_CPUID_M4 = 0x410FC241  # r0p1
_IMPLEMENTED_PRIORITY_BITS = 4  # STM32


class Nvic:
    """Which exceptions are enabled, pending and active, and who may interrupt whom.

    Numbers are exception numbers: 15 SysTick, 16 IRQ0. Lower priority values are more urgent.
    """

    def __init__(self) -> None:
        count = FIRST_IRQ + IRQS
        self.enabled = {PENDSV, SVCALL, SYSTICK, 2, 3, 4, 5, 6}
        self.pending: set[int] = set()
        self.lines: set[int] = set()
        self.active: list[int] = []
        self.priority = [0] * count
        self.priority[1:4] = [-3, -2, -1]
        self.group_shift = 0

    def set_line(self, exception: int, level: bool) -> None:
        """A level-sensitive request line: pends while it is high and the handler is not active."""
        if level:
            if exception not in self.lines and exception not in self.active:
                self.pending.add(exception)
            self.lines.add(exception)
        else:
            self.lines.discard(exception)
            self.pending.discard(exception)

    def returned(self, exception: int) -> None:
        """A handler ended; a line that is still high pends again."""
        self.active.remove(exception)
        if exception in self.lines:
            self.pending.add(exception)

    def _preemption(self, exception: int) -> int:
        priority = self.priority[exception]
        return priority >> self.group_shift << self.group_shift if priority >= 0 else priority

    def running_priority(self) -> int:
        """The preemption priority of what runs now; 256 in thread mode."""
        return min((self._preemption(e) for e in self.active), default=256)

    def most_urgent(self) -> int:
        """The pending exception that would be taken first, 0 for none."""
        candidates = [e for e in self.pending if e in self.enabled]
        return min(candidates, key=lambda e: (self.priority[e], e), default=0)

    def to_take(self, primask: bool, basepri: int, faultmask: bool) -> int:
        """The exception to enter now, 0 for none."""
        exception = self.most_urgent()
        if not exception:
            return 0
        limit = self.running_priority()
        if basepri:
            limit = min(limit, basepri >> self.group_shift << self.group_shift)
        if primask:
            limit = min(limit, 0)
        if faultmask:
            limit = min(limit, -1)
        return exception if self._preemption(exception) < limit else 0


class SystemControl(Device):
    """0xE000E000: SysTick, NVIC and the system control block."""

    def __init__(self, nvic: Nvic) -> None:
        super().__init__("SCS", 0xE000E000, 0x1000)
        self.nvic = nvic
        self.reset_requested = False
        self.values = {
            0xD00: _CPUID_M4,
            0xD14: 0x200,
            0xD40: 0x30,
            0xD44: 0x200,
            0xD50: 0x00100030,
            0xD58: 0x01000000,
            0xD60: 0x01101110,
            0xD64: 0x02112000,
            0xD68: 0x21232231,
            0xD6C: 0x01111131,
            0xD70: 0x01310102,
            0xF34: 0xC0000000,
            0xF40: 0x10110021,
            0xF44: 0x11000011,
        }
        self._tick_control = 0
        self._tick_load = 0
        self._tick_flag = False
        self._tick_zero = NEVER  # the cycle at which the counter next reaches zero
        self._tick_left = 0  # the counter while it stands still

    @property
    def vector_table(self) -> int:
        """VTOR."""
        return self.values.get(0xD08, 0)

    @property
    def fp_automatic(self) -> bool:
        """FPCCR.ASPEN: FP state becomes part of exception frames by itself."""
        return bool(self.values[0xF34] >> 31)

    def read(self, offset: int, cycle: int) -> int:
        value = self.peek(offset, cycle)
        if offset == 0x010:
            self._tick_flag = False
        return value

    def peek(self, offset: int, cycle: int) -> int:
        nvic = self.nvic
        if offset == 0x010:
            self.advance(cycle)
            return self._tick_control | self._tick_flag << 16
        if offset == 0x014:
            return self._tick_load
        if offset == 0x018:
            return self._tick_value(cycle)
        if offset == 0x01C:
            return 0x80000000
        for base, members in (
            (0x100, nvic.enabled),
            (0x180, nvic.enabled),
            (0x200, nvic.pending),
            (0x280, nvic.pending),
        ):
            if base <= offset < base + 0x20:
                return _mask(members, (offset - base) * 8)
        if 0x300 <= offset < 0x320:
            return _mask(set(nvic.active), (offset - 0x300) * 8)
        if 0x400 <= offset < 0x400 + IRQS:
            return _priorities(nvic.priority, FIRST_IRQ + offset - 0x400)
        if 0xD18 <= offset < 0xD24:
            return _priorities(nvic.priority, 4 + offset - 0xD18)
        if offset == 0xD04:
            active = nvic.active[-1] if nvic.active else 0
            waiting = nvic.most_urgent()
            pends = (SYSTICK in nvic.pending) << 26 | (PENDSV in nvic.pending) << 28
            return active | (len(nvic.active) <= 1) << 11 | waiting << 12 | bool(waiting) << 22 | pends
        if offset == 0xD0C:
            return 0xFA050000 | self.values.get(offset, 0) & 0x700
        return self.values.get(offset, 0)

    def write(self, offset: int, value: int, cycle: int) -> None:
        nvic = self.nvic
        if offset in (0x010, 0x014, 0x018):
            self._write_tick(offset, value, cycle)
        elif 0x100 <= offset < 0x120:
            nvic.enabled |= _members(value, (offset - 0x100) * 8)
        elif 0x180 <= offset < 0x1A0:
            nvic.enabled -= _members(value, (offset - 0x180) * 8)
        elif 0x200 <= offset < 0x220:
            nvic.pending |= _members(value, (offset - 0x200) * 8)
        elif 0x280 <= offset < 0x2A0:
            nvic.pending -= _members(value, (offset - 0x280) * 8) - nvic.lines
        elif 0x400 <= offset < 0x400 + IRQS:
            _set_priorities(nvic.priority, FIRST_IRQ + offset - 0x400, value)
        elif 0xD18 <= offset < 0xD24:
            _set_priorities(nvic.priority, 4 + offset - 0xD18, value)
        elif offset == 0xD04:
            self._write_icsr(value)
        elif offset == 0xD0C:
            if value >> 16 == 0x05FA:
                self.values[offset] = value & 0x700
                # PRIGROUP counts the bits below the preemption field, less one.
                nvic.group_shift = (value >> 8 & 7) + 1
                self.reset_requested = bool(value & 0x4)
        elif offset in (0xD28, 0xD2C, 0xD30):
            self.values[offset] = self.values.get(offset, 0) & ~value  # write one to clear
        elif offset == 0xF00:
            nvic.pending.add(FIRST_IRQ + (value & 0x1FF))
        elif offset not in (0xD00, 0xF40, 0xF44):
            self.values[offset] = value

    def _write_icsr(self, value: int) -> None:
        for bit, exception, pend in (
            (28, PENDSV, True),
            (27, PENDSV, False),
            (26, SYSTICK, True),
            (25, SYSTICK, False),
        ):
            if value >> bit & 1:
                (self.nvic.pending.add if pend else self.nvic.pending.discard)(exception)

    # SysTick. The counter runs on the core clock, or on an eighth of it (STM32's external reference).

    @property
    def _tick_scale(self) -> int:
        return 1 if self._tick_control & 4 else 8

    def _tick_value(self, cycle: int) -> int:
        if not self._tick_control & 1 or self._tick_zero == NEVER:
            return self._tick_left
        self.advance(cycle)
        return max(0, (self._tick_zero - cycle + self._tick_scale - 1) // self._tick_scale) & 0xFFFFFF

    def _write_tick(self, offset: int, value: int, cycle: int) -> None:
        self.advance(cycle)
        left = self._tick_value(cycle)
        if offset == 0x014:
            self._tick_load = value & 0xFFFFFF
        elif offset == 0x018:
            left, self._tick_flag = 0, False
        else:
            self._tick_control = value & 7
        self._tick_left = left
        self._tick_zero = NEVER
        if self._tick_control & 1 and self._tick_load:
            ticks = left if left else self._tick_load + 1
            self._tick_zero = cycle + ticks * self._tick_scale

    def next_event(self) -> int:
        return self._tick_zero if self._tick_control & 2 else NEVER

    def advance(self, cycle: int) -> None:
        if cycle < self._tick_zero or self._tick_zero == NEVER:
            return
        period = (self._tick_load + 1) * self._tick_scale
        if not self._tick_load:
            self._tick_left, self._tick_zero = 0, NEVER
        else:
            self._tick_zero += ((cycle - self._tick_zero) // period + 1) * period
        self._tick_flag = True
        if self._tick_control & 2:
            self.nvic.pending.add(SYSTICK)


def _mask(members: set[int], first: int) -> int:
    return sum(1 << n for n in range(32) if FIRST_IRQ + first + n in members)


def _members(value: int, first: int) -> set[int]:
    return {FIRST_IRQ + first + n for n in range(32) if value >> n & 1}


def _priorities(priority: list[int], first: int) -> int:
    return sum((max(0, priority[first + n]) & 0xFF) << 8 * n for n in range(4))


def _set_priorities(priority: list[int], first: int, value: int) -> None:
    kept = 0xFF << (8 - _IMPLEMENTED_PRIORITY_BITS) & 0xFF
    for n in range(4):
        priority[first + n] = value >> 8 * n & kept


class Dwt(Device):
    """0xE0001000: the cycle counter. The other counters read as zero: CTRL says that they are not there."""

    def __init__(self) -> None:
        super().__init__("DWT", 0xE0001000, 0x1000)
        self.values: dict[int, int] = {}
        self._offset = 0
        self._stopped_at: int | None = 0

    def read(self, offset: int, cycle: int) -> int:
        if offset == 0:
            # NUMCOMP 4; NOPRFCNT: no profiling counters.
            return 0x41000000 | self.values.get(0, 0)
        if offset == 4:
            now = cycle if self._stopped_at is None else self._stopped_at
            return now - self._offset & 0xFFFFFFFF
        if offset == 0xFB4:
            return 0  # LSR: not locked
        return self.values.get(offset, 0)

    def write(self, offset: int, value: int, cycle: int) -> None:
        if offset == 0:
            running, wanted = self._stopped_at is None, bool(value & 1)
            if wanted and not running:
                self._offset += cycle - (self._stopped_at or 0)
                self._stopped_at = None
            elif running and not wanted:
                self._stopped_at = cycle
            self.values[0] = value & 0x1FFF
        elif offset == 4:
            self._offset = (cycle if self._stopped_at is None else self._stopped_at) - value
        else:
            self.values[offset] = value


class Itm(Device):
    """0xE0000000: stimulus ports that are always ready; port 0 is console output."""

    def __init__(self, console: bytearray) -> None:
        super().__init__("ITM", 0xE0000000, 0x1000)
        self._console = console
        self.values: dict[int, int] = {}

    def read(self, offset: int, cycle: int) -> int:
        return 1 if offset < 0x80 else self.values.get(offset, 0)

    def peek(self, offset: int, cycle: int) -> int:
        return 0

    def write(self, offset: int, value: int, cycle: int) -> None:
        if offset == 0 and self.values.get(0xE00, 0) & 1:
            self._console.append(value & 0xFF)
        elif offset >= 0x80:
            self.values[offset] = value
