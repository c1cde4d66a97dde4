# SPDX-License-Identifier: Apache-2.0
"""The wire format: what is encoded comes back, what is damaged does not, and both sides mean the same numbers."""

from __future__ import annotations

import re
import struct
import zlib

import pytest
from cobs import cobs
from hypothesis import given
from hypothesis import strategies as st

from ascmcu import paths
from ascmcu.benchmark import wire
from ascmcu.benchmark.session import Session
from ascmcu.errors import LinkError
from tests.support.device import hello_body


@given(st.binary(max_size=2000), st.integers(0, 255), st.integers(0, 0xFFFF))
def test_a_frame_comes_back(body: bytes, flags: int, request_number: int) -> None:
    encoded = wire.encode(wire.Type.DATA, flags, request_number, body)
    assert encoded.count(0) == 2
    assert wire.Decoder().feed(encoded) == [wire.Frame(wire.Type.DATA, flags, request_number, body)]


@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(1, 7))
def test_pieces_of_any_size_give_the_same_frames(bodies: list[bytes], step: int) -> None:
    stream = b"".join(wire.encode(wire.Type.DATA, body=body) for body in bodies)
    decoder = wire.Decoder()
    frames = [f for at in range(0, len(stream), step) for f in decoder.feed(stream[at : at + step])]
    assert [f.body for f in frames] == bodies


@given(st.binary(min_size=1, max_size=200), st.data())
def test_a_flipped_bit_is_noticed(body: bytes, data: st.DataObject) -> None:
    encoded = bytearray(wire.encode(wire.Type.DATA, body=body))
    at = data.draw(st.integers(1, len(encoded) - 2))
    encoded[at] ^= 1 << data.draw(st.integers(0, 7))
    assert all(f.body != body for f in wire.Decoder().feed(bytes(encoded)))


def test_full_blocks_of_either_cobs_form_decode() -> None:
    # The device ends a payload of full blocks with an empty one; cobs leaves it out. Both are valid.
    payload = b"\x81\1\1\1" + bytes(1 + n % 255 for n in range(246))
    raw = payload + struct.pack("<I", zlib.crc32(payload))
    encoded = cobs.encode(raw)
    assert len(raw) == 254 and 0 not in raw and encoded == b"\xff" + raw, "one full block, and no other"
    whole = [wire.Frame(0x81, 1, 0x0101, payload[4:])]
    assert wire.Decoder().feed(encoded + b"\0") == wire.Decoder().feed(encoded + b"\x01\0") == whole


def test_numbers_of_requests_are_16_bits_and_none_is_nobody_s() -> None:
    session = Session(None, response_s=1.0)  # type: ignore[arg-type]
    for before, after in ((0, 1), (1, 2), (0xFFFD, 0xFFFE), (0xFFFE, 0xFFFF), (0xFFFF, 1)):
        session._request = before
        assert session._new_request() == after


def _hello(**changes: int) -> wire.Frame:
    return wire.Frame(wire.Type.IS_HELLO, 3, 1, hello_body(**changes))


def test_hello_is_read_field_by_field() -> None:
    found = wire.parse(_hello())
    assert found == wire.Hello(
        3, wire.Capability.HAS_FRONTEND | wire.Capability.HAS_PROFILE, wire.Counter.DWT, wire.ClockState.AS_CONFIGURED,
        5, 168_000_000, 1, 100, 200, bytes(range(32)).hex(), 4, 6, 8000, 10, 2, 1, 14, 3, "0" * 64, "0" * 64,
        wire.Probe(768, 1024, 3829), "net", "board", "rows", "1.0", "-O3", wire.Reset.WATCHDOG,
        wire.Fault(3, 0x08001234, 0x08001235, 0x0200, 0x40000000, 0, 0, 0),
    )  # fmt: skip
    assert found.has_frontend and found.clip_bytes(wire.Kind.TENSOR) == 24  # type: ignore[union-attr]
    assert found.clip_bytes(wire.Kind.AUDIO) == 40  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("changes", "right"),
    [
        ({"layers": 0xFFFF}, True), ({"layers": 0x10000}, False), ({"credits": 0}, False), ({"chunk": 0}, False),
        ({"receive": 119}, True), ({"receive": 118}, False),
    ],
)  # fmt: skip
def test_what_a_device_cannot_say_of_itself(changes: dict[str, int], right: bool) -> None:
    """A chunk of 100 bytes takes 116 with its headers and checksum, a code byte and two delimiters."""
    assert wire.data_frame_bytes(100) == 119
    if right:
        assert isinstance(wire.parse(_hello(**changes)), wire.Hello)
        return
    with pytest.raises(LinkError, match="description of itself is invalid"):
        wire.parse(_hello(**changes))


@pytest.mark.parametrize("cut", [1, 3, 10])
def test_a_text_that_is_longer_than_its_message_is_refused(cut: int) -> None:
    whole = _hello()
    with pytest.raises(LinkError, match="does not understand"):
        wire.parse(wire.Frame(whole.type, whole.flags, whole.request, whole.body[:-cut]))


def test_noise_without_end_is_not_stored() -> None:
    decoder = wire.Decoder()
    for _ in range(100):
        assert decoder.feed(b"\x55" * 10_000) == []
        assert len(decoder._pending) <= wire.MAX_FRAME_BYTES
    good = wire.encode(wire.Type.DATA, body=b"x")
    assert len(decoder.feed(good)) == 1
    assert decoder.bad_frames == 1


@pytest.mark.parametrize("type_", [t for t in wire.Type if t >= 0x80])
def test_a_truncated_message_is_an_error(type_: wire.Type) -> None:
    with pytest.raises(LinkError, match="does not understand"):
        wire.parse(wire.Frame(type_, 0, 0, bytes([wire.PROTOCOL_VERSION])))


def test_another_version_is_named() -> None:
    with pytest.raises(LinkError, match="another version of the protocol"):
        wire.parse(wire.Frame(wire.Type.IS_HELLO, 0, 0, bytes([wire.PROTOCOL_VERSION + 1]) * 100))


def test_device_and_host_have_the_same_numbers() -> None:
    header = (paths.firmware() / "app" / "protocol.h").read_text() + (paths.firmware() / "hal.h").read_text()
    found = {
        n: int(v, 0) for n, v in re.findall(r"\b(PROTOCOL_\w+|HAL_\w+)(?: =)? (0x[0-9A-F]+|\d+)", header)
    }
    assert found["PROTOCOL_VERSION"] == wire.PROTOCOL_VERSION
    names: list[tuple[type, str]] = [
        (wire.Type, "PROTOCOL_"),
        (wire.Cause, "PROTOCOL_"),
        (wire.Capability, "PROTOCOL_"),
        (wire.ErrorCode, "PROTOCOL_"),
        (wire.Counter, "HAL_COUNTER_"),
        (wire.ClockState, "HAL_CLOCK_"),
    ]
    for kind, prefix in names:
        for member in kind:  # type: ignore[attr-defined]
            assert found[prefix + member.name] == member.value, f"{prefix}{member.name}"
