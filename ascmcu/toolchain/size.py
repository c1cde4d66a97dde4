# SPDX-License-Identifier: Apache-2.0
"""RAM and flash of a firmware, in total and by purpose, from its ELF file.

``firmware.ld`` gives every kind of memory its own output section, so that the sizes of the sections are the
report: nothing is estimated, and the parts add up to the total.
"""

from __future__ import annotations

from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Section, SymbolTableSection

from ascmcu.boards import Memory
from ascmcu.errors import BuildError
from ascmcu.toolchain.elf import reading

# Output section of firmware.ld → the name it is reported under.
_FLASH = {
    ".vectors": "code",
    ".flash_config": "code",
    ".text": "code",
    ".fast_code": "code",
    ".weights": "weights",
    ".fast_weights": "weights",
    ".feature_tables": "feature_tables",
    ".dsp_tables": "dsp_tables",
    ".rodata": "constants",
    ".ARM.exidx": "constants",
    ".data": "data",
}
_RAM = {
    ".activations": "activations",
    ".feature_buffers": "features",
    ".protocol_buffers": "protocol",
    ".transmit_buffers": "protocol",
    ".stack": "stack",
    ".data": "data",
    ".bss": "data",
    ".kept": "data",
    ".fast_weights": "weights",
    ".fast_code": "code",
}
_OTHER_MEMORY = 1024
_ALLOCATED = 0x2  # SHF_ALLOC: the section takes room in the device's memory


def sizes(elf: Path) -> tuple[dict[str, int], dict[str, int]]:
    """RAM and flash in bytes by purpose, each with a ``total`` that is the sum of the others.

    ``padding`` is what the alignment between sections costs. ``stack`` is what is reserved; the peak is
    measured on the running firmware.

    Raises:
        BuildError: a section that firmware.ld does not name takes room.
    """
    ram = {"total": 0, **dict.fromkeys(_RAM.values(), 0), "padding": 0}
    flash = {"total": 0, **dict.fromkeys(_FLASH.values(), 0), "padding": 0}
    with reading(elf), elf.open("rb") as file:
        image = ELFFile(file)
        sections = [s for s in image.iter_sections() if s["sh_flags"] & _ALLOCATED and s["sh_size"]]
        for section in sections:
            if section.name not in _RAM and section.name not in _FLASH:
                raise BuildError(
                    "a section is missing from the memory report", where=elf.name, found=section.name
                )
        runs = [(int(s["sh_addr"]), s) for s in sections if s.name in _RAM]
        # What start-up copies lies in flash where it is loaded from.
        loads = [(_load_address(image, s), s) for s in sections if s.name in _FLASH]
    for table, names, placed in ((ram, _RAM, runs), (flash, _FLASH, loads)):
        end: int | None = None
        for start, section in sorted(placed, key=lambda pair: pair[0]):
            size = int(section["sh_size"])
            table[names[section.name]] += size
            gap = 0 if end is None else start - end
            # Alignment costs a few bytes; what is further away lies in another memory.
            table["padding"] += gap if names is _FLASH or gap < _OTHER_MEMORY else 0
            end = start + size
        table["total"] = sum(table.values())
    return ram, flash


def _load_address(image: ELFFile, section: Section) -> int:
    """Where a programmer writes the section."""
    inside = (segment for segment in image.iter_segments("PT_LOAD") if segment.section_in_segment(section))
    segment = next(inside, None)
    here = int(section["sh_addr"])
    return here if segment is None else here - int(segment["p_vaddr"]) + int(segment["p_paddr"])


def end_of(elf: Path, memory: Memory) -> int:
    """The first address of a memory that an image leaves free: all that it places there is before."""
    with reading(elf), elf.open("rb") as file:
        sections = [s for s in ELFFile(file).iter_sections() if s["sh_flags"] & _ALLOCATED and s["sh_size"]]
        ends = [int(s["sh_addr"]) + int(s["sh_size"]) for s in sections]
    return max((end for end in ends if memory.origin < end <= memory.end), default=memory.origin)


def functions(compiled: Path, elf: Path) -> list[tuple[str, int]]:
    """The functions of one object file that are in an image: name and bytes."""
    found, kept = _functions(compiled), _functions(elf)
    return [(name, size_bytes) for name, size_bytes in found.items() if name in kept]


def _functions(file_of_code: Path) -> dict[str, int]:
    with reading(file_of_code), file_of_code.open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        symbols = table.iter_symbols() if isinstance(table, SymbolTableSection) else ()
        own = [s for s in symbols if s["st_info"]["type"] == "STT_FUNC" and s["st_size"]]
        return {symbol.name: int(symbol["st_size"]) for symbol in own}


def symbols(elf: Path) -> list[tuple[str, str, int]]:
    """Functions and constants in flash: name, the part that ``sizes`` reports them under, bytes.

    What a section holds beside its symbols (literal pools' padding, strings without a name) is no entry.
    """
    found: dict[tuple[str, str, int], int] = {}
    with reading(elf), elf.open("rb") as file:
        image = ELFFile(file)
        table = image.get_section_by_name(".symtab")
        for symbol in table.iter_symbols() if isinstance(table, SymbolTableSection) else ():
            number = symbol["st_shndx"]
            if not symbol["st_size"] or not isinstance(number, int):
                continue
            part = _FLASH.get(image.get_section(number).name)
            if part is not None:  # an alias has the address of what it stands for
                found[(symbol.name, part, int(symbol["st_value"]) & ~1)] = int(symbol["st_size"])
    addresses: dict[int, tuple[str, str, int]] = {}
    for (name, part, address), size_bytes in sorted(found.items()):
        addresses.setdefault(address, (name, part, size_bytes))
    return list(addresses.values())
