# SPDX-License-Identifier: Apache-2.0
"""An ELF file for the simulator: its segments, symbols and source lines."""

from __future__ import annotations

import bisect
import contextlib
import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import ARMAttributesSection, SymbolTableSection

from ascmcu.errors import InputError
from ascmcu.toolchain.elf import BROKEN, reading

_EXECUTABLE = 1
_WRITABLE = 2
_MAGIC = b"\x7fELF"
# Values of build attributes (Arm, "Addenda to, and Errata in, the ABI", 3.3.5 and 3.3.6).
_ARMV7E_M = 13
_SINGLE_ONLY = 1


@dataclass(frozen=True)
class Segment:
    """Bytes to load at ``load_address``; the program expects them at ``run_address`` (start-up code copies)."""

    load_address: int
    run_address: int
    data: bytes
    memory_bytes: int
    executable: bool
    writable: bool


@dataclass(frozen=True)
class Symbol:
    """A named address, without the Thumb bit."""

    name: str
    address: int
    size_bytes: int
    function: bool


def _symbol_hint(near: list[str], has_symbols: bool) -> str:
    if near:
        return f"did you mean {' or '.join(near)}?"
    if not has_symbols:
        return "the file is stripped; keep its symbols"
    return "inlined into its callers, or removed by the linker? nm lists what is there"


class Image:
    """A bare-metal Arm ELF.

    Args:
        path: the file.

    Raises:
        InputError: not readable, not an ELF, not a 32-bit little-endian Arm executable.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with reading(path):
            content = path.read_bytes()
        if not content.startswith(_MAGIC):
            raise InputError(
                "not a readable ELF file",
                where=str(path),
                found=f"it begins with {content[:4].hex(' ')}" if content else "an empty file",
                hint="give the .elf or .axf that the linker wrote, not a .bin or .hex made of it",
            )
        with reading(path):
            self._elf = ELFFile(io.BytesIO(content))
            header = self._elf.header
        if header["e_machine"] != "EM_ARM" or self._elf.elfclass != 32 or not self._elf.little_endian:
            order = "little" if self._elf.little_endian else "big"
            raise InputError(
                "not a program for a Cortex-M4",
                where=str(path),
                found=f"{self._elf.elfclass}-bit {order}-endian {str(header['e_machine']).removeprefix('EM_')}",
                expected="32-bit little-endian Arm",
            )
        if header["e_type"] != "ET_EXEC":
            raise InputError(
                "not an executable",
                where=str(path),
                found=header["e_type"],
                expected="a linked program",
                hint="link it with the board's linker script",
            )
        self.entry: int = header["e_entry"]
        with reading(path):  # at once: a damaged table is found before anything runs
            self.segments = self._segments()
            self.symbols = self._symbols()

    def _segments(self) -> tuple[Segment, ...]:
        """The loadable segments that hold bytes or reserve memory."""
        return tuple(
            Segment(
                load_address=s["p_paddr"] if s["p_filesz"] else s["p_vaddr"],
                run_address=s["p_vaddr"],
                data=s.data(),
                memory_bytes=s["p_memsz"],
                executable=bool(s["p_flags"] & _EXECUTABLE),
                writable=bool(s["p_flags"] & _WRITABLE),
            )
            for s in self._elf.iter_segments()
            if s["p_type"] == "PT_LOAD" and s["p_memsz"]
        )

    @cached_property
    def built_for(self) -> str | None:
        """What the file's build attributes say it needs beyond a Cortex-M4 (Arm's ABI addenda, 3.3); None: nothing."""
        section = self._elf.get_section_by_name(".ARM.attributes")
        if not isinstance(section, ARMAttributesSection):
            return None
        tags: dict[str, int] = {}
        with contextlib.suppress(*BROKEN):
            for part in section.iter_subsections():
                for scope in part.iter_subsubsections():
                    tags |= {a.tag: a.value for a in scope.iter_attributes() if isinstance(a.value, int)}
        if tags.get("TAG_CPU_ARCH", 0) > _ARMV7E_M:
            return "Armv8-M or another architecture than Armv7E-M"
        if tags.get("TAG_FP_ARCH", 0) and tags.get("TAG_ABI_HARDFP_USE", 0) != _SINGLE_ONLY:
            return "an FPU with double precision"
        return None

    @cached_property
    def vector_table(self) -> int | None:
        """Where the initial stack pointer and reset vector are: the lowest loaded address that can be one.

        None for a program that only has an entry point.
        """
        for segment in sorted(self.segments, key=lambda s: s.load_address):
            if len(segment.data) >= 8:
                stack, reset = (int.from_bytes(segment.data[n : n + 4], "little") for n in (0, 4))
                if stack % 4 == 0 and 0x1000_0000 <= stack < 0x4000_0000 and reset & 1:
                    return segment.load_address
        return None

    def word(self, address: int) -> int:
        """A word of the loaded bytes, by load address.

        Raises:
            InputError: the file has nothing there.
        """
        for segment in self.segments:
            offset = address - segment.load_address
            if 0 <= offset <= len(segment.data) - 4:
                return int.from_bytes(segment.data[offset : offset + 4], "little")
        raise InputError("address not in the file", where=str(self.path), found=f"{address:#010x}")

    @property
    def initial_stack(self) -> int | None:
        """The stack pointer of the vector table, None without one."""
        return None if self.vector_table is None else self.word(self.vector_table)

    def _symbols(self) -> tuple[Symbol, ...]:
        """All named addresses of functions, objects and labels."""
        found = []
        for section in self._elf.iter_sections():
            if not isinstance(section, SymbolTableSection):
                continue
            for symbol in section.iter_symbols():
                kind = symbol["st_info"]["type"]
                if not symbol.name or symbol.name.startswith("$") or symbol["st_shndx"] == "SHN_UNDEF":
                    continue
                if kind in ("STT_FUNC", "STT_OBJECT", "STT_NOTYPE"):
                    function = kind == "STT_FUNC"
                    address = symbol["st_value"] & ~1 if function else symbol["st_value"]
                    found.append(Symbol(symbol.name, address, symbol["st_size"], function))
        return tuple(found)

    def symbol(self, name: str) -> Symbol:
        """The symbol of that name; functions are preferred.

        Raises:
            InputError: there is none.
        """
        named = sorted((s for s in self.symbols if s.name == name), key=lambda s: not s.function)
        if not named:
            import difflib

            near = difflib.get_close_matches(name, [s.name for s in self.symbols], n=3)
            raise InputError(
                "no such symbol",
                where=str(self.path),
                found=name,
                hint=_symbol_hint(near, bool(self.symbols)),
            )
        return named[0]

    def find(self, name: str) -> int | None:
        """The address of a symbol, None when there is none."""
        return next((s.address for s in self.symbols if s.name == name), None)

    @cached_property
    def functions(self) -> tuple[Symbol, ...]:
        """Functions by address, one per address; labels in code stand in where nothing better is known."""
        chosen: dict[int, Symbol] = {}
        code = [(s.run_address, s.run_address + s.memory_bytes) for s in self.segments if s.executable]
        for symbol in self.symbols:
            if not any(start <= symbol.address < end for start, end in code):
                continue
            if not symbol.function and symbol.size_bytes:
                continue
            current = chosen.get(symbol.address)
            if current is None or _rank(symbol) > _rank(current):
                chosen[symbol.address] = symbol
        real = [s for s in chosen.values() if s.function]
        labels = [s for s in chosen.values() if not s.function and not _inside(s, real)]
        return tuple(sorted(real + labels, key=lambda s: s.address))

    @cached_property
    def _function_starts(self) -> list[int]:
        return [s.address for s in self.functions]

    def function_at(self, address: int) -> Symbol | None:
        """The function that holds an address, None when nothing is known."""
        position = bisect.bisect_right(self._function_starts, address) - 1
        if position < 0:
            return None
        found = self.functions[position]
        if found.size_bytes and address >= found.address + found.size_bytes:
            return None
        return found

    def place(self, address: int) -> str:
        """An address for people: function and offset, with the source line where DWARF has it."""
        function = self.function_at(address)
        name = f"{function.name}+{address - function.address:#x}" if function else "?"
        line = self.line_at(address)
        return f"{address:#010x} {name}" + (f" ({line})" if line else "")

    @cached_property
    def _lines(self) -> list[tuple[int, int, str]]:
        """(start, end, "file:line") from DWARF, sorted; empty without debug information."""
        rows: list[tuple[int, int, str]] = []
        with contextlib.suppress(*BROKEN):  # damaged debug information: the program runs without lines
            if self._elf.has_dwarf_info():
                dwarf = self._elf.get_dwarf_info()
                for unit in dwarf.iter_CUs():
                    program = dwarf.line_program_for_CU(unit)
                    if program is not None:
                        rows += _unit_lines(program)
        return sorted(rows)

    def line_at(self, address: int) -> str | None:
        """ "file:line" of an address, None without debug information."""
        position = bisect.bisect_right(self._lines, (address, 1 << 32, "")) - 1
        if position < 0:
            return None
        start, end, line = self._lines[position]
        return line if start <= address < end else None


def _rank(symbol: Symbol) -> tuple[bool, int, bool]:
    return (symbol.function, symbol.size_bytes, not symbol.name.startswith("_"))


def _inside(symbol: Symbol, functions: list[Symbol]) -> bool:
    return any(f.address < symbol.address < f.address + f.size_bytes for f in functions)


def _unit_lines(program: Any) -> list[tuple[int, int, str]]:
    """The address ranges of one compilation unit's line program."""
    rows = []
    files = program.header["file_entry"]
    first = 0 if program.header["version"] >= 5 else 1
    previous = None
    for entry in program.get_entries():
        state = entry.state
        if state is None:
            continue
        if previous is not None and not previous.end_sequence and state.address > previous.address:
            position = previous.file - first
            name = files[position].name.decode(errors="replace") if 0 <= position < len(files) else "?"
            rows.append((previous.address, state.address, f"{name}:{previous.line}"))
        previous = None if state.end_sequence else state
    return rows
