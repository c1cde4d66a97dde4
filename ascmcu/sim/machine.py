# SPDX-License-Identifier: Apache-2.0
"""A Cortex-M4 with its memories and peripherals: loads a program, runs it, takes exceptions, ends it."""

from __future__ import annotations

import ctypes
import mmap
from dataclasses import dataclass
from typing import Any

from ascmcu.errors import InputError
from ascmcu.m4 import timing
from ascmcu.sim import families, kept, semihosting
from ascmcu.sim import words as w
from ascmcu.sim.core import FIRST_IRQ, SVCALL, Dwt, Itm, Nvic, SystemControl
from ascmcu.sim.cpu import CORE, Cpu, EmulatorError, const, reg
from ascmcu.sim.devices import Device, Registers
from ascmcu.sim.engine import NEVER, Engine
from ascmcu.sim.faults import GuestFault, describe
from ascmcu.sim.image import Image
from ascmcu.sim.layout import Layout
from ascmcu.sim.stm32 import PACED, Usart
from ascmcu.sim.watchdogs import Watchdog

PERIPHERALS = (0x4000_0000, 0x6000_0000)
PRIVATE = (0xE000_0000, 0xE010_0000)
WAITING_READS = 100_000  # reads of one register, all alike, before the program counts as waiting for good
_PAGE = 4096
_INTERRUPT_SVC, _INTERRUPT_BKPT, _INTERRUPT_RETURN = 2, 7, 8
_WFI, _WFE, _SEV, _YIELD = 0xBF30, 0xBF20, 0xBF40, 0xBF10
_STACK_LIMITS = ("__stack_limit", "_stack_limit", "__StackLimit", "__stack_start__", "_sstack")


_READ = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint, ctypes.c_void_p)
_WRITE = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint, ctypes.c_uint64, ctypes.c_void_p
)


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


@dataclass(frozen=True)
class End:
    """How a program ended: ``exit_code`` by semihosting (``exited``), 0 for the other ways; ``reason`` in words."""

    reason: str
    exit_code: int
    exited: bool = False


class Machine:
    """A machine with a program in it, at reset.

    Args:
        image: the program.
        layout: what is around the core.
    """

    def __init__(self, image: Image, layout: Layout) -> None:
        self.image = image
        self.layout = layout
        self.console = bytearray()
        self.line = PACED
        self.end: End | None = None
        self.idle = ""
        self._interrupts = 0
        self._woken = (0, 0)  # where a WFE last returned, and behind how many instructions
        self._slept_cycles = 0
        self._buffers: list[mmap.mmap] = []
        self._error: BaseException | None = None
        self._invalid: tuple[int, int, int] | None = None
        self._repeats = 0
        self._hangs = False  # nothing but a watchdog can go on from here
        self._last_read: tuple[int, int, int] = (0, 0, 0)
        self._contexts: list[int] = []
        self._callers: list[tuple[int, int]] = []
        self.cpu = Cpu()
        self._map()
        self._load()
        self.engine = Engine(
            self.cpu,
            constant=tuple((r.origin, r.origin + r.size_bytes) for r in layout.regions if not r.writable),
            mmio=self._register_ranges(),
            slow_bank=layout.slow_bank,
            stack_limit=self._stack_limit(),
            flash=layout.flash,
            banks=layout.banks,
        )
        self._kept = kept.file_of(image.path)
        self.engine.automaton.kept.update(kept.load(self._kept))
        self._attach_devices()
        self._hook()
        self._start()

    def keep_blocks(self) -> None:
        """Put what was found out about the program's code into the user's cache, for runs to come."""
        if self.engine.automaton.found_new:
            kept.save(self._kept, self.engine.automaton.kept)
            self.engine.automaton.found_new = False

    # Building.

    def _map(self) -> None:
        for region in self.layout.regions:
            size = -(-region.size_bytes // _PAGE) * _PAGE
            buffer = mmap.mmap(-1, size)
            self._buffers.append(buffer)
            pointer = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
            self.cpu.map_memory(region.origin, size, region.writable, pointer)
            if region.alias >= 0:
                self.cpu.map_memory(region.alias, size, region.writable, pointer)

    def _load(self) -> None:
        for segment in self.image.segments:
            if not segment.data:
                continue
            try:
                self.cpu.store(segment.load_address, segment.data)
            except EmulatorError as error:
                regions = ", ".join(f"{r.name} {r.origin:#x}+{r.size_bytes:#x}" for r in self.layout.regions)
                raise InputError(
                    "the program does not fit the machine",
                    where=str(self.image.path),
                    found=f"{len(segment.data)} bytes at {segment.load_address:#010x}",
                    expected=regions,
                    hint="name the board that it was built for with --board",
                ) from error

    def _attach_devices(self) -> None:
        self.nvic = Nvic()
        self.control = SystemControl(self.nvic)
        self.dwt = Dwt()
        devices: list[Device] = [
            self.control,
            self.dwt,
            Itm(self.console),
            Registers("FPB", 0xE0002000, 0x1000),
            Registers("TPIU", 0xE0040000, 0x1000),
            Registers("DBGMCU", 0xE0042000, 0x400, {0: 0x10006421}),
        ]
        family, self.usarts = families.devices(
            self.layout.family, self.nvic, self.engine.words, self.console, self.cpu
        )
        flash = next((r.size_bytes for r in self.layout.regions if not r.writable), 0)
        devices += [*family, *families.factory(self.layout.family, flash)]
        for device in devices:
            device.clocked(self.layout.clock_hz)
        self.devices = devices
        self._pages: dict[int, Device] = {}
        for device in devices:
            for page in range(device.base >> 10, (device.base + device.size_bytes) >> 10):
                self._pages[page] = device
        self._watchdogs = [device for device in devices if isinstance(device, Watchdog)]
        self._timed: list[Device] = [self.control]  # and the serial ports in use
        self._console_port = self.usarts.get(self.layout.console)
        self.engine.words[w.NATIVE_PORT] = -1 if self._console_port is None else self._console_port.index
        self.engine.words[w.NATIVE_ALLOWED] = self.engine.words[w.NATIVE_ACTIVE] = 0

    def _stack_limit(self) -> int:
        """The lowest address that the stack may use: a symbol, else the end of static data below it."""
        stack = self._initial_stack()
        for name in _STACK_LIMITS:
            address = self.image.find(name)
            if address is not None and address < stack:
                return address
        # A segment that ends where the stack begins reserves the stack inside itself (a .stack section).
        ends = [(s, s.run_address + s.memory_bytes) for s in self.image.segments if s.writable]
        below = [s.run_address + len(s.data) if end == stack else end for s, end in ends if end <= stack]
        region = next((r for r in self.layout.regions if r.origin < stack <= r.origin + r.size_bytes), None)
        if region is None:
            return 0
        return max([region.origin, *(end for end in below if end > region.origin)])

    def _register_ranges(self) -> tuple[tuple[int, int], ...]:
        """Address ranges that are not memory; whole pages."""
        pages = {device.base // _PAGE * _PAGE for device in families.factory(self.layout.family, 0)}
        return (PERIPHERALS, PRIVATE, *((page, page + _PAGE) for page in pages))

    def _hook(self) -> None:
        self._callbacks = []
        for start, end in self._register_ranges():
            read, write = self._callback_pair(start)
            self._callbacks += [read, write]
            self.engine.map_registers(start, end, _address(read), _address(write))
        self.cpu.hook(const.UC_HOOK_MEM_INVALID, self._on_invalid)

    def reset(self, by_watchdog: bool = False) -> None:
        """A system reset: core and peripherals start anew, RAM and the cycle count stay. What was sent is kept."""
        self.engine.flush_pipeline()
        sent = {number: usart.sent for number, usart in self.usarts.items()}
        self._attach_devices()
        for device in self.devices:
            device.restarted(by_watchdog)
        for number, data in sent.items():
            self.usarts[number].sent = data
        self._contexts.clear()
        self._callers.clear()
        for register in (
            reg.UC_ARM_REG_PRIMASK,
            reg.UC_ARM_REG_BASEPRI,
            reg.UC_ARM_REG_FAULTMASK,
            reg.UC_ARM_REG_CONTROL,
        ):
            self.cpu.write(register, 0)
        self.cpu.write(reg.UC_ARM_REG_IPSR, 0)
        self.resets += 1
        self._start()

    resets = 0

    def _start(self) -> None:
        table = self.image.vector_table
        stack = self._initial_stack()
        self.control.values[0xD08] = table or 0
        self.cpu.write(reg.UC_ARM_REG_MSP, stack)
        self.cpu.write(reg.UC_ARM_REG_SP, stack)
        self.cpu.write(reg.UC_ARM_REG_LR, 0xFFFFFFFF)
        self.pc = (self.image.entry if table is None else self._word(table + 4)) & ~1

    def _initial_stack(self) -> int:
        """The vector table's stack pointer; without one, the end of the first RAM."""
        known = self.image.initial_stack
        if known is not None:
            return known
        ram = next(r for r in self.layout.regions if r.writable and r.origin >= 0x2000_0000)
        return ram.origin + ram.size_bytes

    def _word(self, address: int) -> int:
        return self.cpu.word(address)

    def _callback_pair(self, base: int) -> tuple[Any, Any]:
        """C functions for the registers at ``base``."""

        def read(engine: int, offset: int, size: int, user: int) -> int:
            return self._on_read(base + offset, size)

        def write(engine: int, offset: int, size: int, value: int, user: int) -> None:
            self._on_write(base + offset, size, value)

        return _READ(read), _WRITE(write)

    # The bus.

    def _device(self, address: int) -> Device | None:
        return self._pages.get(address >> 10)

    def _on_read(self, address: int, size: int) -> int:
        try:
            self._adopt_handler()
            cycle, site = self.engine.position(address)
            device = self._device(address)
            if device is None:
                raise self._unmodelled("read of", address, site)
            value = device.load(address - device.base, size, cycle)
            self._watch_waiting(site, address, value)
            self._reschedule()
            return value
        except BaseException as error:  # must not cross into C
            self._error = error
            self.cpu.stop()
            return 0

    def _on_write(self, address: int, size: int, value: int) -> None:
        try:
            self._adopt_handler()
            cycle, site = self.engine.position(address, store=True)
            device = self._device(address)
            if device is None:
                raise self._unmodelled("write to", address, site)
            device.store(address - device.base, size, value, cycle)
            if device.timed and device not in self._timed:
                self._timed.append(device)
            self._last_read, self._repeats = (0, 0, 0), 0
            self._reschedule()
        except BaseException as error:  # must not cross into C
            self._error = error
            self.cpu.stop()

    def _watch_waiting(self, site: int, address: int, value: int) -> None:
        """A program that reads one register over and over, with nothing left to happen, waits for good."""
        seen = (site, address, value)
        self._repeats = self._repeats + 1 if seen == self._last_read else 0
        self._last_read = seen
        often = self._repeats > WAITING_READS or self.engine.words[w.SHADOW_HITS] >= w.SHADOW_LIMIT
        if not often or self._next_event(but_watchdogs=True) != NEVER:
            return
        if self._next_event() != NEVER:
            self._hangs = True
        else:
            self.end = End(f"waits for good on {address:#010x} at {self.image.place(site)}", 0)
        self.cpu.stop()

    def _unmodelled(self, action: str, address: int, site: int) -> GuestFault:
        return self._fault(
            f"{action} {address:#010x}, which this machine does not model",
            site,
            f"the machine is {self.layout.name} ({self.layout.origin}); name another with --board",
        )

    def _fault(self, what: str, address: int, hint: str | None = None) -> GuestFault:
        registers = self.cpu.dump() | {"pc": address}
        stack = []
        for n in range(64):
            try:
                stack.append(self._word(registers["sp"] + 4 * n))
            except EmulatorError:
                break
        return describe(what, address, registers, self.image, stack, hint)

    def _on_invalid(self, uc: Any, access: int, address: int, size: int, value: int, data: Any) -> bool:
        self._invalid = (access, address, size)
        return False

    # Time.

    @property
    def interrupts_taken(self) -> int:
        """Exceptions entered so far."""
        return self._interrupts + int(self.engine.words[w.TAKEN])

    @property
    def slept_cycles(self) -> int:
        """Cycles that passed in WFI."""
        return self._slept_cycles + int(self.engine.words[w.SLEPT])

    def _next_event(self, but_watchdogs: bool = False) -> int:
        devices = (d for d in self._timed if not (but_watchdogs and d in self._watchdogs))
        return min((device.next_event() for device in devices), default=NEVER)

    @property
    def _bitten(self) -> bool:
        """Whether a watchdog resets the chip now."""
        return any(watchdog.bites for watchdog in self._watchdogs)

    def _reschedule(self) -> None:
        """After anything a register access may have changed."""
        words, console = self.engine.words, self._console_port
        native = self._serves_natively()
        words[w.NATIVE_ALLOWED] = int(native)
        events = [d.next_event() for d in self._timed if d is not console]
        if console is not None:
            events.append(console.departure() if native else console.next_event())
        words[w.DEADLINE] = min(*events, self._limit)
        standing = (d.standing() for d in self._timed if isinstance(d, Usart) and d is not console)
        self.engine.set_shadows([s for s in standing if s is not None])
        words[w.DIVIDE_TRAP] = self.control.values[0xD14] >> 4 & 1
        words[w.INTERRUPT] = int(not native and bool(self._takeable(ignore_primask=True)))
        if self.control.reset_requested:
            words[w.DEADLINE] = 0

    _limit = NEVER

    def _serves_natively(self) -> bool:
        """Whether the console's receive interrupt is all that can happen, so that native code may serve it."""
        console, nvic, words = self._console_port, self.nvic, self.engine.words
        if console is None or console not in self._timed or nvic.active or words[w.PROFILE]:
            return False
        others = nvic.pending & nvic.enabled - {console.exception}
        if others or console.exception not in nvic.enabled or console.interrupts_for_sending:
            return False
        if self.control.reset_requested or self.cpu.read(reg.UC_ARM_REG_FAULTMASK) & 1:
            return False
        words[w.HANDLER] = self._word(self.control.vector_table + 4 * console.exception) & ~1
        words[w.FP_AUTOMATIC] = int(self.control.fp_automatic)
        return True

    def _adopt_handler(self) -> None:
        """Go on with a handler that native code has entered."""
        words, console = self.engine.words, self._console_port
        if words[w.NATIVE_ACTIVE] and console is not None:
            words[w.NATIVE_ACTIVE] = words[w.NATIVE_ALLOWED] = 0
            self.nvic.pending.discard(console.exception)
            self.nvic.active.append(console.exception)
            self._contexts.append(int(words[w.RETURN_CODE]))
            self._callers.append((int(words[w.CONTEXT]), int(words[w.DEPTH])))

    def _takeable(self, ignore_primask: bool = False) -> int:
        if not self.nvic.pending:
            return 0
        primask = bool(self.cpu.read(reg.UC_ARM_REG_PRIMASK) & 1) and not ignore_primask
        basepri = self.cpu.read(reg.UC_ARM_REG_BASEPRI)
        faultmask = bool(self.cpu.read(reg.UC_ARM_REG_FAULTMASK) & 1)
        return self.nvic.to_take(primask, basepri, faultmask)

    def advance(self) -> None:
        """Let the devices catch up with the core."""
        cycle = self.engine.cycles
        for device in self._timed:
            device.advance(cycle)

    # Exceptions.

    def _enter(self, exception: int, chained: bool = False) -> None:
        """Stack the context and go to the handler (DDI 0403 B1.5.6)."""
        cpu, words = self.cpu, self.engine.words
        if not chained:
            self.engine.flush_pipeline()
            self._push_context()
        self.nvic.pending.discard(exception)
        self.nvic.active.append(exception)
        self._interrupts += 1
        words[w.FP_USED] = 0
        cpu.write(reg.UC_ARM_REG_XPSR, 1 << 24 | exception)
        cpu.write(reg.UC_ARM_REG_IPSR, exception)
        cpu.write(reg.UC_ARM_REG_LR, self._contexts[-1])
        self.pc = self._word(self.control.vector_table + 4 * exception) & ~1
        if chained:
            self.engine.leave_context(self._callers.pop())
        self._callers.append(self.engine.enter_context(self.pc))
        self.engine.flush_pipeline(timing.TAIL_CHAIN_CYCLES if chained else timing.EXCEPTION_ENTRY_CYCLES)

    def _push_context(self) -> None:
        cpu, words = self.cpu, self.engine.words
        xpsr = cpu.read(reg.UC_ARM_REG_XPSR)
        nested = bool(self.nvic.active)
        process = not nested and bool(cpu.read(reg.UC_ARM_REG_CONTROL) & 2)
        with_fp = bool(words[w.FP_USED]) and self.control.fp_automatic
        sp = cpu.read(reg.UC_ARM_REG_SP)
        aligned = sp & 4
        frame = (sp - (104 if with_fp else 32)) & ~7
        values = [cpu.read(CORE[n]) for n in (0, 1, 2, 3, 12, 14)]
        values += [self.pc, xpsr & ~0x200 | bool(aligned) << 9]
        if with_fp:
            values += [cpu.read(reg.UC_ARM_REG_S0 + n) for n in range(16)] + [
                cpu.read(reg.UC_ARM_REG_FPSCR),
                0,
            ]
        try:
            cpu.store(frame, b"".join(v.to_bytes(4, "little") for v in values))
        except EmulatorError:
            raise self._fault(
                "stack overflow: an exception frame does not fit into memory", self.pc
            ) from None
        cpu.write(reg.UC_ARM_REG_SP, frame)
        base = 0xFFFFFFE1 if with_fp else 0xFFFFFFF1
        self._contexts.append(base | (0 if nested else 8) | (4 if process else 0))

    def _return(self, target: int) -> None:
        """EXC_RETURN was branched to: unstack, or chain to the next handler (DDI 0403 B1.5.8)."""
        cpu, words = self.cpu, self.engine.words
        if not self.nvic.active:
            raise self._fault("exception return outside an exception", self.engine.block.address)
        self.engine.flush_pipeline()
        handler_fp = bool(words[w.FP_USED])
        self.nvic.returned(self.nvic.active[-1])
        self.advance()
        exception = self._takeable()
        if exception:
            self._enter(exception, chained=True)
            return
        self._contexts.pop()
        with_fp = not target & 0x10
        if target & 4:
            cpu.write(reg.UC_ARM_REG_IPSR, 0)
        frame = cpu.read(reg.UC_ARM_REG_PSP if target & 4 else reg.UC_ARM_REG_SP)
        count = 26 if with_fp else 8
        data = cpu.load(frame, 4 * count)
        values = [int.from_bytes(data[4 * n : 4 * n + 4], "little") for n in range(count)]
        for number, value in zip((0, 1, 2, 3, 12, 14), values, strict=False):
            cpu.write(CORE[number], value)
        if with_fp:
            for n in range(16):
                cpu.write(reg.UC_ARM_REG_S0 + n, values[8 + n])
            cpu.write(reg.UC_ARM_REG_FPSCR, values[24])
        xpsr = values[7]
        number = self.nvic.active[-1] if self.nvic.active else 0
        cpu.write(reg.UC_ARM_REG_XPSR, xpsr & ~0x3FF | number)
        cpu.write(reg.UC_ARM_REG_IPSR, number)
        sp = frame + 4 * count + (4 if xpsr & 0x200 else 0)
        cpu.write(reg.UC_ARM_REG_PSP if target & 4 else reg.UC_ARM_REG_SP, sp)
        if target & 4:
            cpu.write(reg.UC_ARM_REG_SP, sp)
        words[w.FP_USED] = int(with_fp)
        self.pc = values[6] & ~1
        # Lazy stacking: the FP registers are only written out when the handler uses the FP unit.
        extra = timing.EXCEPTION_FP_CYCLES if with_fp and handler_fp else 0
        self.engine.flush_pipeline(timing.EXCEPTION_EXIT_CYCLES + extra)
        self.engine.leave_context(self._callers.pop())

    # Running.

    def port(self, name: str) -> Usart:
        """A serial port by name. Ask each time: a reset makes new ones."""
        return next(usart for usart in self.usarts.values() if usart.name == name)

    def feed(self, name: str, data: bytes) -> None:
        """Send bytes to a serial port, one behind the other as ``line`` has them."""
        port = self.port(name)
        port.feed(data, self.engine.cycles, self.line)
        if port not in self._timed:
            self._timed.append(port)

    def _answered(self) -> bool:
        """Whether a serial port has sent something and has nothing more to send at the moment."""
        return any(usart.sent and not usart.sending for usart in self.usarts.values())

    def run(self, until_cycle: int = NEVER, stop_on_sent: bool = False) -> None:
        """Run until the program ends (``end``), ``until_cycle`` is reached, or nothing can happen any more by itself.

        In the last case ``idle`` says why; bytes fed to a serial port would go on from there.
        ``stop_on_sent``: also return when a serial port has sent all that it was given.

        Raises:
            GuestFault: the program did what it must not.
        """
        self._limit = until_cycle
        self._stop_on_sent = stop_on_sent
        self.idle = ""
        while self.end is None and self.engine.cycles < until_cycle:
            if self.control.reset_requested:
                self.reset()
            self.advance()
            if self._bitten:
                self._bite()
                continue
            exception = self._takeable()
            if exception:
                self._enter(exception)
            self._reschedule()
            self._step()
            if self.idle or (stop_on_sent and self._answered()):
                return

    _stop_on_sent = False
    ends_when_bitten = False  # else it goes on as the chip would

    def _bite(self) -> None:
        self.stood_at = self.image.place(self.pc)
        if self.ends_when_bitten:
            self.end = End(f"its watchdog resets the chip; the program is at {self.stood_at}", 0)
        else:
            self.reset(by_watchdog=True)

    stood_at = ""  # where the watchdog last found the program

    def _step(self) -> None:
        """One stretch of native execution and what ended it."""
        try:
            reason = self.engine.run(self.pc)
        except EmulatorError as error:
            self._adopt_handler()
            self._raise_pending()
            self._emulator_error(error)
            return
        self._adopt_handler()
        self._raise_pending()
        self.pc = self.cpu.read(reg.UC_ARM_REG_PC)
        if reason == w.REASON_TRAP:
            self._serve_trap(int(self.engine.words[w.TRAP]))
        elif reason == w.REASON_STACK:
            low = int(self.engine.words[w.STACK_POINTER])
            limit = int(self.engine.words[w.STACK_LIMIT])
            raise self._fault(
                f"stack overflow: {limit - low} bytes below its limit {limit:#010x}",
                self.pc,
                "give the program more stack, or find the recursion",
            )
        elif reason == w.REASON_DIVIDE:
            raise self._fault("division by zero, with CCR.DIV_0_TRP set", self.pc)
        elif reason == w.REASON_IDLE:
            self._sleep("branches to itself for good")
        elif self._hangs:
            self._hangs = False
            self.engine.wait_until(min(self._next_event(), self._limit))
        elif reason == w.REASON_NONE and self.end is None:
            self._stopped()

    def _raise_pending(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _stopped(self) -> None:
        """Unicorn stopped by itself: WFI."""
        if self._half(self.pc - 2) == _WFI:
            self._sleep("waits for an interrupt that cannot come")

    def _half(self, address: int) -> int:
        try:
            return int.from_bytes(self.cpu.load(address, 2), "little")
        except EmulatorError:
            return 0

    def _sleep(self, why: str) -> None:
        """Nothing to do until an interrupt: skip to the next event.

        Behind both marks of a measured stretch that is the end, whatever timer still ticks.
        """
        if self.engine.both_marked:
            self.end = End(f"{why}, at {self.image.place(self.pc)}", 0)
            return
        self.advance()
        while not self._wakes():
            if self._stop_on_sent and self._answered():
                return  # the other side may speak before the next event
            event = self._next_event()
            if event == NEVER:
                self.idle = f"{why}, at {self.image.place(self.pc)}"
                return
            until = min(event, self._limit)
            self._slept_cycles += max(0, until - self.engine.cycles)
            self.engine.wait_until(until)
            if event >= self._limit:
                return
            self.advance()
            if self._bitten:
                return

    def _wakes(self) -> bool:
        """Whether WFI ends: an exception that would preempt if PRIMASK were clear."""
        return bool(self._takeable(ignore_primask=True))

    def _serve_trap(self, number: int) -> None:
        if number == _INTERRUPT_BKPT:
            self._breakpoint()
        elif number == _INTERRUPT_SVC:
            self.nvic.pending.add(SVCALL)
        elif number == _INTERRUPT_RETURN:
            self._return(self.pc | 1)
        else:
            raise self._fault(f"exception {number}", self.pc)

    def _breakpoint(self) -> None:
        code = self._half(self.pc)
        if code & 0xFF != 0xAB:
            self.engine.flush_pipeline()
            self.end = End(f"breakpoint {code & 0xFF} at {self.image.place(self.pc)}", 0)
            return
        operation, parameter = self.cpu.read(reg.UC_ARM_REG_R0), self.cpu.read(reg.UC_ARM_REG_R1)
        try:
            answer = semihosting.call(
                operation,
                parameter,
                self.cpu.load,
                self.cpu.store,
                self.console,
                self.engine.cycles,
                self.layout.clock_hz,
                self._initial_stack(),
            )
        except EmulatorError:
            raise self._fault(f"semihosting call {operation:#x} with a bad pointer", self.pc) from None
        if answer is None:
            raise self._fault(f"semihosting call {operation:#x} is not served", self.pc)
        self.cpu.write(reg.UC_ARM_REG_R0, answer.r0)
        self.pc += 2
        if answer.exit_code is not None:
            self.engine.flush_pipeline()
            self.end = End("exit by semihosting", answer.exit_code, exited=True)

    def _emulator_error(self, error: Any) -> None:
        pc = self.cpu.read(reg.UC_ARM_REG_PC)
        code = self._half(pc)
        if error.errno == const.UC_ERR_INSN_INVALID and code in (_WFE, _SEV, _YIELD):
            # Unicorn has no event register; WFE that returns at once is always allowed.
            self.pc = pc + 2
            return
        if error.errno == const.UC_ERR_INSN_INVALID and self._half(pc - 2) == _WFE:
            # Where it begins a block, Unicorn stops behind it. If nothing runs from there, that is what is invalid.
            address, ran = self._woken
            self._woken = pc, self.engine.instructions
            if pc != address or self.engine.instructions > ran + 1:
                self.pc = pc
                return
        invalid, self._invalid = self._invalid, None
        if invalid is not None and error.errno != const.UC_ERR_INSN_INVALID:
            access, address, size = invalid
            kinds = {
                const.UC_MEM_READ_UNMAPPED: "read of",
                const.UC_MEM_WRITE_UNMAPPED: "write to",
                const.UC_MEM_FETCH_UNMAPPED: "jump to",
                const.UC_MEM_WRITE_PROT: "write to read-only",
            }
            action = kinds.get(access, "access to")
            raise self._fault(f"bus fault: {action} {address:#010x} ({size} bytes), where no memory is", pc)
        if error.errno == const.UC_ERR_INSN_INVALID:
            beyond = self.image.built_for
            hint = (
                f"the file is built for {beyond}; build it with -mcpu=cortex-m4 -mfpu=fpv4-sp-d16"
                if beyond
                else None
            )
            raise self._fault(f"undefined instruction {code:04x} {self._half(pc + 2):04x}", pc, hint)
        raise self._fault(f"the emulator stopped: {error}", pc)

    def interrupt_number(self, exception: int) -> int:
        """The IRQ number of an exception number, negative for the core's own."""
        return exception - FIRST_IRQ
