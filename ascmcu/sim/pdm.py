# SPDX-License-Identifier: Apache-2.0
"""A microphone with PDM: a recording as the bits of a sigma-delta modulator.

The modulator is of third order with all zeros of its noise at 0 Hz; its poles let the noise rise to 1.5 of the
quantizer's (Schreier and Temes, "Understanding Delta-Sigma Data Converters", 4). It is stable up to some 0.7 of full
scale: louder sound is clipped there, as a real microphone's is at its overload point.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ascmcu.sim.native import compiled

LOUDEST = 0.7
# The noise's transfer is (1 - z^-1)^3 over 1 - 2.2002 z^-1 + 1.6886 z^-2 - 0.4444 z^-3: numerator less denominator, and
# the denominator, from z^-1 on.
_FEED = (-3 + 2.2002, 3 - 1.6886, -1 + 0.4444)
_POLES = (-2.2002, 1.6886, -0.4444)
_PART_S = 1


@compiled
def modulate(sound: npt.NDArray[np.float64], bits: npt.NDArray[np.uint8], kept: Any) -> None:
    """One bit for each value; ``kept`` are the last three errors and the last three sums of them."""
    for n in range(len(sound)):
        fed = (
            _FEED[0] * kept[0] + _FEED[1] * kept[1] + _FEED[2] * kept[2]
            - _POLES[0] * kept[3] - _POLES[1] * kept[4] - _POLES[2] * kept[5]
        )  # fmt: skip
        wanted = sound[n] + fed
        given = 1.0 if wanted >= 0.0 else -1.0
        bits[n] = given > 0.0
        kept[2], kept[1], kept[0] = kept[1], kept[0], given - wanted
        kept[5], kept[4], kept[3] = kept[4], kept[3], fed


class Modulator:
    """Bits in the order of time, in words the first one highest; silence follows the recording.

    Args:
        pcm: int16, one channel.
        rate_hz: of it.
        bits: for each sample.
    """

    def __init__(self, pcm: npt.NDArray[np.int16], rate_hz: int, bits: int = 64) -> None:
        import soxr

        self._pcm = np.asarray(pcm, np.int16)
        self._part = _PART_S * rate_hz
        self._factor = bits
        self._stream = soxr.ResampleStream(rate_hz, rate_hz * bits, 1, dtype="float32", quality="HQ")
        self._at = 0
        self._kept = np.zeros(6)
        self._bits = np.zeros(0, np.uint8)

    def bits(self, count: int) -> npt.NDArray[np.uint8]:
        """The next ones, 0 or 1."""
        while len(self._bits) < count:
            self._bits = np.concatenate([self._bits, self._more()])
        taken, self._bits = self._bits[:count], self._bits[count:]
        return taken

    def words(self, count: int) -> npt.NDArray[np.uint16]:
        """The next ones."""
        return np.packbits(self.bits(16 * count)).view(">u2").astype(np.uint16)

    def _more(self) -> npt.NDArray[np.uint8]:
        part = self._pcm[self._at : self._at + self._part]
        self._at += self._part
        sound = np.zeros(self._part, np.float32)
        sound[: len(part)] = part / np.float32(32768)
        raised = self._stream.resample_chunk(sound).astype(np.float64)
        bits = np.zeros(len(raised), np.uint8)
        modulate(np.clip(raised, -LOUDEST, LOUDEST), bits, self._kept)
        return bits
