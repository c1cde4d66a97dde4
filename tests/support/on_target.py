# SPDX-License-Identifier: Apache-2.0
"""Many generated networks in one Cortex-M4 program, run on QEMU or on the cycle model."""

from __future__ import annotations

import concurrent.futures
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ascmcu import paths
from ascmcu.codegen.model import render_model
from ascmcu.ir.graph import Graph
from ascmcu.ir.types import Array
from ascmcu.schedule import Plan, make_plan
from ascmcu.toolchain.flags import LANGUAGE, WARNINGS

GCC = "arm-none-eabi-gcc"
QEMU = "qemu-system-arm"
_SOURCES = Path(__file__).resolve().parents[1] / "kernels" / "cases"
CORE = ("-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard")
_FLAGS = (*CORE, *LANGUAGE, "-O2", "-ffunction-sections", "-fdata-sections", "-g0")
_WARNINGS = (*WARNINGS, "-Werror")
_NAMES = ("reset", "input", "push", "output", "output_bytes", "layer_cycles")
# The memory of QEMU's mps2-an386 (Cortex-M4F): 4 MB of code from 0, 4 MB of data.
_SCRIPT = """
MEMORY { code (rx) : ORIGIN = 0, LENGTH = 4M  data (rw) : ORIGIN = 0x20000000, LENGTH = 4M }
SECTIONS {
  .text : { KEEP(*(.vectors)) *(.text*) *(.rodata*) . = ALIGN(4); } > code
  .data : { . = ALIGN(4); data_start = .; *(.data*) . = ALIGN(4); data_end = .; } > data AT > code
  data_load = LOADADDR(.data);
  .bss : { . = ALIGN(8); bss_start = .; *(.bss*) *(COMMON) . = ALIGN(4); bss_end = .; } > data
  stack_top = ORIGIN(data) + LENGTH(data);
}
"""


@dataclass(frozen=True)
class Network:
    """A graph after all passes, its schedule, and the inputs to run it on, each in the graph's shape; a network with
    states begins anew in front of every ``clip_steps``-th input, one without in front of each. ``plan``: that schedule,
    where it is not the one that the graph has by itself."""

    graph: Graph
    mode: str
    inputs: Sequence[Array]
    clip_steps: int = 1
    plan: Plan | None = None

    @property
    def reset_every(self) -> int:
        """Inputs between two resets."""
        return self.clip_steps if self.graph.states else 1


def build(folder: Path, networks: Sequence[Network], *, jobs: int = 2) -> Path:
    """The program: each network's ``model.c`` with its symbols under a prefix, and ``main.c`` over all of them."""
    (folder / "link.ld").write_text(_SCRIPT)
    (folder / "networks.h").write_text(_listing(networks))
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        objects = list(pool.map(lambda pair: _compile(folder, *pair), enumerate(networks)))
    main = folder / "main.o"
    _run([GCC, *_FLAGS, *_WARNINGS, f"-I{folder}", "-c", str(_SOURCES / "main.c"), "-o", str(main)])
    elf = folder / "networks.elf"
    link = ["-nostartfiles", "--specs=nano.specs", "-Wl,--gc-sections", f"-Wl,-T,{folder / 'link.ld'}"]
    _run([GCC, *_FLAGS, *link, str(main), *map(str, objects), "-o", str(elf)])
    return elf


def _compile(folder: Path, index: int, network: Network) -> Path:
    own = folder / f"n{index}"
    own.mkdir()
    plan = network.plan or make_plan(network.graph, network.mode)
    for name, text in render_model(plan, name=f"n{index}", sha256="0" * 64).files.items():
        (own / name).write_text(text)
    renamed = [f"-Dmodel_{name}=n{index}_{name}" for name in _NAMES]
    includes = [f"-I{own}", f"-I{paths.firmware() / 'kernels'}"]
    to = own / "model.o"
    _run([GCC, *_FLAGS, *_WARNINGS, *renamed, *includes, "-c", str(own / "model.c"), "-o", str(to)])
    return to


def _listing(networks: Sequence[Network]) -> str:
    lines = [
        "#include <stdbool.h>", "#include <stddef.h>", "#include <stdint.h>",
        "struct network {", "    void (*reset)(void);", "    void *(*input)(void);", "    bool (*push)(void);",
        "    const void *(*output)(unsigned);", "    size_t (*output_bytes)(unsigned);",
        "    uint32_t rows, row_bytes, outputs, sets, reset_every;", "    const uint8_t *inputs;", "};",
    ]  # fmt: skip
    entries = []
    for i, network in enumerate(networks):
        source = network.graph.tensors[network.graph.inputs[0]]
        data = b"".join(np.ascontiguousarray(x).tobytes() for x in network.inputs)
        lines.append(f"void n{i}_reset(void); void *n{i}_input(void); bool n{i}_push(void);")
        lines.append(f"const void *n{i}_output(unsigned); size_t n{i}_output_bytes(unsigned);")
        lines.append(f"static const uint8_t in{i}[] = {{{','.join(map(str, data))}}};")
        counts = (
            f"{source.rows}, {source.row_bytes}, {len(network.graph.data_outputs)}, {len(network.inputs)}"
        )
        counts += f", {network.reset_every}"
        names = ", ".join(f"n{i}_{name}" for name in ("reset", "input", "push", "output", "output_bytes"))
        entries.append(f"    {{{names}, {counts}, in{i}}},")
    return "\n".join([*lines, "static const struct network networks[] = {", *entries, "};"]) + "\n"


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def on_qemu(elf: Path, networks: Sequence[Network]) -> list[list[bytes]]:
    """Per network and input set the bytes of all outputs, from QEMU."""
    command = [
        *(QEMU, "-M", "mps2-an386", "-display", "none", "-monitor", "none", "-serial", "none"),
        *("-semihosting-config", "enable=on,target=native", "-kernel", str(elf)),
    ]
    done = subprocess.run(command, capture_output=True, timeout=1800, check=False)
    return _parsed(done.stdout + done.stderr, networks)


def on_sim(elf: Path, networks: Sequence[Network]) -> list[list[bytes]]:
    """The same from the cycle model."""
    from ascmcu.sim import session

    return _parsed(session.run(elf).console, networks)


def _parsed(console: bytes, networks: Sequence[Network]) -> list[list[bytes]]:
    lines = iter(console.decode().splitlines())
    return [[bytes.fromhex(next(lines)) for _ in network.inputs] for network in networks]
