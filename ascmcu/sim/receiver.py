# SPDX-License-Identifier: Apache-2.0
"""What a microphone's sound comes through: a peripheral that takes it at the rate that its registers say."""

from __future__ import annotations

import abc

import numpy as np
import numpy.typing as npt

from ascmcu.sim.devices import Device


class Receiver(Device):
    """A peripheral with a microphone on its data line. It counts in frames: what it takes at a time.

    Attributes:
        taken: frames that went into memory.
        missed: frames that came while nobody took them.
        frames_per_sample: of the sound.
        source_hz: of the board's crystal.
        core_hz: of the core, in whose cycles time is counted.
    """

    timed = True
    taken = 0
    missed = 0
    frames_per_sample = 1
    source_hz = 8_000_000
    core_hz = 16_000_000

    def clocked(self, core_hz: int) -> None:
        self.core_hz = core_hz

    @property
    @abc.abstractmethod
    def rate_hz(self) -> tuple[int, int]:
        """Frames a second as a fraction: numerator and denominator."""

    @abc.abstractmethod
    def hear(self, kind: str, pcm: npt.NDArray[np.int16], rate_hz: int) -> None:
        """What the microphone, ``i2s`` or ``pdm``, hears from the first frame on; silence follows it."""
