# SPDX-License-Identifier: Apache-2.0
"""DFSDM1 of an STM32L47x with a microphone on channel 2, and the DMA that takes its values (RM0351: 24 and 11)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ascmcu.sim.core import FIRST_IRQ, Nvic
from ascmcu.sim.cpu import Cpu
from ascmcu.sim.devices import Device
from ascmcu.sim.engine import NEVER
from ascmcu.sim.receiver import Receiver

_STAGES = 4
# DMA1: interrupt of channel 1 (RM0351 13.3), registers of a channel, and the channel of filter 0 (table 41).
_FIRST_CHANNEL_IRQ, _CHANNEL_BYTES, _CHANNEL = 11, 20, 4
_COMPLETE, _HALF = 1 << 1, 1 << 2
_CCR, _CNDTR, _CMAR = 0x08, 0x0C, 0x14
_CSELR = 0xA8
_EN, _TCIE, _HTIE, _CIRC = 1 << 0, 1 << 1, 1 << 2, 1 << 5
# DFSDM: channel 0 and 2, filter 0.
_CH0CFGR1, _CH2CFGR1, _CR1, _FCR = 0x000, 0x040, 0x100, 0x114
_DFEN, _RSWSTART, _RCONT, _RDMAEN, _FAST = 1 << 0, 1 << 17, 1 << 18, 1 << 21, 1 << 29
_CHEN = 1 << 7


class DmaL4(Device):
    """DMA1, as far as words from a peripheral go round in a buffer."""

    def __init__(self, nvic: Nvic, cpu: Cpu) -> None:
        super().__init__("DMA1", 0x4002_0000, 0x400)
        self._nvic, self._cpu = nvic, cpu
        self._values: dict[int, int] = {}
        self._flags = 0
        self._length: dict[int, int] = {}

    def _at(self, channel: int, register: int) -> int:
        return self._values.get(register + _CHANNEL_BYTES * (channel - 1), 0)

    def runs(self, channel: int, request: int) -> bool:
        """Whether the channel takes requests of this number."""
        selected = self._values.get(_CSELR, 0) >> 4 * (channel - 1) & 15
        return bool(self._at(channel, _CCR) & _EN) and selected == request

    def until_flag(self, channel: int) -> int:
        """Words until half of the buffer, or all of it, is full."""
        left, length = self._at(channel, _CNDTR), self._length.get(channel, 0)
        half = length - length // 2
        return left - half if left > half else left

    def put(self, channel: int, data: bytes) -> None:
        """Words that the peripheral has, no more than ``until_flag``."""
        left, length = self._at(channel, _CNDTR), self._length[channel]
        self._cpu.store(self._at(channel, _CMAR) + 4 * (length - left), data)
        left -= len(data) // 4
        if left == length - length // 2:
            self._flag(channel, _HALF)
        if left == 0:
            self._flag(channel, _COMPLETE)
            left = length if self._at(channel, _CCR) & _CIRC else 0
        self._values[_CNDTR + _CHANNEL_BYTES * (channel - 1)] = left
        self._update(channel)

    def _flag(self, channel: int, flag: int) -> None:
        self._flags |= (flag | 1) << 4 * (channel - 1)

    def _update(self, channel: int) -> None:
        flags, control = self._flags >> 4 * (channel - 1), self._at(channel, _CCR)
        level = (flags & _HALF and control & _HTIE) or (flags & _COMPLETE and control & _TCIE)
        self._nvic.set_line(FIRST_IRQ + _FIRST_CHANNEL_IRQ + channel - 1, bool(level))

    def read(self, offset: int, cycle: int) -> int:
        return self._flags if offset == 0 else self._values.get(offset, 0)

    def write(self, offset: int, value: int, cycle: int) -> None:
        if offset == 4:
            self._flags &= ~value
            for channel in range(1, 8):
                self._update(channel)
            return
        self._values[offset] = value
        channel, register = divmod(offset - _CCR, _CHANNEL_BYTES)
        if register == _CNDTR - _CCR and 0 <= channel < 7:
            self._length[channel + 1] = value & 0xFFFF


class _Summed:
    """Values of the filter: four integrators, and differences over ``count`` bits of -1 or 1 each.

    Args:
        pcm: what the microphone hears.
        rate_hz: of it.
        bits: for each sample of it.
        count: for each value.
    """

    def __init__(self, pcm: npt.NDArray[np.int16], rate_hz: int, bits: int, count: int) -> None:
        from ascmcu.sim.pdm import Modulator

        self._modulator = Modulator(pcm, rate_hz, bits)
        self._count = count
        self._sums = np.zeros(_STAGES, np.int64)
        self._before = np.zeros(_STAGES, np.int64)
        self.take(_STAGES - 1)  # of bits before the first: 24.4.9

    def take(self, count: int) -> npt.NDArray[np.int64]:
        """The next ones."""
        values = 2 * self._modulator.bits(count * self._count).astype(np.int64) - 1
        for stage in range(_STAGES):
            values = np.cumsum(values) + self._sums[stage]  # modulo 2^64
            self._sums[stage] = values[-1]
        values = values[self._count - 1 :: self._count]
        for stage in range(_STAGES):
            last = values[-1]
            values = np.diff(values, prepend=self._before[stage])
            self._before[stage] = last
        return values


class Dfsdm(Receiver):
    """Filter 0, which takes channel 2 without end; its frames are its values, two of them a sample."""

    frames_per_sample = 2

    def __init__(self, dma: DmaL4) -> None:
        super().__init__("DFSDM1", 0x4001_6000, 0x400)
        self._dma = dma
        self._values: dict[int, int] = {}
        self._heard: tuple[npt.NDArray[np.int16], int] = (np.zeros(0, np.int16), 16000)
        self._sound: _Summed | None = None
        self._began = 0
        self._frames = 0

    def hear(self, kind: str, pcm: npt.NDArray[np.int16], rate_hz: int) -> None:
        if kind != "pdm":
            raise ValueError(kind)
        self._heard = (np.asarray(pcm, np.int16), rate_hz)

    @property
    def _divider(self) -> int:
        return (self._values.get(_CH0CFGR1, 0) >> 16 & 0xFF) + 1

    @property
    def _count(self) -> int:
        return (self._values.get(_FCR, 0) >> 16 & 0x3FF) + 1

    @property
    def rate_hz(self) -> tuple[int, int]:
        return self.core_hz, self._divider * self._count

    def _start(self, cycle: int) -> None:
        """The bits are the first that the microphone gives; the first value is there when four of them would be."""
        pcm, rate_hz = self._heard
        bits = round(self.core_hz / (self._divider * rate_hz))
        self._sound = _Summed(pcm, rate_hz, bits, self._count)
        self._began, self._frames = cycle, 0

    @property
    def _runs(self) -> bool:
        control, wanted = self._values.get(_CR1, 0), _DFEN | _RCONT | _FAST
        on = self._values.get(_CH0CFGR1, 0) >> 31 and self._values.get(_CH2CFGR1, 0) & _CHEN
        is_ours = control >> 24 & 7 == 2 and self._values.get(_FCR, 0) >> 29 == _STAGES
        return control & wanted == wanted and bool(on) and is_ours

    @property
    def _listened(self) -> bool:
        return bool(self._values.get(_CR1, 0) & _RDMAEN) and self._dma.runs(_CHANNEL, 0)

    def next_event(self) -> int:
        if self._sound is None or not self._listened:
            return NEVER
        frame = self._frames + self._dma.until_flag(_CHANNEL) + _STAGES - 1
        numerator, denominator = self.rate_hz
        return self._began - (-frame * denominator * self.core_hz // numerator)

    def advance(self, cycle: int) -> None:
        if self._sound is None:
            return
        numerator, denominator = self.rate_hz
        due = (cycle - self._began) * numerator // (denominator * self.core_hz) - (_STAGES - 1)
        while self._frames < due:
            if not self._listened:
                self.missed += due - self._frames
                self._sound.take(due - self._frames)
                self._frames = due
                return
            count = min(due - self._frames, self._dma.until_flag(_CHANNEL))
            words = (self._sound.take(count) << 8 & 0xFFFFFFFF) | 2
            self._dma.put(_CHANNEL, words.astype("<u4").tobytes())
            self._frames += count
            self.taken += count

    def read(self, offset: int, cycle: int) -> int:
        self.advance(cycle)
        return self._values.get(offset, 0)

    def write(self, offset: int, value: int, cycle: int) -> None:
        self.advance(cycle)
        self._values[offset] = value & ~_RSWSTART if offset == _CR1 else value
        if offset == _CR1 and value & _RSWSTART and self._runs:
            self._start(cycle)
        elif not self._runs:
            self._sound = None


def dfsdm_devices(nvic: Nvic, cpu: Cpu) -> list[Device]:
    """The filter with its DMA."""
    dma = DmaL4(nvic, cpu)
    return [dma, Dfsdm(dma)]
