# SPDX-License-Identifier: Apache-2.0
"""Reports of faults in the simulated program."""

from __future__ import annotations

from ascmcu.errors import InputError
from ascmcu.sim.image import Image


class GuestFault(InputError):
    """The simulated program did something that a Cortex-M4, or this machine, cannot do.

    ``address`` is the program counter, ``what`` and ``details`` the report.
    """

    def __init__(self, what: str, *, address: int, details: str, where: str, hint: str | None = None) -> None:
        super().__init__(what, where=where, details=details, hint=hint)
        self.address = address


def describe(
    what: str,
    address: int,
    registers: dict[str, int],
    image: Image,
    stack: list[int],
    hint: str | None = None,
) -> GuestFault:
    """A fault at ``address`` with registers and the calls that the stack seems to hold.

    Args:
        what: one sentence.
        address: the instruction at fault.
        registers: by name.
        image: for names and lines.
        stack: words from the stack pointer up; those that look like return addresses are named.
        hint: what to do.
    """
    names = [f"{name:>4} {value:08x}" for name, value in registers.items()]
    rows = ["  ".join(names[n : n + 4]) for n in range(0, len(names), 4)]
    called = [image.place(registers["lr"] & ~1)] if image.function_at(registers["lr"] & ~1) else []
    for word in stack:
        if word & 1 and image.function_at(word & ~1) is not None:
            called.append(image.place(word & ~1))
    calls = [
        "return addresses on the stack, innermost first (some may be stale):",
        *(f"  {c}" for c in called[:8]),
    ]
    details = "\n".join(["registers:", *(f"  {row}" for row in rows), *(calls if called else [])])
    return GuestFault(what, address=address, details=details, where=image.place(address), hint=hint)
