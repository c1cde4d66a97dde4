# SPDX-License-Identifier: Apache-2.0
"""A digital microphone on an STM32F4: SPI2 as I2S master, whose data DMA1 puts into memory.

RM0390: 9 (DMA), 26.6 and 26.7 (I2S), 6.3.22 and 6.3.25 (its clock). A frame has two slots. A microphone with I2S
answers in the left one and leaves the right one at 0; one with PDM fills both with its bits. Frames come at the rate
that the registers say, whether or not anybody takes them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ascmcu.sim.core import FIRST_IRQ, Nvic
from ascmcu.sim.cpu import Cpu
from ascmcu.sim.devices import Device, Registers
from ascmcu.sim.engine import NEVER
from ascmcu.sim.receiver import Receiver
from ascmcu.sim.stm32 import Usart, UsartF4

_HSI_HZ = 16_000_000
# Interrupt numbers of the DMAs' streams (RM0390 table 38), and where the flags of a stream lie in LISR and HISR.
_STREAM_IRQS = {1: (11, 12, 13, 14, 15, 16, 17, 47), 2: (56, 57, 58, 59, 60, 68, 69, 70)}
_STREAMS = 8
_FLAG_SHIFTS = (0, 6, 16, 22)
_HALF, _COMPLETE = 1 << 4, 1 << 5
_STREAM, _CHANNEL = 3, 0  # SPI2_RX: RM0390 table 28
_CR, _NDTR, _M0AR = 0x00, 0x04, 0x0C
_EN, _CIRC = 1 << 0, 1 << 8
_HTIE, _TCIE = 1 << 3, 1 << 4
_TO_PERIPHERAL = 1  # DIR


class Dma(Device):
    """A DMA, as far as half-words from a peripheral go round in a buffer, and bytes go to one.

    Attributes:
        asks: by stream, what to call with the cycle when it begins to have bytes for a peripheral.
    """

    def __init__(self, nvic: Nvic, cpu: Cpu, number: int = 1) -> None:
        super().__init__(f"DMA{number}", 0x4002_6000 + 0x400 * (number - 1), 0x400)
        self._nvic, self._cpu = nvic, cpu
        self._irqs = _STREAM_IRQS[number]
        self.asks: dict[int, Callable[[int], None]] = {}
        self._values: dict[int, int] = {}
        self._flags = [0, 0]
        self._length = [0] * _STREAMS

    def _at(self, stream: int, register: int) -> int:
        return self._values.get(0x10 + 0x18 * stream + register, 0)

    def runs(self, stream: int, channel: int) -> bool:
        """Whether the stream takes requests of the channel."""
        control = self._at(stream, _CR)
        return bool(control & _EN) and control >> 25 & 7 == channel

    def until_flag(self, stream: int) -> int:
        """Half-words until half of the buffer, or all of it, is full."""
        left, length = self._at(stream, _NDTR), self._length[stream]
        half = length - length // 2
        return left - half if left > half else left

    def put(self, stream: int, data: bytes) -> None:
        """Half-words that the peripheral has, no more than ``until_flag``."""
        left, length = self._at(stream, _NDTR), self._length[stream]
        self._cpu.store(self._at(stream, _M0AR) + 2 * (length - left), data)
        left -= len(data) // 2
        if left == length - length // 2:
            self._flag(stream, _HALF)
        if left == 0:
            self._flag(stream, _COMPLETE)
            control = self._at(stream, _CR)
            left = length if control & _CIRC else 0
            if not control & _CIRC:
                self._values[0x10 + 0x18 * stream + _CR] = control & ~_EN
        self._values[0x10 + 0x18 * stream + _NDTR] = left
        self._update(stream)

    def take(self, stream: int, channel: int) -> int | None:
        """A byte for a peripheral that asks by ``channel``; None where the stream has none for it."""
        left = self._at(stream, _NDTR)
        if not left or not self.runs(stream, channel) or self._at(stream, _CR) >> 6 & 3 != _TO_PERIPHERAL:
            return None
        byte = self._cpu.load(self._at(stream, _M0AR) + self._length[stream] - left, 1)[0]
        self._values[0x10 + 0x18 * stream + _NDTR] = left - 1
        if left == 1:
            self._flag(stream, _COMPLETE)
            self._values[0x10 + 0x18 * stream + _CR] &= ~_EN
            self._update(stream)
        return byte

    def _flag(self, stream: int, flag: int) -> None:
        self._flags[stream // 4] |= flag << _FLAG_SHIFTS[stream % 4]

    def _update(self, stream: int) -> None:
        flags = self._flags[stream // 4] >> _FLAG_SHIFTS[stream % 4]
        control = self._at(stream, _CR)
        level = (flags & _HALF and control & _HTIE) or (flags & _COMPLETE and control & _TCIE)
        self._nvic.set_line(FIRST_IRQ + self._irqs[stream], bool(level))

    def read(self, offset: int, cycle: int) -> int:
        return self._flags[offset // 4] if offset < 8 else self._values.get(offset, 0)

    def write(self, offset: int, value: int, cycle: int) -> None:
        if offset in (8, 12):
            self._flags[offset // 4 - 2] &= ~value
            for stream in range(4 * (offset // 4 - 2), 4 * (offset // 4 - 1)):
                self._update(stream)
            return
        self._values[offset] = value
        stream, register = divmod(offset - 0x10, 0x18)
        if register == _NDTR and 0 <= stream < len(self._length):
            self._length[stream] = value & 0xFFFF
        elif register == _CR and value & _EN and stream in self.asks:
            self.asks[stream](cycle)


class Sound(Protocol):
    """What is on the data line. ``frames_per_sample``: frames of the I2S in which a sample comes."""

    frames_per_sample: int

    def frames(self, count: int) -> npt.NDArray[np.uint16]:
        """The next frames as (count, 2) half-words."""


class Slots:
    """A microphone with I2S: a sample in the left slot of each frame, and silence behind the recording."""

    frames_per_sample = 1

    def __init__(self, pcm: npt.ArrayLike) -> None:
        self._left = np.asarray(pcm, np.int16)

    def frames(self, count: int) -> npt.NDArray[np.uint16]:
        """See ``Sound``."""
        found = np.zeros((count, 2), np.int16)
        heard, self._left = self._left[:count], self._left[count:]
        found[: len(heard), 0] = heard
        return found.view(np.uint16)


class Bits:
    """A microphone with PDM: 64 bits for each sample, and both slots of 16 bits are full of them."""

    frames_per_sample = 2

    def __init__(self, pcm: npt.ArrayLike, rate_hz: int) -> None:
        from ascmcu.sim.pdm import Modulator

        self._modulator = Modulator(np.asarray(pcm, np.int16), rate_hz)

    def frames(self, count: int) -> npt.NDArray[np.uint16]:
        """See ``Sound``."""
        return self._modulator.words(2 * count).reshape(count, 2)


class I2s(Receiver):
    """SPI2 as I2S master that receives 16 bits in slots of 16 or 32; a microphone is on its data line.

    Attributes:
        sound: what the microphone hears from the first frame on.
    """

    def __init__(self, rcc: Registers, dma: Dma) -> None:
        super().__init__("SPI2", 0x4000_3800, 0x400)
        self._rcc, self._dma = rcc, dma
        self._values: dict[int, int] = {0x08: 2, 0x20: 2}
        self.sound: Sound = Slots(())
        self._began: int | None = None
        self._frames = 0  # since it began

    def hear(self, kind: str, pcm: npt.NDArray[np.int16], rate_hz: int) -> None:
        self.sound = Bits(pcm, rate_hz) if kind == "pdm" else Slots(pcm)

    @property
    def frames_per_sample(self) -> int:  # type: ignore[override]
        """Of the sound."""
        return self.sound.frames_per_sample

    @property
    def clock_hz(self) -> tuple[int, int]:
        """PLLI2S as a fraction of hertz: numerator and denominator."""
        pll, of_main = self._rcc.values.get(0x84, 0), self._rcc.values.get(0x04, 0)
        source = self.source_hz if of_main >> 22 & 1 else _HSI_HZ
        m = pll & 0x3F or of_main & 0x3F  # parts whose PLLI2S has none of its own use the core's
        return source * (pll >> 6 & 0x1FF), max(m, 1) * max(pll >> 28 & 7, 1)

    @property
    def rate_hz(self) -> tuple[int, int]:
        """Frames a second as a fraction: two slots (RM0390 26.6.5)."""
        divider = self._values.get(0x20, 2)
        numerator, denominator = self.clock_hz
        bits = 64 if self._values.get(0x1C, 0) & 1 else 32
        return numerator, denominator * bits * max(2 * (divider & 0xFF) + (divider >> 8 & 1), 1)

    @property
    def _runs(self) -> bool:
        control = self._values.get(0x1C, 0)
        receives = control >> 11 & 1 and control >> 8 & 3 == 3 and control >> 10 & 1
        return bool(receives) and bool(self._rcc.values.get(0x00, 0) >> 26 & 1)

    def _due(self, cycle: int) -> int:
        numerator, denominator = self.rate_hz
        return (cycle - (self._began or 0)) * numerator // (denominator * self.core_hz)

    def next_event(self) -> int:
        if self._began is None or not self._listened:
            return NEVER
        frame = self._frames + -(-self._dma.until_flag(_STREAM) // 2)
        numerator, denominator = self.rate_hz
        return self._began - (-frame * denominator * self.core_hz // numerator)

    @property
    def _listened(self) -> bool:
        return bool(self._values.get(0x04, 0) & 1) and self._dma.runs(_STREAM, _CHANNEL)

    def advance(self, cycle: int) -> None:
        if self._began is None:
            return
        due = self._due(cycle)
        while self._frames < due:
            if not self._listened:
                self.missed += due - self._frames
                self.sound.frames(due - self._frames)
                self._frames = due
                return
            count = min(due - self._frames, -(-self._dma.until_flag(_STREAM) // 2))
            self._dma.put(_STREAM, self.sound.frames(count).astype("<u2").tobytes())
            self._frames += count
            self.taken += count

    def read(self, offset: int, cycle: int) -> int:
        self.advance(cycle)
        return self._values.get(offset, 0)

    def write(self, offset: int, value: int, cycle: int) -> None:
        self.advance(cycle)
        self._values[offset] = value
        if self._began is None and self._runs:
            self._began, self._frames = cycle, 0
        elif not self._runs:
            self._began = None


# USART: its DMA, stream and channel for sending (RM0390 tables 28 and 29).
_SENDERS = ((1, 2, 7, 4), (2, 1, 6, 4), (3, 1, 4, 7), (6, 2, 6, 5))


def f4_dma(nvic: Nvic, cpu: Cpu, rcc: Registers, ports: dict[int, Usart]) -> list[Device]:
    """The DMAs of an STM32F4, with the serial ports that they send to, and the I2S."""
    dmas = {number: Dma(nvic, cpu, number) for number in (1, 2)}
    for usart, number, stream, channel in _SENDERS:
        port = ports.get(usart)
        if isinstance(port, UsartF4):
            port.supply = functools.partial(dmas[number].take, stream, channel)
            dmas[number].asks[stream] = port.advance
    return [*dmas.values(), I2s(rcc, dmas[1])]
