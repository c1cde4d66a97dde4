# SPDX-License-Identifier: Apache-2.0
"""Why a device started, and its last fault, in words: what a lab wants to know before it trusts a run."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from ascmcu.benchmark import wire
from ascmcu.errors import AscmcuError, LinkError
from ascmcu.runners.base import Target
from ascmcu.sim.image import Image
from ascmcu.toolchain.manifest import check_image

# An address in words.
Place = Callable[[int], str]

_EXCEPTIONS = {2: "NMI", 3: "HardFault", 4: "MemManage", 5: "BusFault", 6: "UsageFault"}
# Bits of CFSR and HFSR: PM0214 4.4.14 and 4.4.15.
_CFSR = {
    0: "instruction fetch where none is allowed", 1: "data access where none is allowed",
    3: "unstacking where none is allowed", 4: "stacking where none is allowed",
    5: "lazy FP stacking where none is allowed",
    8: "bus error on an instruction fetch", 9: "bus error on a data access", 10: "bus error on an earlier write",
    11: "bus error on unstacking", 12: "bus error on stacking", 13: "bus error on lazy FP stacking",
    16: "undefined instruction", 17: "jump to an address without the Thumb bit", 18: "invalid exception return",
    19: "the coprocessor or FPU is off", 24: "unaligned access", 25: "division by zero",
}  # fmt: skip
_HFSR = {1: "the vector table cannot be read", 30: "", 31: "breakpoint without a debugger"}
_MMFAR_VALID, _BFAR_VALID = 7, 15
# LR holds this and more in a handler: no address.
_EXC_RETURN = 0xFFFFFFE0


def numbered(address: int) -> str:
    """An address without a name."""
    return f"{address:#010x}"


class Names:
    """Names an address by the export's ELF file; by number alone where that is missing or of another build."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def __call__(self, address: int) -> str:
        """Function, offset and source line, as far as they are known."""
        image = self._image
        return numbered(address) if image is None else image.place(address)

    @cached_property
    def _image(self) -> Image | None:
        try:
            check_image(self._target.elf, self._target.manifest)
            return Image(self._target.elf)
        except (AscmcuError, OSError):
            return None


def causes(fault: wire.Fault) -> list[str]:
    """What the fault status registers say, with the address where they hold one."""
    found = [text for bit, text in _CFSR.items() if fault.cfsr >> bit & 1]
    found += [text for bit, text in _HFSR.items() if fault.hfsr >> bit & 1 and text]
    if fault.cfsr >> _MMFAR_VALID & 1:
        found.append(f"at address {fault.mmfar:#010x}")
    if fault.cfsr >> _BFAR_VALID & 1:
        found.append(f"at address {fault.bfar:#010x}")
    return found


def title(fault: wire.Fault) -> str:
    """The exception by name."""
    name = _EXCEPTIONS.get(fault.exception)
    if name is None and fault.exception >= wire.FIRST_INTERRUPT:
        name = f"interrupt {fault.exception - wire.FIRST_INTERRUPT}, which nothing serves"
    return (name or f"exception {fault.exception}") + (" (the stack has overflowed)" if fault.pc == 0 else "")


def where(fault: wire.Fault, place: Place) -> str:
    """The instruction at fault and the function that called its function."""
    pc = f"pc {place(fault.pc)}" if fault.pc else f"pc {numbered(0)}"
    return f"{pc}, lr {numbered(fault.lr) if fault.lr >= _EXC_RETURN else place(fault.lr & ~1)}"


def faulted(fault: wire.Fault, place: Place) -> LinkError:
    """The error for a fault that the device reports."""
    found = [*causes(fault), f"CFSR {fault.cfsr:#010x}, HFSR {fault.hfsr:#010x}"]
    if fault.stack_peak_bytes:
        found.append(f"stack peak {fault.stack_peak_bytes} bytes")
    return LinkError(
        f"the firmware faulted: {title(fault)}",
        where=where(fault, place),
        found="; ".join(found),
        hint=None
        if place(fault.pc) != numbered(fault.pc)
        else "arm-none-eabi-addr2line -e firmware.elf <pc> shows the line",
    )


def hung(resets: int, stood_at: str = "") -> LinkError:
    """The error for a device whose watchdog resets it in the same clip every time, and where, if anybody knows."""
    return LinkError(
        "the firmware hangs: its watchdog reset the device",
        where="the same clip every time",
        found=f"{resets} resets{f'; the program was at {stood_at}' if stood_at else ''}",
        hint=None if stood_at else "a debugger that halts it shows where; so does --on sim",
    )


def restarted(hello: wire.Hello) -> str:
    """A sentence about a start that nobody asked for."""
    why = {
        wire.Reset.POWER: "its power was short or off",
        wire.Reset.PIN: "its reset pin was pulled",
        wire.Reset.SOFTWARE: "its program or a debugger reset it",
        wire.Reset.WATCHDOG: "its watchdog reset it",
    }.get(hello.reset, "it does not say why")
    return f"the device restarted: {why}"


def notices(hello: wire.Hello, place: Place) -> tuple[str, ...]:
    """Sentences about how the device came to run; none if nothing is wrong."""
    told = []
    if hello.reset is wire.Reset.WATCHDOG:
        told.append("the device was last reset by its watchdog: its firmware had hung")
    fault = hello.last_fault
    if fault is not None:
        said = ": ".join(filter(None, (title(fault), ", ".join(causes(fault)))))
        told.append(
            f"the device's last fault: {said}; {where(fault, place)} (it is kept until the power is cut)"
        )
    return tuple(told)
