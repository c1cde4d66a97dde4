# SPDX-License-Identifier: Apache-2.0
"""PDM of an nRF52840 with a microphone, and the PPI that joins its events to others' tasks (PS v1.7, 6.15 and 6.16).

The taps of its decimator are not published. Here it is an ideal low pass to the sample rate, at a gain of one.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from ascmcu.sim.core import FIRST_IRQ, Nvic
from ascmcu.sim.cpu import Cpu
from ascmcu.sim.devices import Device, Registers
from ascmcu.sim.engine import NEVER
from ascmcu.sim.receiver import Receiver

_IRQ = 29
_START, _STOP, _STARTED, _STOPPED, _END = 0x000, 0x004, 0x100, 0x104, 0x108
_INTEN, _INTENSET, _INTENCLR = 0x300, 0x304, 0x308
_ENABLE, _CLOCK, _RATIO, _PTR, _MAXCNT = 0x500, 0x504, 0x520, 0x560, 0x564
# What 32 MHz is divided by, by PDMCLKCTRL; 1.032 MHz after reset.
_DIVIDERS = {0x08000000: 32, 0x08400000: 31, 0x08800000: 30, 0x09800000: 26, 0x0A000000: 25, 0x0A800000: 24}
_RESET_CLOCK = 0x08400000
_SOURCE_HZ = 32_000_000
_CHEN, _CHENSET, _CHENCLR, _CHANNELS = 0x500, 0x504, 0x508, 0x510


class Ppi(Registers):
    """Channels from events to tasks, the programmable ones.

    Args:
        targets: devices whose tasks may be triggered.
    """

    def __init__(self, targets: list[Device]) -> None:
        super().__init__("PPI", 0x4001F000, 0x1000)
        self._targets = targets

    def write(self, offset: int, value: int, cycle: int) -> None:
        kept = self.values.get(_CHEN, 0)
        if offset in (_CHENSET, _CHENCLR):
            self.values[_CHEN] = kept | value if offset == _CHENSET else kept & ~value
        else:
            super().write(offset, value, cycle)

    def signal(self, event: int, cycle: int) -> None:
        """An event, by the address of its register, has come."""
        for channel in range(20):
            at = _CHANNELS + 8 * channel
            if self.values.get(_CHEN, 0) >> channel & 1 and self.values.get(at, 0) == event:
                task = self.values.get(at + 4, 0)
                for device in self._targets:
                    if device.base <= task < device.base + device.size_bytes:
                        device.write(task - device.base, 1, cycle)


class _Decimated:
    """Samples of a microphone's bits.

    Args:
        pcm: what it hears.
        rate_hz: of ``pcm``.
        bits: for each sample.
    """

    def __init__(self, pcm: npt.NDArray[np.int16], rate_hz: int, bits: int) -> None:
        import soxr

        from ascmcu.sim.pdm import Modulator

        self._modulator = Modulator(pcm, rate_hz, bits)
        self._stream = soxr.ResampleStream(rate_hz * bits, rate_hz, 1, dtype="float32", quality="HQ")
        self._bits = bits * rate_hz // 10
        self._samples = np.zeros(0, np.int16)

    def take(self, count: int) -> npt.NDArray[np.int16]:
        """The next samples."""
        while len(self._samples) < count:
            bits = self._modulator.bits(self._bits).astype(np.float32) * 2 - 1
            more = np.clip(np.rint(self._stream.resample_chunk(bits) * 32768), -32768, 32767)
            self._samples = np.concatenate([self._samples, more.astype(np.int16)])
        taken, self._samples = self._samples[:count], self._samples[count:]
        return taken


class Pdm(Receiver):
    """Its frames are samples. Blocks go to memory one after the other, as long as nobody stops it.

    Attributes:
        ppi: what hears of its events.
    """

    core_hz = 64_000_000

    def __init__(self, nvic: Nvic, cpu: Cpu, ppi: Ppi) -> None:
        super().__init__("PDM", 0x4001D000, 0x1000)
        self._nvic, self._cpu, self.ppi = nvic, cpu, ppi
        self._values: dict[int, int] = {_CLOCK: _RESET_CLOCK}
        self._heard: tuple[npt.NDArray[np.int16], int] = (np.zeros(0, np.int16), 16000)
        self._began: int | None = None
        self._place = self._room = 0
        self._frames = 0  # since it began

    def hear(self, kind: str, pcm: npt.NDArray[np.int16], rate_hz: int) -> None:
        if kind != "pdm":
            raise ValueError(kind)
        self._heard = (np.asarray(pcm, np.int16), rate_hz)

    @functools.cached_property
    def _sound(self) -> _Decimated:
        return _Decimated(*self._heard, self._bits)

    @property
    def _bits(self) -> int:
        return 80 if self._values.get(_RATIO, 0) & 1 else 64

    @property
    def rate_hz(self) -> tuple[int, int]:
        return _SOURCE_HZ, _DIVIDERS.get(self._values[_CLOCK], 31) * self._bits

    def next_event(self) -> int:
        if self._began is None or not self._room:
            return NEVER
        numerator, denominator = self.rate_hz
        return self._began - (-(self.taken + self._room) * denominator * self.core_hz // numerator)

    def advance(self, cycle: int) -> None:
        if self._began is None:
            return
        numerator, denominator = self.rate_hz
        due = (cycle - self._began) * numerator // (denominator * self.core_hz)
        while self._frames < due and self._room:
            count = min(due - self._frames, self._room)
            self._cpu.store(self._place, self._sound.take(count).astype("<i2").tobytes())
            self._place += 2 * count
            self._room -= count
            self._frames += count
            self.taken += count
            if not self._room:
                self._event(_END, cycle)
                self._begin_block(cycle)
        self._update()

    def _begin_block(self, cycle: int) -> None:
        self._place, self._room = self._values.get(_PTR, 0), self._values.get(_MAXCNT, 0) & 0x7FFF
        self._event(_STARTED, cycle)

    def _event(self, offset: int, cycle: int) -> None:
        self._values[offset] = 1
        self.ppi.signal(self.base + offset, cycle)

    def _update(self) -> None:
        enabled = self._values.get(_INTEN, 0)
        events = enumerate((_STARTED, _STOPPED, _END))
        level = any(enabled >> bit & 1 and self._values.get(event, 0) for bit, event in events)
        self._nvic.set_line(FIRST_IRQ + _IRQ, level)

    def read(self, offset: int, cycle: int) -> int:
        self.advance(cycle)
        return self._values.get(offset, 0)

    def write(self, offset: int, value: int, cycle: int) -> None:
        self.advance(cycle)
        if offset == _START and value & 1 and self._values.get(_ENABLE, 0) & 1:
            self._began, self._frames = cycle, 0
            self._begin_block(cycle)
        elif offset == _STOP and value & 1:
            self._began, self._room = None, 0
            self._event(_STOPPED, cycle)
        elif offset in (_INTENSET, _INTENCLR):
            kept = self._values.get(_INTEN, 0)
            self._values[_INTEN] = kept | value if offset == _INTENSET else kept & ~value
        else:
            self._values[offset] = value
        self._update()
