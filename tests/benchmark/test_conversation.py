# SPDX-License-Identifier: Apache-2.0
"""Conversations with a device that says what it should not, or the right thing at the wrong time."""

from __future__ import annotations

import pytest

from ascmcu.benchmark import wire
from ascmcu.benchmark.session import Session
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
