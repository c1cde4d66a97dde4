# SPDX-License-Identifier: Apache-2.0
"""QEMU: the board's own ELF file on an emulated STM32F4, over its serial port.

``-icount shift=0`` gives every instruction one nanosecond of virtual time, and QEMU's TIM2 counts
nanoseconds: its count is then the exact number of instructions between two readings. (QEMU 7.2 models no DWT;
the firmware falls back to TIM2 by itself.) Instructions are not cycles, and are labelled so.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from ascmcu.errors import LinkError, ToolError
from ascmcu.runners._process import ProcessRunner
from ascmcu.runners.base import RunnerFacts
from ascmcu.toolchain.gcc import find_tool
from ascmcu.toolchain.program import first_line

_START_S = 60.0  # on a busy machine; a QEMU that ends is noticed at once
_SILENT = "if the firmware hangs, QEMU has no watchdog that resets it: --on sim has one and says where the program was"
# QEMU's -serial options in order: USART1, 2, 3, UART4, 5, USART6.
_SERIAL_INDEX = {1: 0, 2: 1, 3: 2, 6: 5}


class QemuRunner(ProcessRunner):
    """``qemu-system-arm`` with the board's serial port on a Unix socket in a private folder."""

    name = "qemu"

    @property
    def facts(self) -> RunnerFacts:
        version = first_line([find_tool("qemu-system-arm", "qemu-system-arm"), "--version"])
        emulators = self.target.board.emulators
        detail = f"{version}, {emulators.qemu_machine} ({emulators.qemu_models}), -icount shift=0"
        return RunnerFacts(self.name, "instructions", detail, response_s=60.0, silent_hint=_SILENT)

    def _command(self, scratch: Path) -> list[str]:
        qemu = find_tool("qemu-system-arm", "qemu-system-arm")
        board = self.target.board
        if not board.emulators.qemu_machine:
            raise ToolError("QEMU has no machine for this board", where=board.name, hint="--on sim or host")
        command = [qemu, "-M", board.emulators.qemu_machine, "-kernel", str(self.target.elf)]
        command += ["-display", "none", "-monitor", "none", "-no-user-config", "-icount", "shift=0"]
        command += ["-chardev", f"socket,id=link,path={scratch / 'link'}"]
        for index in range(max(_SERIAL_INDEX.values()) + 1):
            used = index == _SERIAL_INDEX[board.serial.usart]
            command += ["-serial", "chardev:link" if used else "null"]
        return command

    def _open_link(self, scratch: Path) -> socket.socket:
        # We listen and QEMU connects as it starts, so that there is nothing to wait for or to race with.
        with socket.socket(socket.AF_UNIX) as door:
            door.bind(str(scratch / "link"))
            door.listen(1)
            door.settimeout(0.2)
            with _one_cpu():
                self._start(self._command(scratch), subprocess.DEVNULL)
            deadline = time.monotonic() + _START_S
            while True:
                try:
                    link, _ = door.accept()
                    return self._cleanup.enter_context(link)
                except TimeoutError:
                    status = self._child.poll()
                    if status is not None or time.monotonic() > deadline:
                        found = (
                            f"no link after {_START_S:.0f} s"
                            if status is None
                            else f"it ended at once, exit status {status}"
                        )
                        raise LinkError("QEMU did not start", found=found, details=self._said()) from None


@contextlib.contextmanager
def _one_cpu() -> Iterator[None]:
    """What is started inside stays on one processor.

    QEMU hands every received byte from its I/O thread to its processor thread and back; on one processor that
    costs a third of what it costs across two that have other work.
    """
    if not hasattr(os, "sched_setaffinity"):  # Linux only
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {random.choice(sorted(before))})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


RUNNER = QemuRunner
