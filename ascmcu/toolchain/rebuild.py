# SPDX-License-Identifier: Apache-2.0
"""What makes a firmware again without ascmcu: all sources beside the generated ones, and a Makefile."""

from __future__ import annotations

import shutil
from pathlib import Path

from ascmcu import paths
from ascmcu.boards import Board
from ascmcu.jinja import render
from ascmcu.toolchain import cmsis_dsp
from ascmcu.toolchain.flags import CORE
from ascmcu.toolchain.gcc import LINK, Optimize, firmware_units

FOLDER = "rebuild"


def write(
    folder: Path,
    board: Board,
    *,
    frontend: bool,
    optimize: Optimize,
    network: Optimize | None,
    build_sha256: str,
) -> None:
    """Put ``rebuild/`` into an export: `make -C rebuild` gives the same bytes as ``firmware.bin``.

    Args:
        folder: the export, built.
        board: what it was built for.
        frontend, optimize, network, build_sha256: as in ``gcc.build_firmware``.
    """
    units, flags = firmware_units(
        folder, board, frontend=frontend, optimize=optimize, network=network, build_sha256=build_sha256
    )
    place = _Places(
        folder, cmsis_dsp.sources().root if any("isystem" in f for u in units for f in u.flags) else None
    )
    rows = []
    for unit in units:
        own = [place.option(flag) for flag in unit.flags if not flag.startswith("-W")]
        rows.append(
            (unit.name, place.of(unit.source), " ".join(f"'{flag}'" if '"' in flag else flag for flag in own))
        )
    for root, _, name in place.roots[1:]:
        _copy_headers(root, folder / FOLDER / name)
    for unit in units:
        to = folder / FOLDER / place.of(unit.source)
        if not unit.source.is_relative_to(folder):
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(unit.source, to)
    text = render(
        "rebuild.mk.j2",
        units=rows,
        flags=" ".join(flags),
        link=" ".join((*CORE, *LINK)),
        build_sha256=build_sha256,
    )
    (folder / FOLDER / "Makefile").write_text(text, encoding="utf-8")


class _Places:
    """Where a file lies, seen from ``rebuild/``."""

    def __init__(self, folder: Path, dsp: Path | None) -> None:
        self.roots = [(folder, "..", ""), (paths.firmware(), "firmware", "firmware")]
        if dsp is not None:
            self.roots.append((dsp, "cmsis-dsp", "cmsis-dsp"))

    def of(self, path: Path) -> str:
        """A path below one of the roots."""
        root, name, _ = next(row for row in self.roots if path.is_relative_to(row[0]))
        rest = path.relative_to(root).as_posix()
        return name if rest == "." else f"{name}/{rest}"

    def option(self, flag: str) -> str:
        """A flag with its folder as it lies here."""
        for begin in ("-isystem", "-I"):
            if flag.startswith(begin):
                return begin + self.of(Path(flag.removeprefix(begin)))
        return flag


def _copy_headers(root: Path, to: Path) -> None:
    """All headers, where they lie; the parts of other families are few and small."""
    for path in root.rglob("*.h"):
        place = to / path.relative_to(root)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
