# SPDX-License-Identifier: Apache-2.0
"""Compiles an export: for its board with arm-none-eabi-gcc, or for this machine with the host's compiler.

All flags are constants here and travel into the manifest and the firmware's hello. Floating-point code is
compiled without contraction in both builds, so that the front end computes the same bits in both.
"""

from __future__ import annotations

import concurrent.futures
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from elftools.elf.elffile import ELFFile

from ascmcu import __version__, boards, paths
from ascmcu import scratch as scratches
from ascmcu.boards import Board
from ascmcu.codegen.board import linker_script
from ascmcu.errors import BoardError, BuildError, GeneratedCodeError, ToolError, why
from ascmcu.kernels import Optimize as Optimize  # re-exported
from ascmcu.toolchain import cmsis_dsp
from ascmcu.toolchain.flags import CORE, LANGUAGE, WARNINGS
from ascmcu.toolchain.identity import UNIDENTIFIED, digest, place
from ascmcu.toolchain.size import sizes

Progress = Callable[[int, int], None]
# (image with everything in flash, network's object file, whether buffers lie in the second memory) → another linker
# script, or None where nothing is to be moved.
Arrange = Callable[[Path, Path, bool], str | None]

LEVELS: dict[str, str] = {"cycles": "-O3", "balanced": "-O2", "flash": "-Os"}
# Sources that know the build by name: what says hello, and what keeps a fault for the same build.
_NAMED = ("protocol", "kept")
_LANGUAGE = (*LANGUAGE, "-ffunction-sections", "-fdata-sections", "-g")
LINK = (
    "-nostartfiles",
    "-Wl,--gc-sections",
    "--specs=nano.specs",
    "-Wl,--no-warn-rwx-segments",
)
_INCLUDES = ("-I", "-isystem")
_ALLOCATED = 2  # SHF_ALLOC
# Of a compiler's output: what follows the first error seldom tells more.
_HEAD_LINES = 20
_ATTACH = "report it; attach the model, the command, the export's folder and the compiler's first lines, shown below"
_SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")


@dataclass(frozen=True)
class BuildReport:
    """What a build made. ``ram_bytes`` and ``flash_bytes`` as in :mod:`ascmcu.toolchain.size`.

    ``warnings``: what the compiler and the linker said of it, a line each; another compiler than ours may warn.
    ``build_sha256``: what the firmware's hello names as its build.
    """

    elf: Path
    compiler: str
    flags: str
    ram_bytes: dict[str, int] = field(default_factory=dict)
    flash_bytes: dict[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    build_sha256: str = UNIDENTIFIED


@dataclass(frozen=True)
class Unit:
    """One C file and what it needs beyond the common flags; ``name`` is its object file."""

    source: Path
    name: str
    flags: tuple[str, ...]


def strict(option: str = "-Werror") -> tuple[str, ...]:
    """``option`` where ``ASCMCU_STRICT`` is set, as our tests do; no warning stands between a user and a firmware."""
    return (option,) if os.environ.get("ASCMCU_STRICT") else ()


def find_tool(name: str, package: str) -> str:
    """The full path of a program on PATH.

    Raises:
        ToolError: it is not there; says how to install it.
    """
    found = shutil.which(name)
    if found is None:
        raise ToolError(
            f"{name} is not installed",
            hint=f"sudo apt-get install {package}; `ascmcu doctor` lists everything that is missing",
        )
    return found


def compiler_version(compiler: str) -> str:
    """The first line that the compiler says of itself.

    Raises:
        ToolError: it cannot be started, or ends without saying anything.
    """
    name = Path(compiler).name
    try:
        done = subprocess.run(
            [compiler, "--version"], capture_output=True, encoding="utf-8", errors="replace", check=False
        )
    except OSError as error:
        raise ToolError(f"{name} cannot be started", where=compiler, found=why(error)) from error
    if done.returncode or not done.stdout:
        raise ToolError(
            f"{name} does not report its version", where=f"{compiler} --version",
            found=f"exit status {done.returncode}", details=done.stderr,
        )  # fmt: skip
    return done.stdout.splitlines()[0]


def host_identity(folder: Path, *, frontend: bool, sanitize: bool = False, profile: bool = True) -> str:
    """What ``build_host`` of these arguments compiles, as one SHA-256.

    Raises:
        ToolError: no C compiler.
    """
    gcc = find_tool("gcc", "gcc libc6-dev")
    flags = _host_flags(sanitize)
    units = _units(folder, ("host",), frontend=frontend, profile=profile, flags=flags)
    return _identity(folder, (compiler_version(gcc), *flags), units, [])


def _identity(
    folder: Path, facts: Sequence[str], units: Sequence[Unit], files: list[tuple[str, Path]]
) -> str:
    """Sources, all headers that they may include, and their flags without this machine's paths."""
    roots = (("export", folder), ("firmware", paths.firmware()))
    texts = [f"{u.name} {' '.join(f for f in u.flags if not f.startswith(_INCLUDES))}" for u in units]
    found = {u.source for u in units}
    for flag in {f for u in units for f in u.flags if f.startswith(_INCLUDES)}:
        here = Path(flag.removeprefix("-isystem").removeprefix("-I"))
        found.update(here.rglob("*.h") if flag.startswith("-isystem") else here.glob("*.h"))
    return digest([*facts, *texts], [*files, *((place(path, roots), path) for path in found)])


def build_firmware(
    folder: Path,
    board: Board,
    *,
    frontend: bool,
    optimize: Optimize = "balanced",
    network: Optimize | None = None,
    profile: bool = True,
    build_sha256: str | None = UNIDENTIFIED,
    arrange: Arrange = lambda elf, network, second_memory: None,
    progress: Progress = lambda done, total: None,
) -> BuildReport:
    """Compile and link ``folder`` for ``board``: firmware.elf, .bin and .hex appear in it, all or none.

    Same input, same bytes: nothing of time or place enters.

    Args:
        folder: holds the generated C and ``firmware.ld``, which becomes the script that the image was linked with.
        board: what it is compiled for.
        frontend: it has ``frontend.c`` too.
        optimize: the level of the code.
        network: the level of ``model.c``, where it is another.
        profile: count cycles per layer.
        build_sha256: what the firmware's hello names as its build; None: the SHA-256 of everything that is compiled
            and linked.
        arrange: moves what start-up copies out of the flash.
        progress: called with the files compiled and the files in all.

    Raises:
        ToolError: the cross compiler is missing.
        GeneratedCodeError: it refuses our C.
        BuildError: it failed otherwise; its output is in the error.
        BoardError: the firmware does not fit; says what it needs, what there is, and which boards would do.
    """
    gcc = find_tool("arm-none-eabi-gcc", "gcc-arm-none-eabi libnewlib-arm-none-eabi")
    objcopy = find_tool("arm-none-eabi-objcopy", "binutils-arm-none-eabi")
    version = compiler_version(gcc)  # a compiler that does not even say it is told before it compiles
    units, flags = firmware_units(
        folder, board, frontend=frontend, optimize=optimize, network=network, profile=profile
    )
    with scratches.folder() as scratch:
        all_flags = (*flags, *_maps(folder))
        objects, said = _compile(
            gcc, _naming(units, build_sha256 or UNIDENTIFIED), all_flags, scratch, progress
        )
        elf, script = scratch / "firmware.elf", folder / "firmware.ld"
        linked_with = _link_or_explain(gcc, objects, script, elf, board)
        second = linked_with != script
        if second:
            shutil.copyfile(linked_with, script)
        moved = arrange(elf, scratch / _object_name(folder / "model.c"), second)
        if moved is not None:
            script.write_text(moved, encoding="utf-8")
        if build_sha256 is None:
            facts = (version, board.name, *LINK, *flags)
            build_sha256 = _identity(folder, facts, units, [("export/firmware.ld", script)])
            named = [u for u in _naming(units, build_sha256) if u.source.stem in _NAMED]
            _compile(gcc, named, all_flags, scratch)
        linked = _link(gcc, objects, script, elf)
        if linked.returncode != 0:
            raise BuildError("linking failed", where=script.name, details=linked.stderr)
        ram, flash = sizes(elf)
        for ending, form in ((".bin", "binary"), (".hex", "ihex")):
            _run([objcopy, "-O", form, str(elf), str(elf.with_suffix(ending))], "objcopy failed")
        for ending in (".elf", ".bin", ".hex"):
            shutil.copyfile(elf.with_suffix(ending), folder / f"firmware{ending}")
    warnings = _warnings(said + linked.stderr)
    told = " ".join(flags) + ("" if network in (None, optimize) else f"; model.c: {LEVELS[network]}")
    return BuildReport(
        folder / "firmware.elf", compiler_version(gcc), told, ram, flash, warnings, build_sha256
    )


def firmware_units(
    folder: Path,
    board: Board,
    *,
    frontend: bool,
    optimize: Optimize = "balanced",
    network: Optimize | None = None,
    profile: bool = True,
    build_sha256: str = "",
) -> tuple[list[Unit], tuple[str, ...]]:
    """What ``build_firmware`` compiles, and the flags of all; with the name of a build where one is given."""
    flags = (*CORE, *_LANGUAGE, LEVELS[optimize])
    units = _units(folder, board.family.parts, frontend=frontend, profile=profile, flags=flags)
    units = _at_level(units, folder, network)
    return (_naming(units, build_sha256) if build_sha256 else units), flags


def build_listener(
    folder: Path, board: Board, microphones: Sequence[str], *, optimize: Optimize = "balanced"
) -> tuple[str, ...]:
    """Compile and link the firmware that listens to a microphone: ``listen.elf``, ``.bin`` and ``.hex`` beside
    ``firmware.elf``. Start-up copies nothing out of the flash. ``microphones`` are the sources of its microphone.

    Returns:
        the compiler's and the linker's warnings.

    Raises:
        ToolError: the cross compiler is missing.
        GeneratedCodeError: it refuses our C.
        BuildError: it failed otherwise; its output is in the error.
        BoardError: the firmware does not fit.
    """
    gcc = find_tool("arm-none-eabi-gcc", "gcc-arm-none-eabi libnewlib-arm-none-eabi")
    objcopy = find_tool("arm-none-eabi-objcopy", "binutils-arm-none-eabi")
    flags = (*CORE, *_LANGUAGE, LEVELS[optimize])
    units = _units(
        folder, board.family.parts, frontend=True, profile=False, flags=flags, microphones=microphones
    )
    with scratches.folder() as scratch:
        objects, said = _compile(gcc, units, (*flags, *_maps(folder)), scratch)
        elf = scratch / "listen.elf"
        script = scratch / "listen.ld"
        script.write_text(linker_script(board), encoding="utf-8")
        script = _link_or_explain(gcc, objects, script, elf, board)
        linked = _link(gcc, objects, script, elf)
        for ending, form in ((".bin", "binary"), (".hex", "ihex")):
            _run([objcopy, "-O", form, str(elf), str(elf.with_suffix(ending))], "objcopy failed")
        for ending in (".elf", ".bin", ".hex"):
            shutil.copyfile(elf.with_suffix(ending), folder / f"listen{ending}")
        shutil.copyfile(script, folder / "listen.ld")
    return _warnings(said + linked.stderr)


def network_bytes(folder: Path, board: Board, *, frontend: bool, optimize: Optimize) -> int:
    """Flash that ``model.c`` takes at a level, its constants included.

    Raises:
        ToolError: no cross compiler.
        GeneratedCodeError: it refuses our C.
    """
    gcc = find_tool("arm-none-eabi-gcc", "gcc-arm-none-eabi libnewlib-arm-none-eabi")
    flags = (*CORE, *_LANGUAGE, LEVELS[optimize])
    units = _units(folder, board.family.parts, frontend=frontend, profile=False, flags=flags)
    own = [unit for unit in units if unit.source == folder / "model.c"]
    with scratches.folder() as scratch:
        ((compiled,), _) = _compile(gcc, own, (*flags, *_maps(folder)), Path(scratch))
        with compiled.open("rb") as file:
            parts = [s for s in ELFFile(file).iter_sections() if s["sh_flags"] & _ALLOCATED]
            return sum(int(s["sh_size"]) for s in parts if s["sh_type"] == "SHT_PROGBITS")


def _at_level(units: Sequence[Unit], folder: Path, network: Optimize | None) -> list[Unit]:
    """``model.c`` at a level of its own."""
    if network is None:
        return list(units)
    model = folder / "model.c"
    return [replace(u, flags=(*u.flags, LEVELS[network])) if u.source == model else u for u in units]


def build_host(
    folder: Path, *, frontend: bool, sanitize: bool = False, profile: bool = True, to: Path | None = None,
    build_sha256: str = UNIDENTIFIED,
) -> Path:  # fmt: skip
    """Compile ``folder`` with the same application for this machine; serial port on stdin and stdout.

    The program is ``to``, else ``folder/host/firmware`` (``firmware-sanitized`` with address and
    undefined-behaviour checks, which end the program at the first finding). ``build_sha256`` is what its hello names as
    its build: that of the export that it was made from.

    Raises:
        ToolError: no C compiler.
        GeneratedCodeError: it refuses our C.
        BuildError: it failed otherwise; its output is in the error.
    """
    gcc = find_tool("gcc", "gcc libc6-dev")
    flags = _host_flags(sanitize)
    units = _units(folder, ("host",), frontend=frontend, profile=profile, flags=flags)
    units = _naming(units, build_sha256)
    program = to or folder / "host" / ("firmware-sanitized" if sanitize else "firmware")
    with scratches.folder() as scratch:
        objects, _ = _compile(gcc, units, (*flags, *_maps(folder)), scratch)
        made = scratch / "firmware"
        _run([gcc, *flags, *map(str, objects), "-lm", "-o", str(made)], "the host's linker failed")
        program.parent.mkdir(parents=True, exist_ok=True)
        program.unlink(missing_ok=True)  # a running program's file cannot be written to
        shutil.copy(made, program)
    return program


def _host_flags(sanitize: bool) -> tuple[str, ...]:
    return (*_LANGUAGE, "-O2", *(_SANITIZE if sanitize else ()))


def _naming(units: Sequence[Unit], build_sha256: str) -> list[Unit]:
    """The units, those that tell or keep the build's name with it."""
    name = f'-DASCMCU_BUILD_SHA256="{build_sha256}"'
    return [replace(u, flags=(*u.flags, name)) if u.source.stem in _NAMED else u for u in units]


def _maps(folder: Path) -> tuple[str, ...]:
    """Replace this machine's paths in debug information and messages, for equal bytes everywhere."""
    return (f"-ffile-prefix-map={paths.real(folder)}=.", f"-ffile-prefix-map={paths.firmware()}=firmware")


def _units(
    folder: Path,
    parts: Sequence[str],
    *,
    frontend: bool,
    profile: bool,
    flags: Sequence[str],
    microphones: Sequence[str] = (),
) -> list[Unit]:
    """What is compiled; with a microphone the application that listens, in place of the benchmark's."""
    firmware = paths.firmware()
    socs = [firmware / "soc" / part for part in parts]
    folders = (*((folder / "host",) if "host" in parts else ()), folder, firmware, firmware / "app")
    includes = tuple(f"-I{p}" for p in (*folders, firmware / "kernels", *socs))
    decides = _own(folder, "decisions.c").is_file()
    common = (
        *WARNINGS,
        *includes,
        f"-DASCMCU_FRONTEND={int(frontend)}",
        f"-DASCMCU_DECISIONS={int(decides)}",
    )
    common += (f"-DASCMCU_MICROPHONE={int(bool(microphones))}",)
    if profile:
        common += ('-DMODEL_CYCLES_HEADER="model_cycles.h"',)
    about = (f'-DASCMCU_TOOL_VERSION="{__version__}"', f'-DASCMCU_BUILD_FLAGS="{" ".join(flags)}"')
    named = ("model.c", *(("frontend.c",) if frontend else ()), *(("decisions.c",) if decides else ()))
    own = [_own(folder, name) for name in named]
    if microphones:
        own += [
            folder / "listen.c",
            firmware / "app" / "frame.c",
            *(firmware / "microphones" / name for name in ("main.c", *microphones)),
        ]
    else:
        own += sorted((firmware / "app").glob("*.c"))
    own += [c for soc in socs for c in sorted(soc.glob("*.c"))]
    own += sorted((firmware / "kernels").rglob("*.c"))
    units = [Unit(s, _object_name(s), common + (about if s.stem == "protocol" else ())) for s in own]
    headers = [path.read_text(encoding="utf-8") for path in folder.rglob("*frontend.h")]
    if frontend and any(map(cmsis_dsp.needed_by, headers)):
        dsp = cmsis_dsp.sources()
        dsp_includes = tuple(f"-isystem{p}" for p in dsp.include_dirs)
        units = [Unit(u.source, u.name, u.flags + dsp_includes) for u in units]
        # Third-party code is compiled as its makers do; its warnings are not ours to mend.
        units += [Unit(Path(c), f"{Path(c).stem}.o", ("-w", *dsp_includes)) for c in dsp.c_files]
    return units


def _own(folder: Path, name: str) -> Path:
    """A file of the network; of a library with a prefix or instances what gives it the common form, in ``host``."""
    return folder / "host" / name if (folder / "host" / name).is_file() else folder / name


def _object_name(source: Path) -> str:
    return f"{source.parent.name}_{source.stem}.o"


def _compile(
    gcc: str,
    units: Sequence[Unit],
    flags: Sequence[str],
    scratch: Path,
    progress: Progress = lambda done, total: None,
) -> tuple[list[Path], str]:
    """The objects and what the compilers said; one compiler per core, an interruption ends those that run."""
    running: set[subprocess.Popen[str]] = set()

    def one(unit: Unit) -> str:
        command = [
            gcc,
            *flags,
            *unit.flags,
            *strict(),
            "-c",
            str(unit.source),
            "-o",
            str(scratch / unit.name),
        ]
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8", errors="replace"
        ) as compiler:
            running.add(compiler)
            _, said = compiler.communicate()
            running.remove(compiler)
        if compiler.returncode != 0:
            raise refused(gcc, unit.source, said)
        return said

    # The largest first: a file that takes longer than all others together had better not be the last.
    largest_first = sorted(units, key=lambda unit: -unit.source.stat().st_size)
    progress(0, len(units))
    told: list[str] = []
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        try:
            for done, said in enumerate(pool.map(one, largest_first), start=1):
                told.append(said)
                progress(done, len(units))
        except BaseException:
            for compiler in running.copy():
                compiler.kill()
            raise
    return [scratch / unit.name for unit in units], "".join(told)


def refused(compiler: str, source: Path, said: str) -> BuildError:
    """The error for a file of ours that a compiler does not take.

    An error at a line of the source, or in the compiler itself, is a defect of ascmcu, because no model, board or
    option may make C that does not compile. A missing header, or a compiler that ends for another reason (killed, no
    room on the disk, not a compiler at all), is the environment's fault.
    """
    name = Path(compiler).name
    if not re.search(r"(:\d+)+: (fatal )?error: |internal compiler error", said, re.IGNORECASE):
        return BuildError(f"compiling {source.name} failed", where=name, details=said)
    if missing := re.search(r"fatal error: (\S+): No such file", said):
        return BuildError(
            "the compiler lacks a header", where=name, found=missing[1], details=said,
            hint="install the compiler's C library; `ascmcu doctor` lists everything that is missing",
        )  # fmt: skip
    return GeneratedCodeError(
        f"{name} cannot compile {source.name}: a defect of ascmcu, not of your model or board",
        where=f"{source.name}, {compiler_version(compiler)}",
        hint=_ATTACH,
        details="\n".join(said.splitlines()[:_HEAD_LINES]),
    )


def _warnings(said: str) -> tuple[str, ...]:
    """Its lines without the folders, which are gone when they are read."""
    return tuple(re.sub(r"\S*/(?=\S+:\d)", "", line) for line in said.splitlines() if "warning: " in line)


def _link(gcc: str, objects: Sequence[Path], script: Path, elf: Path) -> subprocess.CompletedProcess[str]:
    command = [
        gcc,
        *CORE,
        *LINK,
        *strict("-Wl,--fatal-warnings"),
        f"-Wl,-T,{script}",
        *map(str, objects),
        "-lm",
        "-o",
        str(elf),
    ]
    return subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)


def _link_or_explain(gcc: str, objects: Sequence[Path], script: Path, elf: Path, board: Board) -> Path:
    """Link, with the buffers in two memories if one is too small; the script that did it."""
    linked = _link(gcc, objects, script, elf)
    if linked.returncode == 0:
        return script
    if "overflowed by" not in linked.stderr:
        raise BuildError("linking failed", where=script.name, details=linked.stderr)
    if board.spare is not None and f"region `{board.ram.name}' overflowed" in linked.stderr:
        script = elf.with_name("two_memories.ld")
        script.write_text(linker_script(board, second_memory=True), encoding="utf-8")
        if _link(gcc, objects, script, elf).returncode == 0:
            return script
    # Linked again into memories that are large enough for anything, so that the needs can be told.
    roomy = elf.with_name("roomy.ld")
    roomy.write_text(
        re.sub(r"LENGTH = \d+", "LENGTH = 0x8000000", script.read_text(encoding="utf-8")), encoding="utf-8"
    )
    measured = _link(gcc, objects, roomy, elf)
    if measured.returncode != 0:
        raise BuildError("linking failed", where=script.name, details=linked.stderr)
    ram, flash = sizes(elf)
    raise does_not_fit(board, flash, ram)


def does_not_fit(board: Board, flash_bytes: dict[str, int], ram_bytes: dict[str, int]) -> BoardError:
    """The error for a firmware that is too large: what it needs, what there is, which boards would do."""
    rows = []
    for name, needs, has in (
        ("flash", flash_bytes, board.flash.size_bytes),
        ("RAM", ram_bytes, board.ram.size_bytes),
    ):
        if needs["total"] > has:
            parts = sorted(((v, k) for k, v in needs.items() if k != "total" and v), reverse=True)[:3]
            rows.append((name, needs["total"], has, ", ".join(f"{k} {v}" for v, k in parts)))
    others = boards.that_hold(flash_bytes["total"], ram_bytes["total"])
    return BoardError(
        "the model does not fit the board",
        where=board.name,
        expected="; ".join(f"{name} ≤ {has} bytes" for name, _, has, _ in rows),
        found="; ".join(f"{name} {needs} bytes ({parts})" for name, needs, _, parts in rows),
        hint=f"it fits {', '.join(others)}" if others else "no known board is large enough",
    )


def _run(command: Sequence[str], what: str) -> None:
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    if done.returncode != 0:
        raise BuildError(what, where=Path(command[0]).name, details=done.stderr)
