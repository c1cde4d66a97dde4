# SPDX-License-Identifier: Apache-2.0
"""A link that does all that cables, probes and boards do, at given rates, from a fixed random sequence."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from ascmcu.errors import LinkError
from ascmcu.runners.base import Target
from ascmcu.runners.host import HostRunner

# What happens to a frame, either way: a byte of it is lost, flipped or doubled; it comes late, behind the next; the
# device resets in the middle; the cable is pulled.
KINDS = ("lost", "flipped", "doubled", "delayed", "reset", "disconnected")


@dataclass
class Tally:
    """Frames that have passed, and what was done to them."""

    frames: int = 0
    faults: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))


class FaultyRunner(HostRunner):
    """The host build behind such a link. ``rates`` gives each kind its probability per frame."""

    sanitize = False

    def __init__(self, target: Target, rng: random.Random, rates: dict[str, float], tally: Tally) -> None:
        super().__init__(target)
        self._rng = rng
        self._rates = rates
        self._tally = tally
        self._held: dict[str, bytes] = {"in": b"", "out": b""}
        self._sent_back = b""

    def read(self, timeout_s: float) -> bytes:
        data = super().read(timeout_s)
        *frames, self._sent_back = (self._sent_back + data).split(b"\0")
        return b"".join(self._pass(frame + b"\0", "in") for frame in frames if frame)

    def write(self, data: bytes, timeout_s: float) -> None:
        damaged = self._pass(data, "out")
        if damaged:
            super().write(damaged, timeout_s)

    def _pass(self, frame: bytes, way: str) -> bytes:
        """One frame, as it arrives on the other side, with what was held back before it."""
        self._tally.frames += 1
        held, self._held[way] = self._held[way], b""
        at = self._rng.randrange(len(frame))
        for kind in KINDS:
            if self._rng.random() >= self._rates.get(kind, 0.0):
                continue
            self._tally.faults[kind] += 1
            if kind == "lost":
                frame = frame[:at] + frame[at + 1 :]
            elif kind == "flipped" and frame:
                at = min(at, len(frame) - 1)
                frame = frame[:at] + bytes([frame[at] ^ 1 << self._rng.randrange(8)]) + frame[at + 1 :]
            elif kind == "doubled":
                frame = frame[:at] + frame[at : at + 1] + frame[at:]
            elif kind == "delayed":
                self._held[way], frame = frame, b""
            elif kind == "reset":
                self._restart()
                frame = frame[at:]
            elif kind == "disconnected":
                raise LinkError("the cable was pulled")
        return held + frame if self._rng.random() < 0.5 else frame + held

    def _restart(self) -> None:
        """The device loses all that it knew, and says hello."""
        super().__exit__(None, None, None)
        self._sent_back = b""
        super().__enter__()
