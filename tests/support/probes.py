# SPDX-License-Identifier: Apache-2.0
"""An emulated chip as a board on the desk: a GDB server to flash it through, and a serial port."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.support.patience import HANG_S

needs_qemu = pytest.mark.skipif(
    not (shutil.which("qemu-system-arm") and shutil.which("arm-none-eabi-gcc")),
    reason="no QEMU or cross compiler",
)


def free_port() -> int:
    """A TCP port that nobody has at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        return int(door.getsockname()[1])


@contextlib.contextmanager
def listening_qemu() -> Iterator[tuple[str, str]]:
    """A chip with nothing in its flash, halted: the addresses of its GDB server and its serial port."""
    running, gdb_port, serial_port = _started()
    try:
        yield f"127.0.0.1:{gdb_port}", f"socket://127.0.0.1:{serial_port}"
    finally:
        running.kill()
        running.wait()


def _started() -> tuple[subprocess.Popen[bytes], int, int]:
    """QEMU, listening; a port that somebody took in the meantime ends it, and it is started again."""
    gdb_port, serial_port = free_port(), free_port()
    command = ["qemu-system-arm", "-M", "netduinoplus2", "-S", "-gdb", f"tcp:127.0.0.1:{gdb_port}"]
    command += ["-display", "none", "-monitor", "none", "-no-user-config", "-serial", "null"]
    command += ["-serial", "chardev:link"]
    command += ["-chardev", f"socket,id=link,host=127.0.0.1,port={serial_port},server=on,wait=off"]
    running = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    deadline = time.monotonic() + HANG_S
    while running.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", gdb_port), 1.0):
            return running, gdb_port, serial_port
        assert time.monotonic() < deadline, "QEMU does not listen"
        time.sleep(0.05)
    return _started()
