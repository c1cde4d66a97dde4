# SPDX-License-Identifier: Apache-2.0
"""GDB's remote serial protocol, as far as writing memory and starting a program needs it.

Packets ``$data#checksum`` with ``}`` as the escape, acknowledged by ``+``; commands m, X, qXfer, vFlash…, qRcmd, D:
GDB manual, appendix E.
"""

from __future__ import annotations

import re
import socket
import types
from dataclasses import dataclass
from typing import Self

from ascmcu.errors import LinkError

_ANSWER_S = 20.0
_ERASE_S = 120.0
_ESCAPED = b"#$}*"


@dataclass(frozen=True)
class FlashRegion:
    """Flash as the server describes it."""

    start: int
    size_bytes: int
    block_bytes: int


class Remote:
    """A connection to a GDB server; the target stands still while it is open.

    Args:
        host, port: where the server listens.
    """

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._pending = b""
        self._binary = True
        self.packet_bytes = 512

    def __enter__(self) -> Self:
        try:
            self._socket = socket.create_connection(self._address, timeout=_ANSWER_S)
        except OSError as error:
            raise LinkError(
                "no GDB server answers",
                where=f"{self._address[0]}:{self._address[1]}",
                found=str(error),
                hint="start one: `pyocd gdbserver`, `openocd …`, JLinkGDBServer, or QEMU with -S -gdb tcp::3333",
            ) from error
        try:
            self._socket.sendall(b"+")
            features = self.ask(b"qSupported:xmlRegisters=arm")
            size = re.search(rb"PacketSize=([0-9a-fA-F]+)", features)
            self.packet_bytes = min(int(size[1], 16), 16384) if size else 512
            self._memory_map = b"qXfer:memory-map:read+" in features
        except BaseException:
            self._socket.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        self._socket.close()

    # Packets.

    def ask(self, command: bytes, timeout_s: float = _ANSWER_S) -> bytes:
        """The answer to a command.

        Raises:
            LinkError: none came, or the connection is gone.
        """
        self._send(command)
        self._socket.settimeout(timeout_s)
        return self._packet()

    def _send(self, command: bytes) -> None:
        check = sum(command) & 0xFF
        try:
            self._socket.sendall(b"$" + command + b"#%02x" % check)
        except OSError as error:
            raise LinkError("the connection to the GDB server was lost", found=str(error)) from error

    def _byte(self) -> bytes:
        if not self._pending:
            try:
                self._pending = self._socket.recv(65536)
            except TimeoutError as error:
                raise LinkError("the GDB server does not answer") from error
            except OSError as error:
                raise LinkError("the connection to the GDB server was lost", found=str(error)) from error
            if not self._pending:
                raise LinkError("the GDB server has closed the connection")
        first, self._pending = self._pending[:1], self._pending[1:]
        return first

    def _packet(self) -> bytes:
        while True:
            while self._byte() != b"$":
                pass
            data = bytearray()
            while (byte := self._byte()) != b"#":
                data += byte
            check = int(self._byte() + self._byte(), 16)
            if sum(data) & 0xFF == check:
                self._socket.sendall(b"+")
                return _plain(bytes(data))
            self._socket.sendall(b"-")

    # Memory.

    def read(self, address: int, size: int) -> bytes:
        """Bytes of the target's memory."""
        data = b""
        while len(data) < size:
            part = min(size - len(data), (self.packet_bytes - 16) // 2)
            answer = self.ask(b"m%x,%x" % (address + len(data), part))
            if not answer or answer.startswith(b"E"):
                raise LinkError(
                    "memory cannot be read", where=f"{address + len(data):#010x}", found=answer.decode()
                )
            data += bytes.fromhex(answer.decode())
        return data

    def write(self, address: int, data: bytes) -> None:
        """Write memory, through the flash commands where the server says that there is flash."""
        region = next((r for r in self.flash() if r.start <= address < r.start + r.size_bytes), None)
        if region is not None:
            start = address - (address - region.start) % region.block_bytes
            size = -(-(address + len(data) - start) // region.block_bytes) * region.block_bytes
            self._must(b"vFlashErase:%x,%x" % (start, size), address, _ERASE_S)
        step = (self.packet_bytes - 64) // 2  # escaping may double it
        for at in range(0, len(data), step):
            part = data[at : at + step]
            if region is not None:
                self._must(b"vFlashWrite:%x:" % (address + at) + _escaped(part), address + at, _ERASE_S)
            else:
                self._write_plain(address + at, part)
        if region is not None:
            self._must(b"vFlashDone", address, _ERASE_S)

    def _write_plain(self, address: int, data: bytes) -> None:
        """As bytes where the server takes them (X), else as hexadecimal digits (M): QEMU's knows only those."""
        if self._binary:
            answer = self.ask(b"X%x,%x:" % (address, len(data)) + _escaped(data))
            if answer == b"OK":
                return
            self._binary = bool(answer)  # nothing: not known
        self._must(b"M%x,%x:" % (address, len(data)) + data.hex().encode(), address)

    def _must(self, command: bytes, address: int, timeout_s: float = _ANSWER_S) -> None:
        answer = self.ask(command, timeout_s)
        if answer != b"OK":
            raise LinkError(
                "memory cannot be written",
                where=f"{address:#010x}",
                found=answer.decode(errors="replace") or "the server does not know the command",
                hint="check that the chip is unlocked and is the board's",
            )

    def flash(self) -> list[FlashRegion]:
        """The flash regions that the server tells of; none on an emulator."""
        if not self._memory_map:
            return []
        text, more = b"", b"m"
        while more == b"m":
            answer = self.ask(b"qXfer:memory-map:read::%x,%x" % (len(text), self.packet_bytes - 16))
            more, text = answer[:1], text + answer[1:]
        found = []
        for attributes, body in re.findall(rb"<memory\s([^>]*)>(.*?)</memory>", text, re.DOTALL):
            values = dict(re.findall(rb"(\w+)\s*=\s*[\"']([^\"']+)[\"']", attributes))
            block = re.search(rb"blocksize[\"']\s*>\s*(\w+)", body)
            if values.get(b"type") == b"flash":
                size = int(values[b"length"], 0)
                found.append(FlashRegion(int(values[b"start"], 0), size, int(block[1], 0) if block else size))
        return found

    def monitor(self, command: str) -> str:
        """What the server's own command line answers."""
        answer = self.ask(b"qRcmd," + command.encode().hex().encode())
        text = b""
        while answer.startswith(b"O") and answer != b"OK":
            text += bytes.fromhex(answer[1:].decode())
            answer = self._packet()
        if answer and answer != b"OK":
            text += answer if answer.startswith(b"E") else bytes.fromhex(answer.decode())
        elif not answer:
            return "not known"
        return text.decode(errors="replace")

    def detach(self) -> None:
        """Let the target run, and go."""
        self.ask(b"D")


def _plain(data: bytes) -> bytes:
    """Undo escapes, and runs (a byte, ``*``, a count)."""
    out = bytearray()
    at = 0
    while at < len(data):
        if data[at : at + 1] == b"}" and at + 1 < len(data):
            out.append(data[at + 1] ^ 0x20)
            at += 2
        elif data[at : at + 1] == b"*" and out and at + 1 < len(data):
            out += out[-1:] * (data[at + 1] - 29)
            at += 2
        else:
            out.append(data[at])
            at += 1
    return bytes(out)


def _escaped(data: bytes) -> bytes:
    return b"".join(b"}" + bytes([b ^ 0x20]) if b in _ESCAPED else bytes([b]) for b in data)
