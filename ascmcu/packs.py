# SPDX-License-Identifier: Apache-2.0
"""Read parts from their vendors' CMSIS packs: memories and flash algorithms, for a new board's description.

The index is read through cmsis-pack-manager: the public one, one at another address, or a file that it has written
before. What a pack does not say (clock tree, pins) is not said here either.
"""

from __future__ import annotations

import difflib
import json
import re
import tempfile
import xml.etree.ElementTree
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ascmcu import extras, paths
from ascmcu.boards import MemoryKind
from ascmcu.errors import BoardError, InputError, ToolError

_FAMILIES = {
    r"STM32F3\w+": "stm32f3",
    r"STM32F4\w+": "stm32f4",
    r"STM32G4\w+": "stm32g4",
    r"STM32L4\w+": "stm32l4",
    r"STM32WB55\w+": "stm32wb",
    r"ATSAM[DE]5\w+": "samd5",
    r"nRF52840\w*": "nrf52",
    r"MK6[46]F?N\w+": "kinetis_k",
}
# Where RAM lies that the STM32F3's, F4's and G4's DMA does not reach; the L4 has ordinary RAM there.
_CCM = 0x1000_0000


@dataclass(frozen=True)
class PartMemory:
    """A memory of a part, named and sorted as boards do."""

    name: str
    kind: MemoryKind
    origin: int
    size_bytes: int
    note: str = ""


@dataclass(frozen=True)
class Part:
    """A part of a pack. ``algorithms`` are the names of its flash algorithms, ``pack`` says which pack it is."""

    name: str
    family: str
    core: str
    memories: tuple[PartMemory, ...]
    algorithms: tuple[str, ...]
    pack: str


def folder() -> Path:
    """Where indices are cached."""
    return paths.cache() / "packs"


def load_index(source: str | None = None, *, update: bool = False) -> dict[str, Any]:
    """The index of all parts: cached, else fetched.

    Args:
        source: the address of an index (``….pidx``), or an ``index.json`` that was written before; None for the
            public index.
        update: fetch it again.

    Raises:
        ToolError: cmsis-pack-manager is not installed, or the index cannot be fetched.
        InputError: the file is no index.
    """
    if source is not None and not source.startswith(("http://", "https://")):
        return _read(Path(source))
    here = folder() / ("public" if source is None else re.sub(r"\W+", "-", source))
    cached = here / "index.json"
    if update or not cached.is_file():
        _fetch(source, here)
    return _read(cached)


def _read(path: Path) -> dict[str, Any]:
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError("not an index of parts", where=str(path), found=str(error)) from error
    if not isinstance(index, dict) or not all(
        isinstance(v, dict) and "memories" in v for v in index.values()
    ):
        raise InputError("not an index of parts", where=str(path), expected="what cmsis-pack-manager writes")
    return index


def _fetch(source: str | None, here: Path) -> None:
    manager: Any = extras.load("cmsis_pack_manager", "flash", "the packs need cmsis-pack-manager")
    here.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=here) as scratch:
        addresses = None
        if source is not None:
            addresses = str(Path(scratch) / "addresses")
            Path(addresses).write_text(source + "\n", encoding="utf-8")
        cache = manager.Cache(True, False, json_path=scratch, data_path=str(here), vidx_list=addresses)
        try:
            cache.cache_descriptors()
        except Exception as error:  # whatever its native half reports
            raise ToolError("the index of parts cannot be fetched", where=source, found=str(error)) from error
        made = Path(scratch) / "index.json"
        if not made.is_file() or made.read_text(encoding="utf-8").strip() in ("", "{}"):
            raise ToolError(
                "the index of parts is empty",
                where=source or "the public index",
                hint="check the network connection, or give an index with --index FILE",
            )
        made.replace(here / "index.json")


def find(name: str, index: dict[str, Any]) -> Part:
    """The part of that name, in any case of letters.

    Raises:
        BoardError: there is none (near matches are suggested), or one that no firmware here is for.
    """
    by_name = {key.lower(): key for key in index}
    key = by_name.get(name.lower())
    if key is None:
        near = difflib.get_close_matches(name.lower(), list(by_name), n=3, cutoff=0.6)
        raise BoardError(
            "no such part in the packs",
            found=name,
            expected=f"one of {len(index)} parts",
            hint=f"did you mean {' or '.join(by_name[n] for n in near)}?"
            if near
            else "--update fetches the index again",
        )
    return _part(key, index[key])


def family_of(name: str) -> str:
    """The family of a part's name.

    Raises:
        BoardError: no firmware here is for it; says what it would take.
    """
    family = next((f for pattern, f in _FAMILIES.items() if re.fullmatch(pattern, name, re.IGNORECASE)), None)
    if family is None:
        raise BoardError(
            "no firmware for this part's family",
            found=name,
            expected=", ".join(sorted(set(_FAMILIES.values()))),
            hint="a new family takes clock and serial port in C, about 250 lines, and an entry in a table: "
            "docs/add-a-board.md; --format library needs no board",
        )
    return family


def told(name: str, flash_bytes: int, ram_bytes: int) -> Part:
    """A part whose memories the user says, at the family's usual addresses.

    Raises:
        BoardError: no firmware here is for its family.
    """
    family = family_of(name)
    flash_at, ram_at = (0x0800_0000 if family.startswith("stm32") else 0, 0x2000_0000)
    memories = (
        PartMemory("flash", "flash", flash_at, flash_bytes),
        PartMemory("sram", "ram", ram_at, ram_bytes),
    )
    return Part(name, family, "cortex-m4f", memories, (), "what was answered")


def read_pack(path: Path, name: str) -> Part:
    """A part of a pack on disk: a ``.pack``, or its ``.pdsc`` alone.

    Raises:
        InputError: the file is no pack.
        BoardError: it has no such part, or one that no firmware here is for.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                inner = next((n for n in archive.namelist() if n.endswith(".pdsc") and "/" not in n), None)
                if inner is None:
                    raise InputError(
                        "the archive is no CMSIS pack", where=str(path), expected="a .pdsc in it"
                    )
                text = archive.read(inner)
        else:
            text = path.read_bytes()
        root = xml.etree.ElementTree.fromstring(text)
    except (OSError, xml.etree.ElementTree.ParseError) as error:
        raise InputError("not a CMSIS pack", where=str(path), found=str(error)) from error
    return find(name, _index(root))


def _index(root: xml.etree.ElementTree.Element) -> dict[str, Any]:
    """The devices of a description, as cmsis-pack-manager lists them."""
    release = root.find("releases/release")
    origin = {
        "vendor": root.findtext("vendor", ""),
        "pack": root.findtext("name", ""),
        "version": "" if release is None else release.get("version", ""),
    }
    found: dict[str, Any] = {}
    for family in root.iterfind("devices/family"):
        for sub in (family, *family.iterfind("subFamily")):
            for device in sub.iterfind("device"):
                for variant in (device, *device.iterfind("variant")):
                    chain = [family] if sub is family else [family, sub]
                    chain += [device] if variant is device else [device, variant]
                    name = variant.get("Dname") or variant.get("Dvariant") or ""
                    found[name] = {**_device(chain), "from_pack": origin}
    return found


def _device(chain: list[xml.etree.ElementTree.Element]) -> dict[str, Any]:
    """What a device and what it is part of say: the inner ones add and replace."""
    core: dict[str, str] = {}
    memories: dict[str, Any] = {}
    algorithms: list[dict[str, str]] = []
    for element in chain:
        for processor in element.iterfind("processor"):
            core |= processor.attrib
        for memory in element.iterfind("memory"):
            name = memory.get("id") or memory.get("name") or ""
            access = memory.get("access") or ("rx" if name.startswith("IROM") else "rwx")
            memories[name] = {
                "access": {"read": "r" in access, "write": "w" in access, "execute": "x" in access},
                "start": int(memory.get("start", "0"), 0),
                "size": int(memory.get("size", "0"), 0),
            }
        algorithms += [{"file_name": a.get("name", "")} for a in element.iterfind("algorithm")]
    fpu = core.get("Dfpu", "0")
    single = fpu in ("1", "SP_FPU", "FPU")
    kind = {"core": core.get("Dcore", "").replace("-", ""), "fpu": "SP" if single else None}
    return {"processors": [kind], "memories": memories, "algorithms": algorithms}


def _part(name: str, raw: dict[str, Any]) -> Part:
    family = family_of(name)
    core = raw["processors"][0] if raw.get("processors") else {}
    if core.get("core") != "CortexM4" or core.get("fpu") in (None, "None"):
        raise BoardError(
            "not a Cortex-M4 with a floating-point unit",
            where=name,
            found=f"{core.get('core')}, FPU {core.get('fpu')}",
        )
    origin = raw["from_pack"]
    return Part(
        name=name,
        family=family,
        core="cortex-m4f",
        memories=_memories(name, family, raw["memories"]),
        algorithms=tuple(Path(a["file_name"].replace("\\", "/")).name for a in raw.get("algorithms", ())),
        pack=f"{origin['vendor']}.{origin['pack']} {origin['version']}",
    )


def _memories(name: str, family: str, raw: dict[str, Any]) -> tuple[PartMemory, ...]:
    """Flash and RAM; of several RAMs behind one another one is made, aliases of a memory are left out."""
    flash = [
        m
        for m in raw.values()
        if m["access"]["execute"] and not m["access"]["write"] and m["start"] < 0x1000_0000
    ]
    if not flash:
        raise BoardError("the pack names no flash", where=name, found=", ".join(raw))
    whole = max(flash, key=lambda m: int(m["size"]))
    made = [PartMemory("flash", "flash", whole["start"], whole["size"])]
    rams = sorted(
        (m["start"], m["size"], key)
        for key, m in raw.items()
        if m["access"]["write"] and m["start"] < 1 << 30
    )
    joined: list[tuple[int, int, str]] = []
    for start, size, key in rams:
        if joined and start == joined[-1][0] + joined[-1][1]:
            first, length, names = joined.pop()
            joined.append((first, length + size, f"{names} + {key}"))
        elif not joined or start > joined[-1][0] + joined[-1][1]:
            joined.append((start, size, key))
    for start, size, names in joined:
        apart = start < 0x2000_0000 and (family != "stm32l4")
        kind: MemoryKind = "ccm" if apart and start >= _CCM else "ram"
        base = "ccm" if kind == "ccm" else "sram"
        taken = sum(m.name.startswith(base) for m in made)
        made.append(PartMemory(f"{base}{taken + 1}" if taken else base, kind, start, size, f" # {names}"))
    return tuple(made)
