"""A board on a serial port: a device path, a pseudo-terminal, or ``socket://host:port`` (pyserial's URLs)."""

from __future__ import annotations

import time
import types
from typing import Self

import serial

from ascmcu.errors import LinkError
from ascmcu.runners.base import Runner, RunnerFacts, Target


class SerialRunner(Runner):
    """Opens ``port`` at the board's baud rate (8 data bits, no parity, 1 stop bit); flashes nothing."""

    name = "serial"

    def __init__(self, target: Target, port: str, baud: int | None = None) -> None:
        super().__init__(target)
        self.port = port
        self.baud = baud or target.board.serial.baud

    @property
    def facts(self) -> RunnerFacts:
        return RunnerFacts(self.name, "cycles", f"{self.port} at {self.baud} baud", response_s=10.0)

    def __enter__(self) -> Self:
        try:
            self._serial = serial.serial_for_url(self.port, baudrate=self.baud, timeout=0, write_timeout=0)
            self._serial.reset_input_buffer()
        except (OSError, ValueError, serial.SerialException) as error:
            raise LinkError(
                "the serial port cannot be opened",
                where=self.port,
                found=str(error),
                hint="is the board connected, and may you read and write the device (group dialout)?",
            ) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        self._serial.close()

    def _gone(self, error: Exception) -> LinkError:
        return LinkError(
            "the serial port is gone", where=self.port, found=str(error), hint="was the board unplugged?"
        )

    def read(self, timeout_s: float) -> bytes:
        try:
            self._serial.timeout = timeout_s
            first = self._serial.read(1)
            self._serial.timeout = 0
            return bytes(first + self._serial.read(65536)) if first else b""
        except (OSError, serial.SerialException) as error:
            raise self._gone(error) from error

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
            raise self._gone(error) from error
        if sent is not None and sent != len(data) and time.monotonic() > deadline:
            raise LinkError("the serial port took only a part of the bytes", where=self.port, found=sent)
