# SPDX-License-Identifier: Apache-2.0
"""The wire protocol as the host speaks it: frames, messages, their bytes; ``docs/protocol.md`` describes it.

A frame is ``COBS(payload ‖ CRC-32) ‖ 0``; a payload is a 4-byte header (type, flags, request number) and a
body, little-endian throughout. This module turns messages into bytes and back; it knows no link and no time.
"""

from __future__ import annotations

import enum
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from cobs import cobs

from ascmcu.benchmark.counts import Counts
from ascmcu.errors import LinkError
from ascmcu.listening.decisions import Event

PROTOCOL_VERSION = 3
# Longer than any frame of a sane device; what exceeds it is noise and is dropped without being stored.
MAX_FRAME_BYTES = 1 << 17
# LAYERS asks with 16 bits.
MAX_LAYERS = 0xFFFF
NO_SHA256 = "0" * 64


class Type(enum.IntEnum):
    """The first byte of a payload; from 0x80 on it was sent by the device."""

    HELLO = 0x01
    BEGIN = 0x02
    DATA = 0x03
    LAYERS = 0x04
    STATISTICS = 0x05
    IS_HELLO = 0x81
    READY = 0x82
    RESULT = 0x83
    IS_LAYERS = 0x84
    IS_STATISTICS = 0x85
    ERROR = 0x86
    FAULT = 0x87


class Kind(enum.IntEnum):
    """What a clip's bytes are."""

    AUDIO = 0
    TENSOR = 1


# Flag of BEGIN beside the kind: the next step of a network with states, which it finds as the last one left them.
CONTINUES = 2


class Cause(enum.IntEnum):
    """Why a READY was sent."""

    ACCEPTED = 0
    DUPLICATE = 1
    AGAIN = 2


class Capability(enum.IntFlag):
    """What a firmware can do."""

    HAS_FRONTEND = 1
    HAS_PROFILE = 2


class ErrorCode(enum.IntEnum):
    """Why the device refused a request."""

    BAD_FRAME = 1
    BAD_TYPE = 2
    BAD_LENGTH = 3
    NO_CLIP = 4
    BAD_CLIP = 5
    INCOMPLETE = 6


class Counter(enum.IntEnum):
    """What the device counts with."""

    NONE = 0
    DWT = 1
    TIMER = 2


class ClockState(enum.IntEnum):
    """How far the device came with the clock that its board describes."""

    AS_CONFIGURED = 0
    PLL_FROM_HSI = 1
    HSI_ALONE = 2


class Reset(enum.IntEnum):
    """Why the device started."""

    UNKNOWN = 0
    POWER = 1
    PIN = 2
    SOFTWARE = 3
    WATCHDOG = 4


@dataclass(frozen=True)
class Frame:
    """A payload whose CRC was right."""

    type: int
    flags: int
    request: int
    body: bytes


@dataclass(frozen=True)
class Probe:
    """What the device's counter said of two loops of ``instructions`` each; all 0 where nothing counts."""

    instructions: int
    additions: int
    divisions: int


@dataclass(frozen=True)
class Hello:
    """What the device says of itself.

    ``build_sha256`` names the build (``ascmcu.toolchain.identity``), ``features_sha256`` the front end's specification;
    64 zeros where there is none. ``receive_bytes``: so many encoded bytes may be under way at any time, at any pace.
    ``last_fault``: since power came; its stack peak is not known any more.
    """

    version: int
    capabilities: Capability
    counter: Counter
    clock: ClockState
    wait_states: int
    clock_hz: int
    credits: int
    chunk_bytes: int
    receive_bytes: int
    model_sha256: str
    rows: int
    row_bytes: int
    sample_rate_hz: int
    clip_samples: int
    channels: int
    outputs: int
    output_bytes: int
    layers: int
    build_sha256: str
    features_sha256: str
    probe: Probe
    model: str
    board: str
    schedule: str
    tool_version: str
    build_flags: str
    reset: Reset = Reset.UNKNOWN
    last_fault: Fault | None = None

    @property
    def identity(self) -> tuple[str, ...]:
        """What is the same as long as it is the same firmware."""
        return (self.board, self.model_sha256, self.features_sha256, self.schedule, self.build_sha256)

    @property
    def timing(self) -> tuple[int, ...]:
        """What its counts depend on."""
        return (self.counter, self.clock, self.clock_hz, self.wait_states)

    @property
    def has_frontend(self) -> bool:
        """Whether the firmware takes audio."""
        return bool(self.capabilities & Capability.HAS_FRONTEND)

    def clip_bytes(self, kind: Kind) -> int:
        """Bytes of a whole clip of that kind."""
        if kind is Kind.TENSOR:
            return self.rows * self.row_bytes
        return self.clip_samples * self.channels * 2


@dataclass(frozen=True)
class Ready:
    """The device waits for the bytes of ``clip`` from ``offset`` on; ``credits`` frames may be under way."""

    cause: Cause
    clip: int
    offset: int
    credits: int


@dataclass(frozen=True)
class Result:
    """The outcome of one clip; ``events`` are those that begin in it, where the firmware decides."""

    clip: int
    input_crc: int
    counts: Counts
    rows: int
    disturbed: int
    outputs: bytes
    events: tuple[Event, ...] = ()


@dataclass(frozen=True)
class Layers:
    """Counts per layer since the begin of ``clip``, from layer ``first`` on."""

    clip: int
    first: int
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Statistics:
    """The device's counters since its start."""

    stack_bytes: int
    stack_peak_bytes: int
    received_bytes: int
    overruns: int
    line_errors: int
    send_timeouts: int
    frames: int
    bad_frames: int
    duplicates: int
    rerequests: int


@dataclass(frozen=True)
class Refusal:
    """The device could not do what was asked."""

    code: int
    clip: int
    detail: int


# Exception numbers from here on are interrupts.
FIRST_INTERRUPT = 16


@dataclass(frozen=True)
class Fault:
    """The device's processor faulted; it resets itself after this message (PM0214 2.4 and 4.4)."""

    exception: int
    pc: int
    lr: int
    cfsr: int
    hfsr: int
    mmfar: int
    bfar: int
    stack_peak_bytes: int


Message = Hello | Ready | Result | Layers | Statistics | Refusal | Fault

_HELLO = struct.Struct("<BBBBIHHH32sIIIIHHII32s32sIII")
# Behind the hello's texts: why the device started, and its last fault.
_STARTED = struct.Struct("<BB6I")
_READY = struct.Struct("<IIH")
_RESULT = struct.Struct("<IIQQQQII")
_EVENT = struct.Struct("<HIi")
# The type of what a firmware with a microphone says of every hop, unasked.
HEARD = 0x88
# Flag of RESULT: events, and their number, follow the outputs.
DECIDES = 1
_LAYERS = struct.Struct("<IHH")
_STATISTICS = struct.Struct("<10I")
_ERROR = struct.Struct("<II")
_FAULT = struct.Struct("<7I")


def encode(type_: Type, flags: int = 0, request: int = 0, body: bytes = b"") -> bytes:
    """The bytes of one frame. The delimiter in front ends whatever a disturbance may have begun."""
    payload = struct.pack("<BBH", type_, flags, request) + body
    return b"\0" + bytes(cobs.encode(payload + struct.pack("<I", zlib.crc32(payload)))) + b"\0"


def begin_body(clip: int, total_bytes: int) -> bytes:
    """The body of BEGIN."""
    return struct.pack("<II", clip, total_bytes)


def data_body(clip: int, offset: int, data: bytes) -> bytes:
    """The body of DATA: at most the device's ``chunk_bytes`` of data; without any it asks where the device stands."""
    return struct.pack("<II", clip, offset) + data


def data_frame_bytes(data_bytes: int) -> int:
    """Most bytes of a DATA frame on the wire: header, body and CRC, COBS's code bytes, both delimiters."""
    payload = 4 + 8 + data_bytes + 4
    return payload + payload // 254 + 1 + 2


def layers_body(first: int) -> bytes:
    """The body of LAYERS."""
    return struct.pack("<H", first)


class Decoder:
    """Cuts a byte stream into frames; ``bad_frames`` counts what was cut out and was none."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._overlong = False
        self.bad_frames = 0

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that ``data`` completes."""
        frames = []
        *ended, rest = data.split(b"\0")
        for piece in ended:
            self._store(piece)
            if self._pending or self._overlong:
                frame = None if self._overlong else _open(bytes(self._pending))
                self.bad_frames += frame is None
                if frame is not None:
                    frames.append(frame)
            self._pending.clear()
            self._overlong = False
        self._store(rest)
        return frames

    def _store(self, piece: bytes) -> None:
        if len(self._pending) + len(piece) > MAX_FRAME_BYTES:
            self._overlong = True
            self._pending.clear()
        elif not self._overlong:
            self._pending += piece


def _open(encoded: bytes) -> Frame | None:
    try:
        raw = cobs.decode(encoded)
    except cobs.DecodeError:
        return None
    if len(raw) < 8 or struct.unpack("<I", raw[-4:])[0] != zlib.crc32(raw[:-4]):
        return None
    type_, flags, request = struct.unpack_from("<BBH", raw)
    return Frame(type_, flags, request, raw[4:-4])


def parse(frame: Frame) -> Message:
    """The message in a frame from the device.

    Raises:
        LinkError: a type or a body that this version does not know; another protocol version says which.
    """
    try:
        return _PARSERS[frame.type](frame)
    except (KeyError, ValueError, struct.error, IndexError, UnicodeDecodeError) as error:
        raise LinkError(
            "the device sent a message that this version does not understand",
            found=f"type {frame.type:#04x}, {len(frame.body)} bytes: {error}",
            expected=f"protocol version {PROTOCOL_VERSION}",
            hint="the firmware may be of another version: export again and flash it",
        ) from error


def _parse_hello(frame: Frame) -> Hello:
    if frame.body[0] != PROTOCOL_VERSION:
        raise LinkError(
            "the device speaks another version of the protocol",
            expected=PROTOCOL_VERSION,
            found=frame.body[0],
            hint="the firmware was built by another version of ascmcu, and what it says cannot be read: export "
            "the model again and flash it",
        )
    fields = list(_HELLO.unpack_from(frame.body))
    texts = []
    at = _HELLO.size
    for _ in range(5):
        end = at + 1 + frame.body[at]
        if end > len(frame.body):
            raise ValueError("a text is longer than the message")
        texts.append(frame.body[at + 1 : end].decode())
        at = end
    version, counter, clock, wait_states, clock_hz, credits_, chunk_bytes, receive_bytes, sha, *rest = fields
    *shape, build, features, instructions, additions, divisions = rest
    room = data_frame_bytes(chunk_bytes) <= receive_bytes
    if shape[-1] > MAX_LAYERS or not credits_ or not chunk_bytes or not room:
        raise LinkError(
            "the device's description of itself is invalid",
            expected=f"at most {MAX_LAYERS} layers, at least one credit, one byte in a chunk and room for a chunk",
            found=f"{shape[-1]} layers, {credits_} credits, {chunk_bytes} bytes in a chunk, room for {receive_bytes}",
            hint="export the model again and flash it",
        )
    head = (version, Capability(frame.flags), Counter(counter), ClockState(clock), wait_states, clock_hz)
    of_build = [build.hex(), features.hex(), Probe(instructions, additions, divisions)]
    flow = (credits_, chunk_bytes, receive_bytes)
    reset, exception, *registers = _STARTED.unpack_from(frame.body, at)
    last = _fault(exception, registers, 0) if exception else None
    hello = Hello(*head, *flow, sha.hex(), *shape, *of_build, *texts)
    return replace(hello, reset=Reset(reset), last_fault=last)


def _fault(exception: int, registers: Sequence[int], stack_peak_bytes: int) -> Fault:
    pc, lr, cfsr, hfsr, mmfar, bfar = registers
    return Fault(exception, pc, lr, cfsr, hfsr, mmfar, bfar, stack_peak_bytes)


def _parse_result(frame: Frame) -> Result:
    clip, crc, frontend, network, hop, latency, rows, disturbed = _RESULT.unpack_from(frame.body)
    counts = Counts(network, frontend, hop, latency)
    outputs, events = frame.body[_RESULT.size :], tuple[Event, ...]()
    if frame.flags & DECIDES:
        size = _EVENT.size * outputs[-1] + 1
        found = _EVENT.iter_unpack(outputs[-size:-1])
        outputs, events = outputs[:-size], tuple(Event(rule, hop, score) for rule, hop, score in found)
    return Result(clip, crc, counts, rows, disturbed, outputs, events)


def _parse_layers(frame: Frame) -> Layers:
    clip, first, count = _LAYERS.unpack_from(frame.body)
    return Layers(clip, first, struct.unpack(f"<{count}I", frame.body[_LAYERS.size :]))


_PARSERS: dict[int, Callable[[Frame], Message]] = {
    Type.IS_HELLO: _parse_hello,
    Type.READY: lambda f: Ready(Cause(f.flags), *_READY.unpack(f.body)),
    Type.RESULT: _parse_result,
    Type.IS_LAYERS: _parse_layers,
    Type.IS_STATISTICS: lambda f: Statistics(*_STATISTICS.unpack(f.body)),
    Type.ERROR: lambda f: Refusal(f.flags, *_ERROR.unpack(f.body)),
    Type.FAULT: lambda f: Fault(f.flags, *_FAULT.unpack(f.body)),
}
