# SPDX-License-Identifier: Apache-2.0
"""Libraries in tasks of an operating system: FreeRTOS's own sources on QEMU's Cortex-M4."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ascmcu import api, paths
from ascmcu.toolchain import cmsis_dsp
from ascmcu.toolchain.flags import CORE
from tests.support import outside, toolchains

HERE = Path(__file__).with_name("rtos")
HOME = paths.firmware() / "harness"
KERNEL = ("tasks.c", "list.c", "portable/GCC/ARM_CM4F/port.c")
SCRIPT = toolchains.SCRIPT.format(code="0x00000000", data="0x20000000")
FLAGS = [*CORE, "-std=c11", "-O2", "-g", "-ffp-contract=off", "-ffunction-sections", "-fdata-sections"]
LINK = ["-nostartfiles", "--specs=nano.specs", "-Wl,--gc-sections", "-Wl,--no-warn-rwx-segments"]

pytestmark = [
    outside.needs(*(outside.freertos() / name for name in KERNEL)),
    pytest.mark.skipif(cmsis_dsp.available() is None, reason="CMSIS-DSP was not fetched"),
    pytest.mark.skipif(not shutil.which(toolchains.GCC), reason="no cross compiler"),
    pytest.mark.skipif(not shutil.which(toolchains.QEMU), reason="no QEMU"),
]


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One network with instances behind a log-mel front end, another without behind an integer one."""
    folder = tmp_path_factory.mktemp("libraries")
    for prefix, features, instances in (("one", "mlperf_lfbe", True), ("two", "micro_speech", False)):
        model = folder / f"{prefix}.tflite"
        model.write_bytes(toolchains.small_network(features))
        api.export(
            model, "nucleo-f446", folder / prefix, output="library", features=features, prefix=prefix,
            instances=instances, schedule="rows",
        )  # fmt: skip
    return [folder / "one", folder / "two"]


def _run(folder: Path, libraries: list[Path], *options: str) -> list[tuple[str, str]]:
    """What the program of the tasks prints: names and numbers."""
    kernel, dsp = outside.freertos(), cmsis_dsp.sources()
    includes = [f"-I{p}" for p in (*libraries, HERE, HOME)]
    system = [
        f"-isystem{p}" for p in (kernel / "include", kernel / "portable/GCC/ARM_CM4F", *dsp.include_dirs)
    ]
    own = [source for library in libraries for source in sorted(library.glob("*.c"))]
    (folder / "link.ld").write_text(SCRIPT)
    objects = []
    for source in (
        *own,
        HERE / "tasks_main.c",
        HOME / "start.c",
        *(kernel / name for name in KERNEL),
        *dsp.c_files,
    ):
        objects.append(str(folder / f"{len(objects)}-{source.stem}.o"))
        warnings = ["-Wall", "-Wextra", "-Werror"] if source.is_relative_to(HERE) else ["-w"]
        flags = [*FLAGS, *options, *warnings, *includes, *system]
        subprocess.run([toolchains.GCC, *flags, "-c", str(source), "-o", objects[-1]], check=True)
    elf = folder / "tasks.elf"
    command = [toolchains.GCC, *FLAGS, *LINK, *objects, "-T", str(folder / "link.ld"), "-o", str(elf), "-lm"]
    subprocess.run(command, check=True)
    words = toolchains.run(elf, toolchains.CORES["M4"]).split()
    return list(zip(words[::2], words[1::2], strict=True))


def test_two_models_and_two_instances_of_one_in_three_tasks(libraries: list[Path], tmp_path: Path) -> None:
    said = _run(tmp_path, libraries)
    assert ("passed", "1") in said and ("different", "1") in said, said
    assert ("alone", "0") in said, "before the scheduler starts, nothing interrupts"
    assert all(count != "0" for name, count in said if name == "interrupted"), said


def test_two_tasks_with_one_instance_disturb_each_other(libraries: list[Path], tmp_path: Path) -> None:
    """What the instances are for, and that the other test would see it."""
    assert ("passed", "0") in _run(tmp_path, libraries, "-DONE_INSTANCE_FOR_BOTH")
