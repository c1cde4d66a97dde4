# SPDX-License-Identifier: Apache-2.0
"""Conversations with a device that says what it should not, or the right thing at the wrong time."""

from __future__ import annotations

import struct

import pytest

from ascmcu.benchmark import wire
from ascmcu.benchmark.session import Session, StepLost
from ascmcu.errors import LinkError
from tests.support.device import OUTPUT, Device, hello_body
from tests.support.patience import Clock

DATA = bytes(range(250)) * 2  # five chunks
RESPONSE_S = 2.0


def _session(device: Device) -> Session:
    return Session(device, response_s=RESPONSE_S, seed=1)


def test_a_clip_without_any_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device(Clock(monkeypatch))
    session = _session(device)
    assert session.run(DATA, wire.Kind.TENSOR).outputs == OUTPUT
    assert device.taken == DATA and len(device.begun) == 1
    assert (session.repairs.sent_again, session.repairs.clips_repeated) == (0, 0)


@pytest.mark.parametrize("cause", [wire.Cause.AGAIN, wire.Cause.DUPLICATE, wire.Cause.ACCEPTED])
@pytest.mark.parametrize("offset", [0, 100])
def test_talk_without_progress_is_bounded(
    offset: int, cause: wire.Cause, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device says for ever that it wants the same byte: it counts as dead three times as late as a silent one."""
    clock = Clock(monkeypatch)
    device = Device(clock)

    def same() -> bytes:
        assert clock.now_s < 10 * RESPONSE_S, "the session waits for ever"
        return device.ready(cause, offset)

    device.said = lambda frame: b"" if frame.type == wire.Type.DATA else None
    device.silence = lambda: same() if device.begun else b""
    with pytest.raises(LinkError, match="stopped answering"):
        _session(device).run(DATA, wire.Kind.TENSOR)
    assert 3 * RESPONSE_S - 0.5 <= clock.now_s <= 3 * RESPONSE_S + 1.0


def test_silence_is_bounded_and_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    heard: list[tuple[float, int]] = []

    def nothing(frame: wire.Frame) -> bytes | None:
        heard.append((clock.now_s, len(frame.body) - 8))
        return b"" if frame.type == wire.Type.DATA else None

    with pytest.raises(LinkError, match="stopped answering"):
        _session(Device(clock, nothing)).run(DATA, wire.Kind.TENSOR)
    asked = [at_s for at_s, size in heard if size == 0 and at_s > 0]
    assert len(asked) == 1 and 0 < asked[0] < RESPONSE_S
    assert clock.now_s == pytest.approx(RESPONSE_S)


@pytest.mark.parametrize(("request_", "repeated"), [(0, 1), (1, 0), (2, 0), (77, 0)])
def test_a_hello_that_answers_is_late_and_one_that_does_not_is_a_restart(
    request_: int, repeated: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = Device(Clock(monkeypatch))
    hellos = [wire.encode(wire.Type.IS_HELLO, 3, request_, hello_body())]

    def said(frame: wire.Frame) -> bytes | None:
        if frame.type != wire.Type.DATA or not hellos:
            return None
        if repeated:
            return hellos.pop()  # and the chunk is lost
        return hellos.pop() + device._answer(frame)

    device.said = said
    session = _session(device)
    assert session.run(DATA, wire.Kind.TENSOR).outputs == OUTPUT
    assert session.repairs.clips_repeated == repeated and len(device.begun) == 1 + repeated
    assert len(set(device.begun)) == 1 + repeated, "a clip that is begun again has another number"


@pytest.mark.parametrize("kind", ["checksum", "size"])
def test_a_result_of_other_bytes_is_never_taken(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five attempts, each as another clip."""
    device = Device(Clock(monkeypatch))

    def said(frame: wire.Frame) -> bytes | None:
        if frame.type != wire.Type.DATA:
            return None
        answer = wire.Decoder().feed(device._answer(frame))[0]
        if answer.type != wire.Type.RESULT:
            return wire.encode(wire.Type(answer.type), answer.flags, answer.request, answer.body)
        body = bytearray(answer.body)
        body[4] ^= kind == "checksum"
        return wire.encode(
            wire.Type.RESULT, 0, answer.request, bytes(body[: None if kind == "checksum" else -1])
        )

    device.said = said
    session = _session(device)
    with pytest.raises(LinkError, match="could not be completed"):
        session.run(DATA, wire.Kind.TENSOR)
    assert session.repairs.clips_repeated == 5 == len(set(device.begun)) and session.clips_run == 0


def _layers(device: Device, parts: list[tuple[int, int, list[int]]]) -> None:
    """Answer the questions for layers by these parts: (clip, counted from the one that ran; first layer; counts)."""
    left = list(parts)

    def said(frame: wire.Frame) -> bytes | None:
        if frame.type != wire.Type.LAYERS:
            return None
        clip, first, counts = left.pop(0)
        head = wire._LAYERS.pack((device.begun[-1] + clip) & 0xFFFFFFFF, first, len(counts))
        return wire.encode(
            wire.Type.IS_LAYERS, 0, frame.request, head + struct.pack(f"<{len(counts)}I", *counts)
        )

    device.said = said


@pytest.mark.parametrize(
    ("parts", "right"),
    [
        ([(0, 0, [5, 6, 7])], True), ([(0, 0, [5]), (0, 1, [6, 7])], True), ([(0, 0, [5, 6]), (0, 2, [7])], True),
        ([(1, 0, [5, 6, 7])], False), ([(0, 1, [6, 7])], False), ([(0, 0, [])], False),
        ([(0, 0, [5]), (1, 1, [6, 7])], False), ([(0, 0, [5]), (0, 2, [7])], False), ([(0, 0, [5]), (0, 1, [])], False),
    ],
)  # fmt: skip
def test_counts_of_layers_are_those_of_the_clip_that_ran(
    parts: list[tuple[int, int, list[int]]], right: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device of three layers tells them in parts; each must go on where the last one ended."""
    device = Device(Clock(monkeypatch))
    session = _session(device)
    result = session.run(DATA, wire.Kind.TENSOR)
    _layers(device, parts)
    if right:
        assert session.layers(result) == (5, 6, 7)
        return
    with pytest.raises(LinkError, match="belong to another clip"):
        session.layers(result)


@pytest.mark.parametrize(
    ("type_", "code", "other_clip", "ends"),
    [
        (wire.Type.BEGIN, wire.ErrorCode.BAD_CLIP, False, "BAD_CLIP, detail 9"),
        (wire.Type.BEGIN, wire.ErrorCode.NO_CLIP, False, "repeated"), (wire.Type.BEGIN, 99, False, "99, detail 9"),
        (wire.Type.BEGIN, wire.ErrorCode.BAD_FRAME, False, "asked again"),
        (wire.Type.DATA, wire.ErrorCode.INCOMPLETE, False, "INCOMPLETE, detail 9"),
        (wire.Type.DATA, wire.ErrorCode.NO_CLIP, False, "repeated"),
        (wire.Type.DATA, wire.ErrorCode.NO_CLIP, True, "went on"),
        (wire.Type.DATA, wire.ErrorCode.BAD_CLIP, True, "went on"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("continues", [False, True])
def test_refusals_of_a_clip(
    type_: wire.Type, code: int, other_clip: bool, ends: str, continues: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, of the clip or of an earlier one: a clip that is not known begins anew, or its steps are lost; a damaged
    frame is sent again; anything else ends the conversation."""
    device = Device(Clock(monkeypatch))
    refusals = [code]

    def said(frame: wire.Frame) -> bytes | None:
        if frame.type != type_ or not refusals:
            return None
        clip = int.from_bytes(frame.body[:4], "little") + other_clip
        refused = wire.encode(
            wire.Type.ERROR, refusals.pop(), frame.request, wire._ERROR.pack(clip & 0xFFFFFFFF, 9)
        )
        return refused + (device._answer(frame) if other_clip else b"")

    device.said = said
    session = _session(device)
    if ends == "repeated" and continues:
        with pytest.raises(StepLost, match="could not be brought to its end"):
            session.run(DATA, wire.Kind.TENSOR, continues=True)
        return
    if "detail" in ends:
        with pytest.raises(LinkError, match="reported an error") as error:
            session.run(DATA, wire.Kind.TENSOR, continues=continues)
        assert error.value.found == ends
        return
    assert session.run(DATA, wire.Kind.TENSOR, continues=continues).outputs == OUTPUT
    assert session.repairs.clips_repeated == (ends == "repeated") and session.clips_run == 1
    assert session.repairs.asked_again == (ends == "asked again")


@pytest.mark.parametrize("at", [wire.Type.BEGIN, wire.Type.DATA])
@pytest.mark.parametrize(
    ("exception", "pc", "told"),
    [
        (2, 8, "NMI"), (3, 8, "HardFault"), (4, 8, "MemManage"), (5, 8, "BusFault"), (6, 8, "UsageFault"),
        (77, 8, "interrupt 61, which nothing serves"), (3, 0, "HardFault (the stack has overflowed)"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_registers(
    at: wire.Type, exception: int, pc: int, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registers = pc, 0x101, 0x8282, 0x303, 0x404, 0x505, 6  # both addresses are valid: bits 7 and 15
    body = wire._FAULT.pack(*registers)
    device = Device(Clock(monkeypatch))
    device.said = lambda frame: wire.encode(wire.Type.FAULT, exception, 0, body) if frame.type == at else None
    with pytest.raises(LinkError) as error:
        _session(device).run(DATA, wire.Kind.TENSOR)
    fault = wire.parse(wire.Frame(wire.Type.FAULT, exception, 0, body))
    assert isinstance(fault, wire.Fault)
    assert error.value.what == f"the firmware faulted: {told}"
    # A return address, without its Thumb bit.
    assert error.value.where == f"pc {fault.pc:#010x}, lr {fault.lr & ~1:#010x}" and fault.pc == pc
    for name in ("cfsr", "hfsr"):
        assert f"{name.upper()} {getattr(fault, name):#010x}" in str(error.value.found)
    for name in ("bfar", "mmfar"):
        assert f"at address {getattr(fault, name):#010x}" in str(error.value.found)


@pytest.mark.parametrize(
    ("changed", "told"),
    [(None, None), ("sha", "another firmware"), ("clock", "another clock")],
)
def test_a_device_that_starts_anew_must_be_the_same(
    changed: str | None, told: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = bytearray(hello_body())
    if (
        changed is not None
    ):  # a byte of the digest, which is behind 14 bytes of others; a bit of the clock in hertz
        body[{"sha": 14, "clock": 4}[changed]] ^= 1
    device = Device(Clock(monkeypatch))
    hellos = [wire.encode(wire.Type.IS_HELLO, 3, 0, bytes(body))]
    device.said = lambda frame: hellos.pop() if frame.type == wire.Type.DATA and hellos else None
    session = _session(device)
    if told is None:
        assert session.run(DATA, wire.Kind.TENSOR).outputs == OUTPUT and session.repairs.clips_repeated == 1
        return
    with pytest.raises(LinkError, match=f"restarted with {told}"):
        session.run(DATA, wire.Kind.TENSOR)
