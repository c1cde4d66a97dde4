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
from ascmcu.errors import LinkError


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
    payload = b"\x81\0\0\0" + bytes(range(1, 251))
    raw = payload + struct.pack("<I", zlib.crc32(payload))
    encoded = cobs.encode(raw)
    assert wire.Decoder().feed(encoded + b"\0") == wire.Decoder().feed(encoded + b"\x01\0") or b"\0" in raw


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
