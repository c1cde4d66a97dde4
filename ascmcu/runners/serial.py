# SPDX-License-Identifier: Apache-2.0
"""A board on a serial port: a device path, a pseudo-terminal, ``socket://host:port`` (pyserial's URLs), or ``auto``.

A port that vanishes is waited for: a cable that was pulled, a probe that restarts. The device may have restarted
with it; the session finds that out and begins the clip anew.
"""

from __future__ import annotations

import errno
import re
import time
import types
from typing import Self
from urllib.parse import urlsplit

import serial

from ascmcu.errors import InputError, LinkError
from ascmcu.runners import _ports
from ascmcu.runners.base import CountKind, Runner, RunnerFacts, Target

AUTO = "auto"
_REOPEN_S = 20.0
_LOOK_AGAIN_S = 0.25
# Addresses in a network, not devices of this machine. A plain socket has no baud rate; RFC 2217 hands one on.
_SOCKET, _NETWORK = "socket", ("socket", "rfc2217")
# What the lock or a port that another program has opened for itself answers.
_IN_USE = (errno.EAGAIN, errno.EBUSY)


class SerialRunner(Runner):
    """Opens ``port`` at the board's baud rate (8 data bits, no parity, 1 stop bit); flashes nothing.

    A device of this machine is locked while it is open: of two programs on one port each would take bytes of the other.

    Args:
        target: the export that the board is to run.
        port: where, or ``auto`` for the one port that carries the USB numbers of the board's probe.
        baud: instead of the board's rate.
        reopen_s: how long to wait for a port that has vanished.

    Raises:
        InputError: an address in a network that lacks its host or port.
    """

    name = "serial"
    runs_image = False

    def __init__(
        self, target: Target, port: str, baud: int | None = None, *, reopen_s: float = _REOPEN_S
    ) -> None:
        super().__init__(target)
        self._scheme = _scheme(port)
        self._asked = port
        self._usb: _ports.UsbPort | None = None
        self._found = "" if port == AUTO else port
        self.baud = baud or target.board.serial.baud
        self.reopen_s = reopen_s
        self.reopened = 0

    @property
    def port(self) -> str:
        """The port's name; looked for at the first time of asking.

        Raises:
            LinkError: it is to be found, and is not there, or not the only one.
        """
        if not self._found:
            self._usb = _ports.find(self.target.board)
            self._found = self._usb.device
        return self._found

    @property
    def label(self) -> str:
        return f"{self.name}-{re.sub(r'[^A-Za-z0-9]+', '-', self.port).strip('-')}"

    @property
    def facts(self) -> RunnerFacts:
        """Behind a debug probe or a USB adapter is a chip; behind a socket or a pseudo-terminal may be anything."""
        kind: CountKind = (
            "cycles" if self._usb is not None and _ports.leads_to_a_board(self._usb) else "counts"
        )
        detail = f"{self.port} at {self.baud} baud" if self.has_rate else self.port
        return RunnerFacts(self.name, kind, detail, response_s=10.0, silent_hint=self._silent_hint)

    @property
    def has_rate(self) -> bool:
        """Whether the baud rate reaches a line; a plain socket has none."""
        return self._scheme != _SOCKET

    @property
    def _silent_hint(self) -> str:
        """What to look at when nothing answers, or something else does."""
        if self._scheme in _NETWORK:
            return (
                "is the export's firmware running behind this address? Another client may hold the connection"
            )
        return (
            "is the power on, the baud rate right, the export's firmware on the board (`ascmcu flash`), and does "
            "no other program use the port?"
        )

    def at(self, baud: int) -> SerialRunner:
        """The same port at another rate, not yet open."""
        return SerialRunner(self.target, self.port, baud, reopen_s=self.reopen_s)

    def __enter__(self) -> Self:
        if self._usb is None and self._asked != AUTO:
            self._usb = next((p for p in _ports.connected() if p.device == self.port), None)
        try:
            self._open()
        except (OSError, ValueError, serial.SerialException) as error:
            raise LinkError(
                "the serial port cannot be opened",
                where=self.port,
                found=str(error),
                hint="does something listen there? Another client may hold the connection"
                if self._scheme in _NETWORK
                else "is the board connected, and may you read and write the device (group dialout)?",
            ) from error
        return self

    def _open(self) -> None:
        """Open and lock the port.

        Raises:
            LinkError: another program has locked it.
            OSError, ValueError, SerialException: it cannot be opened.
        """
        try:
            self._serial = serial.serial_for_url(
                self.port, baudrate=self.baud, timeout=0, write_timeout=0, exclusive=True
            )
        except OSError as error:  # SerialException is one
            if error.errno not in _IN_USE:
                raise
            raise LinkError(
                "the serial port is in use by another program",
                where=self.port,
                hint="end that program, or wait for it: a port serves one at a time",
            ) from error
        self._serial.reset_input_buffer()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        self._serial.close()

    def _reopen(self, error: Exception) -> None:
        """Wait for the port to come back.

        Raises:
            LinkError: it does not, or another program has taken it meanwhile.
        """
        self._serial.close()
        deadline = time.monotonic() + self.reopen_s
        while time.monotonic() < deadline:
            # First of all: a server that closes every connection at once would be asked without a pause.
            time.sleep(_LOOK_AGAIN_S)
            back = _ports.again(self._usb) if self._usb is not None else self.port
            try:
                if back is not None:
                    self._found = back
                    self._open()
                    self.reopened += 1
                    return
            except (OSError, serial.SerialException):
                pass
        raise LinkError(
            "the serial port is gone",
            where=self.port,
            found=str(error),
            hint="has the program behind the address ended?"
            if self._scheme in _NETWORK
            else "was the board unplugged?",
        ) from error

    def read(self, timeout_s: float) -> bytes:
        try:
            self._serial.timeout = timeout_s
            first = self._serial.read(1)
            self._serial.timeout = 0
            return bytes(first + self._serial.read(65536)) if first else b""
        except (OSError, serial.SerialException) as error:
            self._reopen(error)
            return b""

    def write(self, data: bytes, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        try:
            self._serial.write_timeout = timeout_s
            sent = self._serial.write(data)
        except serial.SerialTimeoutException as error:
            raise LinkError(
                "the serial port takes no bytes", where=self.port, found=f"none in {timeout_s:.1f} s"
            ) from error
        except (OSError, serial.SerialException) as error:
            self._reopen(error)
            return  # what was under way is asked for again
        if sent is not None and sent != len(data) and time.monotonic() > deadline:
            raise LinkError("the serial port took only a part of the bytes", where=self.port, found=sent)


def _scheme(port: str) -> str:
    """The kind of an address, empty for a device of this machine.

    Raises:
        InputError: an address in a network that lacks its host or port.
    """
    scheme, mark, _ = port.partition("://")
    if not mark:
        return ""
    if scheme in _NETWORK:
        try:
            parts = urlsplit(port)
            whole = bool(parts.hostname) and bool(parts.port)
        except ValueError:  # no number, or out of range
            whole = False
        if not whole:
            raise InputError(
                "the serial port's address is incomplete",
                found=port,
                expected=f"{scheme}://HOST:PORT, PORT from 1 to 65535",
            )
    return scheme
