# SPDX-License-Identifier: Apache-2.0
"""Builds small bare-metal programs for the simulator's tests."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

GCC = "arm-none-eabi-gcc"
needs_gcc = pytest.mark.skipif(shutil.which(GCC) is None, reason=f"{GCC} is not installed")
FLAGS = [
    "-mcpu=cortex-m4",
    "-mthumb",
    "-mfloat-abi=hard",
    "-mfpu=fpv4-sp-d16",
    "-g",
    "-nostdlib",
    "-nostartfiles",
]

LINKER_SCRIPT = """
MEMORY
{
  flash (rx) : ORIGIN = 0x08000000, LENGTH = 512K
  ram (rwx) : ORIGIN = 0x20000000, LENGTH = 128K
}
SECTIONS
{
  .text : { KEEP(*(.vectors)) *(.text*) *(.rodata*) . = ALIGN(4); } > flash
  .data : { data_start = .; *(.data*) . = ALIGN(4); data_end = .; } > ram AT > flash
  data_source = LOADADDR(.data);
  .bss : { bss_start = .; *(.bss*) *(COMMON) . = ALIGN(4); bss_end = .; } > ram
}
"""

START = """
    .syntax unified
    .cpu cortex-m4
    .fpu fpv4-sp-d16
    .thumb
    .section .vectors, "a"
    .word 0x20010000
    .word reset + 1
    .word stop + 1, stop + 1, stop + 1, stop + 1, stop + 1, 0, 0, 0, 0
    .word on_svc + 1, stop + 1, 0, on_pendsv + 1, on_systick + 1
    .rept 64
    .word on_irq + 1
    .endr
    .weak on_svc, on_pendsv, on_systick, on_irq
    .set on_svc, stop
    .set on_pendsv, stop
    .set on_systick, stop
    .set on_irq, stop
    .text
    .thumb_func
    .global stop
stop:
    bkpt 1
    .thumb_func
    .global finish
finish:
    movs r0, #0x18
    ldr r1, =0x20026
    bkpt 0xab
    b .
    .pool
"""


def assemble(folder: Path, body: str) -> Path:
    """A program of assembly; ``body`` defines ``reset`` and may define handlers."""
    return link(folder, {"start.S": START, "body.S": "    .syntax unified\n    .thumb\n    .text\n" + body})


def compile_c(folder: Path, code: str, *flags: str, script: str = LINKER_SCRIPT) -> Path:
    """A program of C with a ``main``; its value is the exit code."""
    entry = """
    .syntax unified
    .thumb
    .text
    .thumb_func
    .global reset
reset:
    ldr r0, =data_start
    ldr r1, =data_end
    ldr r2, =data_source
1:  cmp r0, r1
    beq 2f
    ldr r3, [r2], #4
    str r3, [r0], #4
    b 1b
2:  ldr r0, =bss_start
    ldr r1, =bss_end
    movs r3, #0
3:  cmp r0, r1
    beq 4f
    str r3, [r0], #4
    b 3b
4:  bl main
    ldr r1, =exit_block
    ldr r2, =0x20026
    str r2, [r1]
    str r0, [r1, #4]
    movs r0, #0x20
    bkpt 0xab
    b .
    .pool
    .comm exit_block, 8, 4
"""
    return link(folder, {"start.S": START, "entry.S": entry, "main.c": code}, *flags, script=script)


def link(folder: Path, sources: dict[str, str], *flags: str, script: str = LINKER_SCRIPT) -> Path:
    """Compile and link sources by name."""
    (folder / "link.ld").write_text(script)
    for name, text in sources.items():
        (folder / name).write_text(text)
    elf = folder / "program.elf"
    command = [GCC, *FLAGS, *flags, "-T", "link.ld", *sources, "-o", str(elf), "-lc", "-lgcc"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return elf
