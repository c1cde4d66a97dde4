# SPDX-License-Identifier: Apache-2.0
"""A device that exists in Python alone: it says what a test wants it to say, on simulated time."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from ascmcu.benchmark import wire
from tests.support.patience import Clock

OUTPUT = bytes(range(14))


def hello_body(**changes: int) -> bytes:
    """A description of a device with the fields that are judged."""
    values = {
        "credits": 1, "chunk": 100, "receive": 200, "layers": 3, "reset": wire.Reset.WATCHDOG, "pc": 0x08001234,
        **changes,
    }  # fmt: skip
    head = (
        wire.PROTOCOL_VERSION,
        1,
        0,
        5,
        168_000_000,
        values["credits"],
        values["chunk"],
        values["receive"],
    )
    shape = (4, 6, 8000, 10, 2, 1, 14, values["layers"])
    body = wire._HELLO.pack(*head, bytes(range(32)), *shape, bytes(32), bytes(32), 768, 1024, 3829)
    texts = ("net", "board", "rows", "1.0", "-O3")
    said = b"".join(bytes([len(text)]) + text.encode() for text in texts)
    return (
        body
        + said
        + wire._STARTED.pack(values["reset"], 3, values["pc"], 0x08001235, 0x0200, 0x40000000, 0, 0)
    )


@dataclass
class Device:
    """The link to it. ``said`` is asked first, for each frame; where it says nothing, the device behaves.

    Attributes:
        said: what to send for a frame, whole and encoded; None for what a device should say.
        silence: what it says of itself when nothing comes, every ``every_s`` seconds.
        taken: the bytes of the open clip.
        begun: the clips that were begun.
    """

    clock: Clock
    said: Callable[[wire.Frame], bytes | None] = lambda frame: None
    silence: Callable[[], bytes] = lambda: b""
    every_s: float = 0.25
    taken: bytes = b""
    begun: list[int] = field(default_factory=list)
    _total: int = 0
    _out: bytes = b""
    _decoder: wire.Decoder = field(default_factory=wire.Decoder)

    def write(self, data: bytes, timeout_s: float) -> None:
        """Frames of the host."""
        for frame in self._decoder.feed(data):
            said = self.said(frame)
            self._out += self._answer(frame) if said is None else said

    def read(self, timeout_s: float) -> bytes:
        """What the device has said; time passes where it has said nothing."""
        if not self._out:
            self.clock.now_s += min(timeout_s, self.every_s)
            self._out = self.silence()
        said, self._out = self._out, b""
        return said

    def ready(self, cause: wire.Cause, offset: int, request: int = 0) -> bytes:
        """A READY of the clip that was begun last."""
        return wire.encode(wire.Type.READY, cause, request, wire._READY.pack(self.begun[-1], offset, 1))

    def _answer(self, frame: wire.Frame) -> bytes:
        if frame.type == wire.Type.HELLO:
            return wire.encode(wire.Type.IS_HELLO, 3, frame.request, hello_body())
        if frame.type == wire.Type.BEGIN:
            clip, self._total = (int.from_bytes(frame.body[at : at + 4], "little") for at in (0, 4))
            self.begun.append(clip)
            self.taken = b""
            return self.ready(wire.Cause.ACCEPTED, 0, frame.request)
        self.taken += frame.body[8:]
        if len(self.taken) < self._total:
            return self.ready(wire.Cause.ACCEPTED, len(self.taken), frame.request)
        figures = wire._RESULT.pack(self.begun[-1], zlib.crc32(self.taken), 1, 2, 3, 4, 4, 0)
        return wire.encode(wire.Type.RESULT, 0, frame.request, figures + OUTPUT)
