# SPDX-License-Identifier: Apache-2.0
"""Unicorn's Cortex-M4 behind a small typed surface.

The C functions are called through ctypes directly where it matters: the Python binding looks up a register's
class on every access, which is most of the cost of an interrupt.
"""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

_unicorn: Any = importlib.import_module("unicorn")
_binding: Any = importlib.import_module("unicorn.unicorn_py3.unicorn")
const: Any = importlib.import_module("unicorn.unicorn_const")
reg: Any = importlib.import_module("unicorn.arm_const")

EmulatorError: Any = _unicorn.UcError
NAMES = (*(f"r{n}" for n in range(13)), "sp", "lr", "pc")
CORE: tuple[int, ...] = tuple(getattr(reg, f"UC_ARM_REG_{name.upper()}") for name in NAMES)
SINGLES: tuple[int, ...] = tuple(getattr(reg, f"UC_ARM_REG_S{n}") for n in range(32))
UNTIL = 0xFFFFFFFE  # no code can be there: emulation ends otherwise


def entry_point(name: str) -> int:
    """The address of one of the library's functions, for native callers."""
    return ctypes.cast(getattr(_binding.uclib, name), ctypes.c_void_p).value or 0


class Cpu:
    """A core with nothing around it yet. Registers are named by ``reg`` constants."""

    def __init__(self) -> None:
        self.engine: Any = _unicorn.Uc(const.UC_ARCH_ARM, const.UC_MODE_THUMB | const.UC_MODE_MCLASS)
        self.engine.ctl_set_cpu_model(reg.UC_CPU_ARM_CORTEX_M4)
        self._handle: Any = self.engine._uch
        self._word = ctypes.c_uint64()
        self._at = ctypes.byref(self._word)
        self._read: Callable[..., int] = _binding.uclib.uc_reg_read
        self._write: Callable[..., int] = _binding.uclib.uc_reg_write
        self._kept: list[Any] = []

    # Registers and memory.

    def read(self, register: int) -> int:
        """A 32-bit register."""
        self._word.value = 0
        self._read(self._handle, register, self._at)
        return self._word.value & 0xFFFFFFFF

    def write(self, register: int, value: int) -> None:
        """Set a 32-bit register."""
        self._word.value = value & 0xFFFFFFFF
        self._write(self._handle, register, self._at)

    def read_all(self, registers: Iterable[int]) -> list[int]:
        """Several registers."""
        return [self.read(r) for r in registers]

    def write_all(self, registers: Sequence[int], values: Sequence[int]) -> None:
        """Set several registers."""
        for register, value in zip(registers, values, strict=True):
            self.write(register, value)

    def dump(self) -> dict[str, int]:
        """The core registers and xPSR by name."""
        return dict(zip(NAMES, self.read_all(CORE), strict=True)) | {"xpsr": self.read(reg.UC_ARM_REG_XPSR)}

    def load(self, address: int, count: int) -> bytes:
        """Bytes of memory; EmulatorError where none is."""
        return bytes(self.engine.mem_read(address, count))

    def store(self, address: int, data: bytes) -> None:
        """Write memory, read-only memory too; EmulatorError where none is."""
        self.engine.mem_write(address, data)

    def word(self, address: int) -> int:
        """A 32-bit word of memory."""
        return int.from_bytes(self.load(address, 4), "little")

    # Building.

    def map_memory(self, address: int, size_bytes: int, writable: bool, host_address: int) -> None:
        """Back guest memory with host memory."""
        rights = const.UC_PROT_ALL if writable else const.UC_PROT_READ | const.UC_PROT_EXEC
        self.engine.mem_map_ptr(address, size_bytes, rights, host_address)

    def regions(self) -> list[tuple[int, int]]:
        """Mapped address ranges, both ends included."""
        return [(begin, end) for begin, end, _ in self.engine.mem_regions()]

    def map_registers(self, start: int, end: int, read: int, write: int, user: int) -> None:
        """Make a range one of registers: C functions of ``uc_mmio_map``'s kind, and the pointer they are given."""
        self._check(
            _binding.uclib.uc_mmio_map(
                self._handle,
                ctypes.c_uint64(start),
                ctypes.c_size_t(end - start),
                ctypes.c_void_p(read),
                ctypes.c_void_p(user),
                ctypes.c_void_p(write),
                ctypes.c_void_p(user),
            )
        )

    def hook_native(self, kind: int, callback: int, user: int, begin: int, end: int) -> None:
        """``uc_hook_add`` with a C function; the binding only takes Python ones."""
        handle = ctypes.c_size_t()
        self._kept.append(handle)
        self._check(
            _binding.uclib.uc_hook_add(
                self._handle,
                ctypes.byref(handle),
                ctypes.c_int(kind),
                ctypes.c_void_p(callback),
                ctypes.c_void_p(user),
                ctypes.c_uint64(begin),
                ctypes.c_uint64(end),
            )
        )

    def hook(self, kind: int, callback: Callable[..., Any]) -> None:
        """A Python callback, for what is rare."""
        self.engine.hook_add(kind, callback)

    def forget_translation(self, begin: int, end: int) -> None:
        """Drop translated code, so that new hooks take effect in it."""
        self.engine.ctl_remove_cache(begin, end)

    # Running.

    def start(self, address: int) -> None:
        """Run until stopped; EmulatorError for what the guest must not do."""
        self.engine.emu_start(address | 1, UNTIL)

    def stop(self) -> None:
        """Stop at the next chance."""
        self.engine.emu_stop()

    def _check(self, status: int) -> None:
        if status:
            raise EmulatorError(status)
