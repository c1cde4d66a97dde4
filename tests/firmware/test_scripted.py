# SPDX-License-Identifier: Apache-2.0
"""The firmware's application on hardware that a test writes down: every count to the cycle, every message to the byte.

``firmware/app`` is compiled for this machine, with a counter, a receiver, a network and a front end that do what the
test says (``scripted/script.c``). So it is known what each figure must be, and what is answered in every state.
"""

from __future__ import annotations

import ctypes
import random
import shutil
import struct
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from cobs import cobs

from ascmcu import paths
from ascmcu.benchmark import wire
from ascmcu.benchmark.counts import Counts
from ascmcu.benchmark.wire import Cause, ErrorCode, Kind, Type

pytestmark = pytest.mark.skipif(not shutil.which("gcc"), reason="no compiler")
SCRIPTED = Path(__file__).parent / "scripted"
ROWS, ROW_BYTES, LAYERS, OUTPUT_BYTES = 4, 6, 70, 300
FRAMES, FRAME_BYTES = 10, 4
CHUNK = 1408


class _Costs(ctypes.Structure):
    _fields_ = [("values", ctypes.c_uint32 * 16), ("count", ctypes.c_uint32), ("at", ctypes.c_uint32)]


class _Status(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in (
        "instructions", "additions", "divisions", "exception", "pc", "lr", "cfsr", "hfsr", "mmfar", "bfar",
        "clock_hz", "stack_bytes", "received_bytes", "overruns", "line_errors", "send_timeouts",
    )] + [(name, ctypes.c_uint8) for name in ("wait_states", "counter", "clock", "reset")]  # fmt: skip


def _build(folder: Path, frontend: bool) -> Path:
    """The application as a library; reading the counter is a call here, which may cost something. Without a front end
    the network has no states either."""
    app = paths.firmware() / "app"
    header = (paths.firmware() / "hal.h").read_text()
    inline = "static inline uint32_t hal_cycles(void) { return *hal_counter_register; }"
    assert inline in header
    (folder / "hal.h").write_text(header.replace(inline, "uint32_t hal_cycles(void);"))
    (folder / "model_cycles.h").write_text((app / "model_cycles.h").read_text())
    made = folder / f"app{int(frontend)}.so"
    sources = [app / name for name in ("protocol.c", "clip.c", "frame.c")] + [SCRIPTED / "script.c"]
    command = ["gcc", "-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-shared", "-fPIC", "-fvisibility=default"]
    command += [f"-I{folder}", f"-I{SCRIPTED}", f"-I{app}", f"-DASCMCU_FRONTEND={int(frontend)}"]
    command += [] if frontend else ["-DMODEL_STATE_BYTES=0"]
    command += ['-DMODEL_CYCLES_HEADER="model_cycles.h"', f'-DASCMCU_BUILD_FLAGS="{"f" * 300}"']
    command += ['-DASCMCU_TOOL_VERSION="1.2"', *map(str, sources), "-o", str(made)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    folder = tmp_path_factory.mktemp("scripted")
    return {frontend: _build(folder, frontend) for frontend in (True, False)}


class Device:
    """One device after its start, and what it says."""

    def __init__(self, library: Path, folder: Path) -> None:
        own = folder / f"{library.stem}-{len(list(folder.iterdir()))}.so"
        shutil.copyfile(library, own)  # each load has variables of its own
        self.c = ctypes.CDLL(str(own))
        self.status = _Status.in_dll(self.c, "script_status")
        self.status.counter, self.status.clock_hz = 1, 168_000_000
        self._decoder = wire.Decoder()
        self._request = 0

    def costs(self, name: str, *values: int) -> None:
        """What something costs, in turn."""
        costs = _Costs.in_dll(self.c, f"script_{name}")
        costs.values[: len(values)] = values
        costs.count, costs.at = len(values), 0

    def number(self, name: str, kind: type = ctypes.c_uint32) -> object:
        """A variable of the script."""
        return kind.in_dll(self.c, f"script_{name}")

    def start(self) -> list[wire.Message]:
        """Reset: what it says unasked."""
        self.c.protocol_init()
        return self._said()

    def coming(self, data: bytes) -> None:
        """Bytes on the line."""
        size = self.number("coming_size", ctypes.c_size_t)
        at = ctypes.addressof((ctypes.c_uint8 * 8192).in_dll(self.c, "script_coming")) + size.value  # type: ignore[attr-defined]
        ctypes.memmove(at, data, len(data))
        size.value += len(data)  # type: ignore[attr-defined]

    def raw(self) -> bytes:
        """What it has sent since the last time."""
        size = self.number("sent_size", ctypes.c_size_t)
        data = bytes((ctypes.c_uint8 * 65536).in_dll(self.c, "script_sent"))[: size.value]  # type: ignore[attr-defined]
        size.value = 0  # type: ignore[attr-defined]
        return data

    def _said(self) -> list[wire.Message]:
        self.frames = self._decoder.feed(self.raw())
        assert self._decoder.bad_frames == 0
        return [wire.parse(frame) for frame in self.frames]

    def take(self, data: bytes) -> list[wire.Message]:
        """Let these bytes come, and everything they lead to happen."""
        self.coming(data)
        for _ in range(8):
            self.c.protocol_step()
            if self.number("coming_size", ctypes.c_size_t).value == 0 and self._empty(data):  # type: ignore[attr-defined]
                break
        return self._said()

    def _empty(self, data: bytes) -> bool:
        return data.endswith(b"\0") or not data

    def idle(self) -> list[wire.Message]:
        """Let the time pass in which nothing comes."""
        self.c.protocol_step()
        return self._said()

    def ask(self, type_: int, body: bytes = b"", flags: int = 0) -> wire.Message:
        """A request and its answer, which names the request."""
        self._request += 1
        found = self.take(wire.encode(type_, flags, self._request, body)[1:])  # type: ignore[arg-type]
        assert [frame.request for frame in self.frames] == [self._request]
        return found[0]

    def begin(self, clip: int, kind: Kind, total: int) -> wire.Message:
        return self.ask(Type.BEGIN, wire.begin_body(clip, total), kind)

    def data(self, clip: int, offset: int, data: bytes = b"") -> wire.Message:
        return self.ask(Type.DATA, wire.data_body(clip, offset, data))

    def tensor(self, clip: int = 7, chunks: tuple[int, ...] = (ROWS * ROW_BYTES,)) -> wire.Message:
        """A whole clip of rows in chunks of these sizes."""
        data = bytes(range(1, ROWS * ROW_BYTES + 1))
        assert self.begin(clip, Kind.TENSOR, len(data)) == wire.Ready(Cause.ACCEPTED, clip, 0, 1)
        return self._send(clip, data, chunks)

    def audio(self, clip: int = 7, chunks: tuple[int, ...] = (FRAMES * FRAME_BYTES,)) -> wire.Message:
        """A whole clip of samples."""
        data = struct.pack("<20h", *range(1, 21))
        assert self.begin(clip, Kind.AUDIO, len(data)) == wire.Ready(Cause.ACCEPTED, clip, 0, 1)
        return self._send(clip, data, chunks)

    def _send(self, clip: int, data: bytes, chunks: tuple[int, ...]) -> wire.Message:
        assert sum(chunks) == len(data)
        at = 0
        for size in chunks:
            answer = self.data(clip, at, data[at : at + size])
            at += size
            if at < len(data):
                assert answer == wire.Ready(Cause.ACCEPTED, clip, at, 1)
        return answer


@pytest.fixture
def device(libraries: dict[bool, Path], tmp_path: Path) -> Iterator[Device]:
    made = Device(libraries[True], tmp_path)
    made.start()
    yield made


# --------------------------------------------------------------- counts


def test_a_tensor_s_counts(device: Device) -> None:
    device.costs("push", 1000, 5000, 200, 30)
    result = device.tensor()
    data = bytes(range(1, 25))
    counts = Counts(network=6230, frontend=0, worst_hop=5000, latency=30)
    assert result == wire.Result(7, zlib.crc32(data), counts, ROWS, 0, data + bytes(276))
    assert device.number("quiet").value == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("chunks", [(24,), (1, 23), (6, 6, 6, 6), (5, 7, 11, 1), (23, 1)])
def test_rows_are_put_together_from_any_chunks(chunks: tuple[int, ...], device: Device) -> None:
    device.costs("push", 10, 20, 40, 80)
    result = device.tensor(chunks=chunks)
    assert isinstance(result, wire.Result) and result.outputs[:24] == bytes(range(1, 25))
    assert (result.counts.network, result.counts.worst_hop, result.counts.latency, result.rows) == (
        150,
        80,
        80,
        4,
    )


def test_audio_s_counts(device: Device) -> None:
    """Three rows while samples come, the fourth from the rest: the work between two rows, and behind the last."""
    push, feed, after = (1000, 5000, 300, 40), (7, 11, 13, 17), (1, 2, 4, 8, 16, 32, 64, 128, 256)
    device.costs("push", *push)
    device.costs("feed", *feed)
    device.costs("next", *after)
    device.costs("finish", 600)
    result = device.audio()
    assert isinstance(result, wire.Result)
    hops = (
        feed[0] + after[0] + push[0],
        after[1] + feed[1] + after[2] + push[1],
        after[3] + feed[2] + after[4] + push[2],
        after[5] + feed[3] + after[6] + 600 + after[7] + push[3],
    )
    assert result.counts.network == sum(push)
    assert result.counts.frontend == sum(feed) + sum(after) + 600
    assert result.counts.worst_hop == max(hops)
    assert result.counts.latency == 600 + after[7] + push[3] + after[8], (
        "what is left when the last samples are there"
    )
    assert (result.rows, result.disturbed) == (4, 0)
    samples = bytes(range(1, 21)) + bytes(4)
    assert result.outputs == samples[:24] + bytes(276)
    assert result.input_crc == zlib.crc32(struct.pack("<20h", *range(1, 21)))


def test_the_latency_begins_with_the_samples_that_complete_the_last_row(device: Device) -> None:
    """A network that has its result a row earlier: the front end's rest is work behind it all the same."""
    device.number("rows_wanted").value = 3  # type: ignore[attr-defined]
    device.costs("push", 100)
    device.costs("feed", 10)
    device.costs("next", 1)
    device.costs("finish", 1000)
    refused = device.audio()
    assert refused == wire.Refusal(ErrorCode.INCOMPLETE, 7, FRAMES * FRAME_BYTES), (
        "a fourth row undoes the third's"
    )


def test_reading_the_counter_is_not_counted(libraries: dict[bool, Path], tmp_path: Path) -> None:
    """The least of the pairs of readings at the start is what every measurement is relieved of."""
    device = Device(libraries[True], tmp_path)
    device.costs("read", 9, 8, 9, 7, 9, 5, 9, 6, 9, 8, 9, 8, 9, 8, 9, 8)
    device.start()
    device.costs("read", 5)
    device.costs("push", 1000, 0, 200, 30)
    result = device.tensor()
    assert isinstance(result, wire.Result)
    assert (result.counts.network, result.counts.worst_hop, result.counts.latency) == (1230, 1000, 30)
    device.costs("read", 4)  # quicker than at the start: nothing, and no 4 billion
    device.costs("push", 0, 0, 0, 3)
    result = device.tensor(8)
    assert isinstance(result, wire.Result)
    assert (result.counts.network, result.counts.worst_hop, result.counts.latency) == (2, 2, 2)


def test_the_last_of_the_readings_counts_too(libraries: dict[bool, Path], tmp_path: Path) -> None:
    device = Device(libraries[True], tmp_path)
    device.costs("read", *[9] * 15, 2)
    device.start()
    device.costs("read", 2)
    device.costs("push", 50)
    result = device.tensor()
    assert isinstance(result, wire.Result) and result.counts.network == 200


def test_counts_are_longer_than_the_counter(device: Device) -> None:
    device.costs("push", 0xF0000000, 0x90000000, 0xE0000000, 1)
    result = device.tensor()
    assert isinstance(result, wire.Result)
    assert (result.counts.network, result.counts.worst_hop, result.counts.latency) == (
        0x260000001,
        0xF0000000,
        1,
    )


def test_a_clip_begins_with_all_counts_at_nothing(device: Device) -> None:
    device.costs("push", 1000, 1000, 1000, 1000, 5, 6, 7, 8)
    device.number("received_in_push").value = 1  # type: ignore[attr-defined]
    device.tensor()
    device.number("received_in_push").value = 0  # type: ignore[attr-defined]
    result = device.tensor(8)
    assert isinstance(result, wire.Result)
    assert (
        result.counts.network,
        result.counts.worst_hop,
        result.counts.latency,
        result.rows,
        result.disturbed,
    ) == (
        26,
        8,
        8,
        4,
        0,
    )


@pytest.mark.parametrize(("chunks", "disturbed"), [((24,), 1), ((12, 12), 2), ((5, 19), 1), ((6, 6, 12), 3)])
def test_chunks_that_were_disturbed_are_counted(
    chunks: tuple[int, ...], disturbed: int, device: Device
) -> None:
    """A chunk counts once, however many of its rows the receiver interrupted; of five bytes no row came to be."""
    device.number("received_in_push").value = 3  # type: ignore[attr-defined]
    result = device.tensor(chunks=chunks)
    assert isinstance(result, wire.Result) and result.disturbed == disturbed


def test_layers_come_in_parts(device: Device) -> None:
    device.tensor()
    expected = [sum(1000 * row + layer for row in range(ROWS)) for layer in range(LAYERS)]
    for first, count in ((0, 64), (1, 64), (6, 64), (7, 63), (64, 6), (69, 1), (70, 0), (71, 0), (65535, 0)):
        found = device.ask(Type.LAYERS, wire.layers_body(first))
        assert found == wire.Layers(7, first, tuple(expected[first : first + count]))


def test_layers_of_a_clip_that_is_not_done_are_nobody_s(device: Device) -> None:
    device.begin(7, Kind.TENSOR, 24)
    found = device.ask(Type.LAYERS, wire.layers_body(0))
    assert isinstance(found, wire.Layers) and found.clip == 0
    for body in (b"", b"\0", bytes(3)):
        assert device.ask(Type.LAYERS, body) == wire.Refusal(ErrorCode.BAD_LENGTH, 0, len(body))


# --------------------------------------------------------------- what it says of itself


def test_hello(libraries: dict[bool, Path], tmp_path: Path) -> None:
    for frontend in (True, False):
        device = Device(libraries[frontend], tmp_path)
        status = device.status
        for number, (name, _) in enumerate(_Status._fields_):
            setattr(status, name, 2 if name in ("counter", "clock", "reset") else 40 + number)
        (unasked,) = device.start()
        assert device.frames[0].request == 0
        asked = device.ask(Type.HELLO)
        assert unasked == asked
        assert isinstance(asked, wire.Hello)
        assert asked.capabilities == (3 if frontend else 2)
        assert (asked.version, asked.credits, asked.chunk_bytes, asked.receive_bytes) == (3, 1, CHUNK, 1536)
        assert (asked.counter, asked.clock, asked.wait_states, asked.clock_hz) == (2, 2, 56, 50)
        assert asked.probe == wire.Probe(40, 41, 42)
        assert asked.reset == wire.Reset(2)
        fault = asked.last_fault
        assert fault is not None and (fault.pc, fault.lr, fault.cfsr, fault.hfsr) == (44, 45, 46, 47)
        assert (asked.rows, asked.row_bytes, asked.outputs, asked.output_bytes) == (4, 6, 2, OUTPUT_BYTES)
        assert (asked.layers, asked.model, asked.board, asked.schedule) == (
            LAYERS,
            "scripted",
            "desk",
            "layers",
        )
        assert asked.model_sha256 == "0123456789abcdef" * 4 and asked.build_sha256 == "0" * 64
        audio = (asked.sample_rate_hz, asked.clip_samples, asked.channels)
        assert audio == ((8000, 10, 2) if frontend else (0, 0, 0))
        assert asked.features_sha256 == ("89abcdef01234567" * 4 if frontend else "0" * 64)
        assert (asked.tool_version, asked.build_flags) == ("1.2", "f" * 255), "long texts are cut"
        assert asked.clip_bytes(Kind.AUDIO) == (40 if frontend else 0)


def test_statistics(device: Device) -> None:
    for number, (name, _) in enumerate(_Status._fields_):
        setattr(device.status, name, 100 + number)
    device.number("stack_peak").value = 999  # type: ignore[attr-defined]
    request = wire.encode(Type.STATISTICS)
    found = device.ask(Type.STATISTICS)
    received = 112 + len(request) - 1
    assert found == wire.Statistics(111, 999, received, 113, 114, 115, 1, 0, 0, 0)


def test_statistics_count_what_happened(device: Device) -> None:
    device.begin(7, Kind.TENSOR, 24)
    device.data(7, 0, bytes(6))
    device.data(7, 0, bytes(6))  # twice
    device.data(7, 0)  # a question, behind what has come
    device.data(7, 12, bytes(6))  # one is missing between
    device.take(b"\x05nonsense\0")
    device.idle()
    device.data(7, 6)  # a question is no loss
    found = device.ask(Type.STATISTICS)
    assert isinstance(found, wire.Statistics)
    assert (found.frames, found.bad_frames, found.duplicates, found.rerequests) == (7, 1, 1, 3)


# --------------------------------------------------------------- requests that cannot be


@pytest.mark.parametrize("size", [0, 1, 7, 9])
def test_begin_has_eight_bytes(size: int, device: Device) -> None:
    assert device.ask(Type.BEGIN, bytes(size), 1) == wire.Refusal(ErrorCode.BAD_LENGTH, 0, size)


@pytest.mark.parametrize(
    ("flags", "total", "right"),
    [
        (0, 39, 40),
        (0, 41, 40),
        (0, 24, 40),
        (0, 0, 40),
        (1, 23, 24),
        (1, 25, 24),
        (1, 0, 24),
        (4, 40, 40),
        (5, 24, 40),
    ],
)
def test_a_clip_of_another_size_is_refused_and_closes_the_open_one(
    flags: int, total: int, right: int, device: Device
) -> None:
    device.begin(6, Kind.TENSOR, 24)
    found = device.ask(Type.BEGIN, wire.begin_body(9, total), flags)
    assert found == wire.Refusal(ErrorCode.BAD_CLIP, 9, right)
    assert device.data(6, 0, bytes(6)) == wire.Refusal(ErrorCode.NO_CLIP, 6, 0)


CONTINUES = 2


def _outputs(message: wire.Message) -> bytes:
    assert isinstance(message, wire.Result)
    return message.outputs


def test_a_step_continues_the_last_one(device: Device) -> None:
    """The states stay, the counts begin anew."""
    data = bytes(range(1, 25))
    device.costs("push", 10, 20, 30, 40, 1, 2, 3, 4)
    assert _outputs(device.tensor(7)) == data + bytes(276)
    step = wire.begin_body(8, 24), Kind.TENSOR | CONTINUES
    for _ in range(2):  # before its first byte it may be begun again
        assert device.ask(Type.BEGIN, *step) == wire.Ready(Cause.ACCEPTED, 8, 0, 1)
    result = device.data(8, 0, data)
    assert _outputs(result) == data + data + bytes(252)
    assert isinstance(result, wire.Result) and (result.counts.network, result.rows) == (10, 4)
    layers = device.ask(Type.LAYERS, wire.layers_body(69))
    assert layers == wire.Layers(8, 69, (sum(1000 * row + 69 for row in range(ROWS)),))
    assert device.ask(Type.BEGIN, *step) == result, "a step that was taken is not taken again"
    assert _outputs(device.tensor(9)) == data + bytes(276), "a clip from its start knows nothing of before"


def test_a_step_behind_nothing_is_refused(device: Device) -> None:
    step = wire.begin_body(8, 24), Kind.TENSOR | CONTINUES
    refused = wire.Refusal(ErrorCode.NO_CLIP, 8, 0)
    assert device.ask(Type.BEGIN, *step) == refused
    device.begin(7, Kind.TENSOR, 24)
    device.data(7, 0, bytes(6))
    assert device.ask(Type.BEGIN, *step) == refused, "in the middle of a clip"
    assert device.data(7, 6, bytes(6)) == wire.Ready(Cause.ACCEPTED, 7, 12, 1), "which goes on"
    device.number("rows_wanted").value = 5  # type: ignore[attr-defined]
    device.tensor(9)
    assert device.ask(Type.BEGIN, *step) == refused, "behind a clip without a result"


def test_a_network_without_states_has_no_steps(libraries: dict[bool, Path], tmp_path: Path) -> None:
    device = Device(libraries[False], tmp_path)
    device.start()
    device.tensor(7)
    found = device.ask(Type.BEGIN, wire.begin_body(8, 24), Kind.TENSOR | CONTINUES)
    assert found == wire.Refusal(ErrorCode.NO_CLIP, 8, 0)


def test_without_a_front_end_there_is_no_audio(libraries: dict[bool, Path], tmp_path: Path) -> None:
    device = Device(libraries[False], tmp_path)
    device.start()
    assert device.begin(3, Kind.AUDIO, 40) == wire.Refusal(ErrorCode.BAD_CLIP, 3, 0)
    assert device.begin(3, Kind.AUDIO, 0) == wire.Refusal(ErrorCode.BAD_CLIP, 3, 0)
    assert isinstance(device.tensor(), wire.Result)


def test_unknown_and_short_requests(device: Device) -> None:
    for type_ in (0, 6, 0x7F, 0x81, 0xFF):
        assert device.ask(type_) == wire.Refusal(ErrorCode.BAD_TYPE, 0, type_)
    for payload in (b"\x01", b"\x01\x00", b"\x01\x00\x00"):
        encoded = cobs.encode(payload + struct.pack("<I", zlib.crc32(payload))) + b"\0"
        assert device.take(encoded) == [wire.Refusal(ErrorCode.BAD_LENGTH, 0, len(payload))]


@pytest.mark.parametrize("size", [0, 7])
def test_data_has_a_header(size: int, device: Device) -> None:
    assert device.ask(Type.DATA, bytes(size)) == wire.Refusal(ErrorCode.BAD_LENGTH, 0, size)


def test_data_for_another_clip_or_none(device: Device) -> None:
    assert device.data(7, 0, bytes(6)) == wire.Refusal(ErrorCode.NO_CLIP, 7, 0)
    device.begin(7, Kind.TENSOR, 24)
    assert device.data(8, 6, bytes(6)) == wire.Refusal(ErrorCode.NO_CLIP, 8, 6)
    device.ask(Type.HELLO)
    assert device.data(7, 0, bytes(6)) == wire.Refusal(ErrorCode.NO_CLIP, 7, 0), "a new host knows no clip"


def test_where_the_exchange_stands_is_said_in_every_state(device: Device) -> None:
    device.begin(7, Kind.TENSOR, 24)
    assert device.data(7, 0) == wire.Ready(Cause.AGAIN, 7, 0, 1)
    device.data(7, 0, bytes(6))
    assert device.data(7, 6) == wire.Ready(Cause.AGAIN, 7, 6, 1)
    assert device.data(7, 0) == wire.Ready(Cause.DUPLICATE, 7, 6, 1)
    assert device.data(7, 0, bytes(6)) == wire.Ready(Cause.DUPLICATE, 7, 6, 1)
    assert device.data(7, 7, bytes(6)) == wire.Ready(Cause.AGAIN, 7, 6, 1)
    result = device.data(7, 6, bytes(18))
    assert isinstance(result, wire.Result)
    for again in (device.data(7, 24), device.data(7, 0, bytes(6)), device.data(7, 30, bytes(6))):
        assert again == result
    assert device.data(7, 24, bytes(1)) == wire.Refusal(ErrorCode.BAD_LENGTH, 7, 9)


@pytest.mark.parametrize(("size", "fits"), [(1, True), (18, True), (19, False)])
def test_no_data_beyond_the_clip(size: int, fits: bool, device: Device) -> None:
    device.begin(7, Kind.TENSOR, 24)
    device.data(7, 0, bytes(6))
    assert isinstance(device.data(7, 6, bytes(size)), wire.Refusal) != fits


@pytest.mark.parametrize(
    ("size", "fits"), [(1, False), (2, False), (3, False), (4, True), (6, False), (8, True)]
)
def test_audio_comes_in_whole_frames(size: int, fits: bool, device: Device) -> None:
    device.begin(7, Kind.AUDIO, 40)
    found = device.data(7, 0, bytes(size))
    assert found == (
        wire.Ready(Cause.ACCEPTED, 7, size, 1) if fits else wire.Refusal(ErrorCode.BAD_LENGTH, 7, size + 8)
    )


def test_a_network_without_a_result_is_told(device: Device) -> None:
    device.number("rows_wanted").value = 5  # type: ignore[attr-defined]
    failed = wire.Refusal(ErrorCode.INCOMPLETE, 7, 24)
    assert device.tensor() == failed
    assert device.data(7, 24) == failed
    found = device.ask(Type.LAYERS, wire.layers_body(0))
    assert isinstance(found, wire.Layers) and found.clip == 0


# --------------------------------------------------------------- silence, noise, a line that takes nothing


def test_silence_in_an_open_clip_asks_forty_times(device: Device) -> None:
    assert device.idle() == [], "nothing is open"
    device.begin(7, Kind.TENSOR, 24)
    assert [device.idle() for _ in range(40)] == [[wire.Ready(Cause.AGAIN, 7, 0, 1)]] * 40
    assert all(frame.request == 0 for frame in device.frames)
    assert device.number("waited_ms").value == 250  # type: ignore[attr-defined]
    assert [device.idle() for _ in range(3)] == [[], [], []]
    assert device.data(7, 0, bytes(6)) == wire.Refusal(ErrorCode.NO_CLIP, 7, 0)
    found = device.ask(Type.STATISTICS)
    assert isinstance(found, wire.Statistics) and found.rerequests == 40


def test_any_byte_begins_the_silence_anew(device: Device) -> None:
    device.begin(7, Kind.TENSOR, 24)
    for _ in range(39):
        device.idle()
    device.data(7, 0, bytes(6))
    assert [device.idle() for _ in range(40)] == [[wire.Ready(Cause.AGAIN, 7, 6, 1)]] * 40
    assert device.idle() == []


def test_silence_behind_a_result_says_it_again_and_counts_no_loss(device: Device) -> None:
    result = device.tensor()
    assert device.idle() == [result]
    found = device.ask(Type.STATISTICS)
    assert isinstance(found, wire.Statistics) and found.rerequests == 0


def test_noise_without_a_clip_is_refused(device: Device) -> None:
    assert device.take(b"\x03ab\0") == [wire.Refusal(ErrorCode.BAD_FRAME, 0, 1)]
    assert device.take(b"\x07xyz\0") == [wire.Refusal(ErrorCode.BAD_FRAME, 0, 2)]


def test_noise_in_a_clip_asks_for_what_is_missing(device: Device) -> None:
    device.begin(7, Kind.TENSOR, 24)
    device.data(7, 0, bytes(6))
    assert device.take(b"\x03ab\0") == [wire.Ready(Cause.AGAIN, 7, 6, 1)]
    assert device.frames[0].request == 0


@pytest.mark.parametrize("size", [1, 4, 5, 6])
def test_a_frame_has_more_than_its_checksum(size: int, device: Device) -> None:
    """Of an empty payload the checksum alone would be right."""
    payload = bytes([Type.HELLO, 0, 0, 0])[: max(0, size - 4)]
    whole = (payload + struct.pack("<I", zlib.crc32(payload)))[:size]
    (found,) = device.take(cobs.encode(whole) + b"\0")
    expected = ErrorCode.BAD_LENGTH if size > 4 else ErrorCode.BAD_FRAME
    assert isinstance(found, wire.Refusal) and found.code == expected


def test_delimiters_alone_are_no_frames(device: Device) -> None:
    assert device.take(bytes(20)) == []
    found = device.ask(Type.STATISTICS)
    assert isinstance(found, wire.Statistics) and (found.frames, found.bad_frames) == (1, 0)


def test_noise_longer_than_any_frame_is_dropped_as_one(device: Device) -> None:
    device.coming(b"\x02\x01" * 1500)
    for _ in range(5):
        device.c.protocol_step()
    assert device.take(b"\0") == [wire.Refusal(ErrorCode.BAD_FRAME, 0, 1)]
    assert isinstance(device.ask(Type.HELLO), wire.Hello)


def test_the_largest_frame_fits_and_comes_in_any_pieces(device: Device) -> None:
    rng = random.Random(3)
    for filler in (b"\0", b"\1", b"\xff"):
        frame = wire.encode(Type.DATA, 0, 9, wire.data_body(1, 0, filler * CHUNK))
        at = 0
        while at < len(frame):
            size = rng.randint(1, 300)
            device.coming(frame[at : at + size])
            device.c.protocol_step()
            at += size
        found = device._said()
        assert found == [wire.Refusal(ErrorCode.NO_CLIP, 1, 0)]


def test_two_frames_at_once_are_both_answered(device: Device) -> None:
    device.coming(wire.encode(Type.HELLO, 0, 1) + wire.encode(Type.STATISTICS, 0, 2))
    device.c.protocol_step()
    device.c.protocol_step()
    assert [type(message) for message in device._said()] == [wire.Hello, wire.Statistics]


@pytest.mark.parametrize("length", [*range(1, 12), 250, 251, 252, 253, 254, 255, 256, 600, 1000])
def test_every_payload_is_decoded(length: int, device: Device) -> None:
    """Blocks of every length, full ones of 254 bytes and zeros at every place."""
    rng = random.Random(length)
    for density in (0.0, 0.02, 0.5, 1.0):
        body = bytes(0 if rng.random() < density else rng.randrange(1, 256) for _ in range(length))
        found = device.ask(0x70, body)
        assert found == wire.Refusal(ErrorCode.BAD_TYPE, 0, 0x70)


def test_what_it_sends_is_the_shortest_form(device: Device) -> None:
    """A result of 300 bytes, by Python's COBS: full blocks, zeros, and nothing before the first code byte."""
    device.begin(7, Kind.TENSOR, 24)
    data = bytes([0, 1, 0, 0, *range(1, 21)])
    device.coming(wire.encode(Type.DATA, 0, 5, wire.data_body(7, 0, data))[1:])
    device.c.protocol_step()
    sent = device.raw()
    assert sent.endswith(b"\0") and sent.count(0) == 1
    payload = cobs.decode(sent[:-1])[:-4]
    assert sent[:-1] == cobs.encode(payload + struct.pack("<I", zlib.crc32(payload)))


def test_a_line_that_takes_nothing_costs_no_time(device: Device) -> None:
    """Behind the first write that fails only the delimiter is tried, so that the frame is cut off."""
    writes = device.number("writes_tried", ctypes.c_size_t)
    limit = device.number("writes_before_failure", ctypes.c_size_t)
    device.tensor()
    writes.value, limit.value = 0, 0  # type: ignore[attr-defined]
    device.coming(wire.encode(Type.DATA, 0, 5, wire.data_body(7, 24, b"")))
    device.c.protocol_step()
    assert writes.value == 2  # type: ignore[attr-defined]
    assert device.raw() == b""
    limit.value = ctypes.c_size_t(-1).value  # type: ignore[attr-defined]
    assert isinstance(device.ask(Type.HELLO), wire.Hello), "the next frame is whole again"
