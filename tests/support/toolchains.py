# SPDX-License-Identifier: Apache-2.0
"""Other people's toolchains: a library's self-tests, built with a compiler, float ABI, level and form, run in QEMU."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ascmcu import paths
from ascmcu.features import spec as feature_specs
from ascmcu.toolchain import cmsis_dsp
from ascmcu.toolchain.proof import own_source, write_single
from tests.support import recipes_flat
from tests.support.recipes import Recipe, Step

GCC = "arm-none-eabi-gcc"
QEMU = "qemu-system-arm"
_HOME = paths.firmware() / "harness"
_LANGUAGE = ("-ffp-contract=off", "-ffunction-sections", "-fdata-sections", "-fno-common")
# Debian's newlib, and picolibc, each with a folder for each kind of core.
_NEWLIB_HEADERS = "/usr/lib/arm-none-eabi/include"
_PICOLIBC = Path("/usr/lib/picolibc/arm-none-eabi")
SCRIPT = """
MEMORY {{ code (rx) : ORIGIN = {code}, LENGTH = 4M  data (rw) : ORIGIN = {data}, LENGTH = 3M }}
SECTIONS {{
  .text : {{ KEEP(*(.vectors)) *(.text*) *(.rodata*) . = ALIGN(4); }} > code
  .ARM.extab : {{ *(.ARM.extab*) }} > code
  .ARM.exidx : {{ *(.ARM.exidx*) }} > code
  weights_start = .; weights_end = .; weights_load = .;
  .data : {{ *(.data*) . = ALIGN(8); }} > data
  .bss (NOLOAD) : {{ bss_start = .; *(.bss*) *(COMMON) . = ALIGN(8); bss_end = .; }} > data
  .stack (NOLOAD) : {{ stack_bottom = .; . += 16384; stack_top = .; }} > data
}}
"""


@dataclass(frozen=True)
class Core:
    """A core and the machine of QEMU that has it; ``fpu`` is GCC's name of its floating-point unit."""

    name: str
    cpu: str
    fpu: str
    machine: str
    folder: str
    code: str = "0x00000000"
    data: str = "0x20000000"
    flags: tuple[str, ...] = ()


CORES = {
    core.name: core
    for core in (
        Core("M4", "cortex-m4", "fpv4-sp-d16", "mps2-an386", "v7e-m"),
        Core("M3", "cortex-m3", "", "mps2-an385", "v7-m"),
        # QEMU's only Cortex-M0 has 16 KB of RAM; a Cortex-M3 that traps unaligned access runs the same instructions.
        Core("M0+", "cortex-m0plus", "", "mps2-an385", "v6-m", flags=("-DHARNESS_TRAP_UNALIGNED",)),
        Core("M7", "cortex-m7", "fpv5-sp-d16", "mps2-an500", "v7e-m"),
        Core("M33", "cortex-m33", "fpv5-sp-d16", "mps2-an505", "v8-m.main", "0x10000000", "0x38000000"),
    )
}
ABIS = ("hard", "softfp", "soft")
LEVELS = {
    "O0": ("-O0",), "O1": ("-O1",), "Os": ("-Os",), "O2": ("-O2",), "O3": ("-O3",), "LTO": ("-O2", "-flto"),
}  # fmt: skip
FORMS = {
    "plain": (), "stack-protector": ("-fstack-protector-all",), "instrument": ("-finstrument-functions",), "C++": (),
    # Arm Compiler 6 is a Clang with small enumerations and another name.
    "armclang": ("-fshort-enums", "-fshort-wchar", "-D__ARMCC_VERSION=6190004"),
}  # fmt: skip


@dataclass(frozen=True)
class Compiler:
    """One that is installed: its name in results, and the family that says how it is called."""

    name: str
    family: str
    program: str

    @property
    def version(self) -> str:
        """What it says of itself."""
        words = [self.program, *(("cc",) if self.family == "zig" else ()), "--version"]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()[0]


@dataclass(frozen=True)
class Point:
    """One build: a compiler, a core, a float ABI, a level, a form, and a C library."""

    compiler: Compiler
    core: str = "M4"
    abi: str = "hard"
    level: str = "O2"
    form: str = "plain"
    libc: str = "newlib"

    def __str__(self) -> str:
        words = (self.compiler.name, self.core, self.abi, self.level, self.form, self.libc)
        return " ".join(words)

    @property
    def possible(self) -> bool:
        """Whether there is such a core and the compiler takes the form: Zig protects no stack of a bare core."""
        core = bool(CORES[self.core].fpu) or self.abi == "soft"
        if self.form == "armclang" and self.compiler.family != "clang":
            return False
        return core and (self.compiler.family, self.form) != ("zig", "stack-protector")


def installed() -> tuple[Compiler, ...]:
    """The compilers on PATH: GCC for Arm, Clang and Zig in every version."""
    found = [Compiler("gcc", "gcc", GCC)] if shutil.which(GCC) else []
    for folder in dict.fromkeys(map(Path, os.environ["PATH"].split(":"))):
        for path in sorted(folder.glob("clang-*")) + sorted(folder.glob("zig*")):
            if match := re.fullmatch(r"(clang|zig)(-[\d.]+)?", path.name):
                found.append(Compiler(path.name, match[1], str(path)))
    return tuple({c.name: c for c in found}.values())


def check(library: Path, point: Point, scratch: Path) -> str:
    """Build a library's self-tests and run them: ``passed``, or what went wrong, in words.

    Args:
        library: an export with ``--format library --selftest``, without a prefix.
        point: how it is built.
        scratch: an empty folder; objects that other points of the same library share may lie in its parent.
    """
    try:
        elf = _built(library, point, scratch)
    except subprocess.CalledProcessError as error:
        return f"{Path(error.cmd[0]).name}: {_first_error(error.stderr)}"
    said = run(elf, CORES[point.core])
    return "passed" if said.split()[-2:] == ["passed", "1"] else f"QEMU: {said.strip()[-200:] or 'nothing'}"


def run(elf: Path, core: Core) -> str:
    command = [
        *(QEMU, "-M", core.machine, "-display", "none", "-monitor", "none", "-serial", "none"),
        *("-semihosting-config", "enable=on,target=native", "-kernel", str(elf)),
    ]
    try:
        done = subprocess.run(command, capture_output=True, timeout=600, check=False)
    except subprocess.TimeoutExpired:
        return "it did not end"
    return (done.stdout + done.stderr).decode(errors="replace")


def _first_error(text: str) -> str:
    lines = [line for line in text.splitlines() if re.search("error|undefined", line)] or text.splitlines()[
        :1
    ]
    return lines[0][-200:] if lines else "no message"


def _built(library: Path, point: Point, scratch: Path) -> Path:
    frontend = (library / "frontend.c").is_file()
    with_dsp = frontend and cmsis_dsp.needed_by((library / "frontend.h").read_text())
    dsp = cmsis_dsp.sources() if with_dsp else cmsis_dsp.NOTHING
    one = write_single(library)
    includes = [f"-I{one}", f"-I{library}", f"-I{_HOME}", *(f"-isystem{p}" for p in dsp.include_dirs)]
    core, form = CORES[point.core], FORMS[point.form]
    base = [*_command(point), *LEVELS[point.level], *_LANGUAGE, *core.flags, *includes]
    base += ["-DHARNESS_HOOKS", *(["-DPROVE_FRONTEND"] if frontend else [])]
    names = ("model.c", "frontend.c", "selftest.c")
    own = [own_source(library, name) for name in names if (library / name).is_file()]
    objects = []
    for source in (*own, _HOME / "start.c", *map(Path, dsp.c_files)):
        objects.append(_compiled([*base, "-std=c11", *form, "-w"], source, scratch))
    language = ["-x", "c++", "-std=c++17", "-fno-exceptions"] if point.form == "C++" else ["-std=c11"]
    objects.append(
        _compiled([*base, *language, *form, "-Wall", "-Wextra", "-Werror"], _HOME / "prove.c", scratch)
    )
    (scratch / "link.ld").write_text(SCRIPT.format(code=core.code, data=core.data))
    elf = scratch / "proof.elf"
    _call(
        [
            *_linker(point),
            *map(str, objects),
            *_libraries(point),
            "-T",
            str(scratch / "link.ld"),
            "-o",
            str(elf),
        ]
    )
    return elf


def _compiled(flags: Sequence[str], source: Path, scratch: Path) -> Path:
    """The object; the same flags and source once in all points that share a parent folder."""
    key = hashlib.sha256(" ".join(flags).encode() + source.read_bytes()).hexdigest()[:16]
    to = scratch.parent / "objects" / f"{source.stem}-{key}.o"
    if not to.is_file():
        to.parent.mkdir(exist_ok=True)
        _call([*flags, "-c", str(source), "-o", str(to)])
    return to


def _command(point: Point) -> list[str]:
    """The compiler with what tells it the core and the ABI."""
    core, family = CORES[point.core], point.compiler.family
    if family == "zig":
        units = {"fpv4-sp-d16": "vfp4d16sp", "fpv5-sp-d16": "fp_armv8d16sp"}
        unit = f"+{units[core.fpu]}" if point.abi != "soft" else ""
        target = f"thumb-freestanding-{'eabihf' if point.abi == 'hard' else 'eabi'}"
        soft = "+soft_float" if point.abi == "soft" else ""
        cpu = core.cpu.replace("-", "_") + unit + soft
        # Zig looks for undefined behaviour by itself at -O0; here it ends the program.
        traps = ["-fsanitize-trap=undefined"] if point.level == "O0" else []
        return [point.compiler.program, "cc", "-target", target, f"-mcpu={cpu}", *traps, *_headers(point)]
    flags = [f"-mcpu={core.cpu}", "-mthumb", f"-mfloat-abi={point.abi}"]
    flags += [f"-mfpu={core.fpu}"] if point.abi != "soft" else []
    if family == "clang":
        return [point.compiler.program, "--target=arm-none-eabi", *flags, *_headers(point)]
    return [point.compiler.program, *flags]


def _headers(point: Point) -> list[str]:
    return [f"-isystem{_PICOLIBC / 'include' if point.libc == 'picolibc' else _NEWLIB_HEADERS}"]


def _linker(point: Point) -> list[str]:
    if point.compiler.family == "gcc":
        flags = ["-nostartfiles", "--specs=nano.specs", "-Wl,--no-warn-rwx-segments", "-Wl,--gc-sections"]
        return [*_command(point), *LEVELS[point.level], *flags]
    if point.compiler.family == "zig":
        return [point.compiler.program, "ld.lld", "--gc-sections"]
    return [_lld(point.compiler.name), "--gc-sections"]


@cache
def _lld(clang: str) -> str:
    """The linker of that version, or the newest, which reads the code of older ones."""
    own = clang.replace("clang", "ld.lld")
    others = sorted((p.name for p in Path("/usr/bin").glob("ld.lld-*")), key=lambda n: int(n.split("-")[1]))
    return own if shutil.which(own) else others[-1]


def _libraries(point: Point) -> list[str]:
    """The C library and the compiler's routines, which GCC's driver finds by itself."""
    if point.compiler.family == "gcc":
        return ["-lm"]
    core = CORES[point.core]
    unit = "+fp" if core.fpu and point.abi != "soft" else ""
    kind = f"thumb/{core.folder}{unit}/{point.abi if unit else 'nofp'}"
    routines = subprocess.run(
        [GCC, f"-mcpu={core.cpu}", "-mthumb", f"-mfloat-abi={point.abi}", *([f"-mfpu={core.fpu}"] if unit else []),
         "-print-libgcc-file-name"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    library = (
        _PICOLIBC / "lib" / kind / "libc.a"
        if point.libc == "picolibc"
        else Path("/usr/lib/arm-none-eabi/newlib") / kind / "libc_nano.a"
    )
    # The log-mel front end takes square roots, by sqrtf where the core has no instruction for them.
    return ["--start-group", str(library), str(library.with_name("libm.a")), routines, "--end-group"]


def _call(command: list[str]) -> None:
    subprocess.run(command, capture_output=True, text=True, check=True)


def everything(compilers: Sequence[Compiler]) -> Iterator[Point]:
    """The whole matrix on the Cortex-M4."""
    for compiler in compilers:
        for abi in ABIS:
            for level in ("O0", "Os", "O2", "O3", "LTO"):
                for form in ("plain", "stack-protector", "C++"):
                    yield Point(compiler, abi=abi, level=level, form=form)


def edges(compilers: Sequence[Compiler]) -> Iterator[Point]:
    """What else there is: other cores, a profiler in every function, another level, another C library."""
    for compiler in compilers:
        yield from (Point(compiler, core, abi) for core in CORES for abi in ABIS)
        yield Point(compiler, form="instrument")
        yield Point(compiler, level="O1")
        if compiler.family == "clang" and _PICOLIBC.is_dir():
            yield Point(compiler, libc="picolibc")


def small_network(features: str) -> bytes:
    """A made network that takes a front end's rows."""
    spec = feature_specs.load(features)
    window = {"kernel": [3, 3], "stride": [2, 2], "same": True, "act": "relu", "dilation": [1, 1]}
    steps = (
        Step("conv", (0,), {**window, "channels": 6, "groups": 1, "dead": 0}),
        Step("mean", (1,), {"axes": [1, 2], "keep": False}),
        Step("dense", (2,), {"units": 4, "flatten": False, "act": "none", "bias": True, "dead": 0}),
        Step("softmax", (3,)),
    )
    return recipes_flat.make(Recipe(tuple(spec.input_shape), "int8", 5, steps))
