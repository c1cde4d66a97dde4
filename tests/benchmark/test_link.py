# SPDX-License-Identifier: Apache-2.0
"""The firmware behind the protocol, on this machine and on QEMU: right answers, and right ones only."""

from __future__ import annotations

import random
import shutil
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from cobs import cobs

from ascmcu.benchmark import run as bench_run
from ascmcu.benchmark import wire
from ascmcu.benchmark.clips import Clip, Clips
from ascmcu.benchmark.session import Session
from ascmcu.benchmark.wire import ClockState, Counter, Kind, Type, begin_body
from ascmcu.errors import LinkError
from ascmcu.runners import base
from ascmcu.runners.base import Runner, Target
from ascmcu.runners.host import HostRunner
from ascmcu.runners.serial import SerialRunner
from ascmcu.toolchain.gcc import build_firmware
from tests.support.mixer import (
    CHANNELS,
    CLIP_SAMPLES,
    ROW_BYTES,
    ROWS,
    audio_rows,
    changed,
    mixed,
    mixer_target,
)
from tests.support.patience import HANG_S

needs_qemu = pytest.mark.skipif(
    not (shutil.which("qemu-system-arm") and shutil.which("arm-none-eabi-gcc")),
    reason="no QEMU or cross compiler",
)
RUNNERS = ["sanitized", pytest.param("qemu", marks=needs_qemu)]


class Sanitized(HostRunner):
    """The host build with address and undefined-behaviour checks, which end it at the first finding."""

    sanitize = True


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Target:
    made = mixer_target(tmp_path_factory.mktemp("mixer"), frontend=True)
    if shutil.which("arm-none-eabi-gcc"):
        build_firmware(made.folder, made.board, frontend=True)
    return made


def _runner(name: str, target: Target) -> Runner:
    return Sanitized(target) if name == "sanitized" else base.create(name, target)


@pytest.mark.parametrize("name", RUNNERS)
def test_audio_and_tensors_give_the_defined_outputs(name: str, target: Target) -> None:
    rng = random.Random(7)
    with _runner(name, target) as link:
        session = Session(link, response_s=link.facts.response_s)
        assert session.hello.has_frontend
        for _ in range(3):
            tensor = rng.randbytes(ROWS * ROW_BYTES)
            assert session.run(tensor, Kind.TENSOR).outputs == mixed(tensor)
            pcm = rng.randbytes(CLIP_SAMPLES * CHANNELS * 2)
            assert session.run(pcm, Kind.AUDIO).outputs == mixed(audio_rows(pcm))
        statistics = session.statistics()
        assert (statistics.overruns, statistics.bad_frames) == (0, 0)
        assert (session.repairs.bad_frames, session.repairs.clips_repeated) == (0, 0)
        # A host that is kept from running for 250 ms is asked again, and then some chunks come twice.
        assert statistics.duplicates == 0 or statistics.rerequests > 0


@needs_qemu
def test_qemu_counts_instructions_exactly_and_repeatably(target: Target) -> None:
    with base.create("qemu", target) as link:
        assert link.facts.count_kind == "instructions"
        session = Session(link, response_s=link.facts.response_s)
        hello = session.hello
        assert (hello.counter, hello.clock, hello.wait_states) == (Counter.TIMER, ClockState.HSI_ALONE, 0)
        seen = []
        for _ in range(1000):
            result = session.run(bytes(ROWS * ROW_BYTES), Kind.TENSOR)
            layers = session.layers(result)
            # Only a host that lags behind sends bytes while the network runs.
            if result.disturbed == 0:
                seen.append((result.counts, layers))
            if len(seen) == 3:
                break
        assert len(seen) == 3, "every clip was disturbed"
        assert len(set(seen)) == 1, "the same clip must give the same counts"
        # 100 NOPs a row, and the few instructions of reading the counter around them
        assert ROWS * 100 <= layers[1] <= ROWS * 110
        assert sum(layers) < result.counts.network
        statistics = session.statistics()
        assert 100 < statistics.stack_peak_bytes < statistics.stack_bytes == target.board.stack_bytes


@dataclass
class Noise:
    """Damages what passes: each byte by ``rate`` lost, flipped or doubled; frames held back and sent later."""

    link: Runner
    rng: random.Random
    rate: float

    def __post_init__(self) -> None:
        self.held: dict[str, list[bytes]] = {"in": [], "out": []}
        self.part = b""
        self.faults = 0

    def _damage(self, data: bytes, way: str) -> bytes:
        """One frame of either side."""
        if self.rng.random() < 10 * self.rate:  # a whole burst goes missing, comes late, or comes twice
            self.faults += 1
            kind = self.rng.randrange(3)
            if kind == 0:
                return b""
            if kind == 1:
                self.held[way].append(data)
                return b""
            return data + data
        out = bytearray()
        for byte in data:
            if self.rng.random() >= self.rate / 100:
                out.append(byte)
                continue
            self.faults += 1
            out += [b"", bytes([byte ^ (1 << self.rng.randrange(8))]), bytes([byte, byte])][
                self.rng.randrange(3)
            ]
        if self.held[way] and self.rng.random() < 0.3:
            out += self.held[way].pop(0)
        return bytes(out)

    def read(self, timeout_s: float) -> bytes:
        # However many frames come at a time, each has its own fate.
        *frames, self.part = (self.part + self.link.read(timeout_s)).split(b"\0")
        return b"".join(self._damage(frame + b"\0", "in") for frame in frames)

    def write(self, data: bytes, timeout_s: float) -> None:
        damaged = self._damage(data, "out")
        if damaged:
            self.link.write(damaged, timeout_s)


@pytest.fixture
def noisy(target: Target) -> Iterator[Noise]:
    with Sanitized(target) as link:
        yield Noise(link, random.Random(20), rate=0.01)


def test_a_noisy_link_never_gives_a_wrong_result(noisy: Noise) -> None:
    rng = random.Random(3)
    session = Session(noisy, response_s=HANG_S, seed=1)
    for _ in range(12):
        pcm = rng.randbytes(CLIP_SAMPLES * CHANNELS * 2)
        assert session.run(pcm, Kind.AUDIO).outputs == mixed(audio_rows(pcm))
    assert noisy.faults > 30, "the test must have disturbed something"
    assert session.repairs.sent_again > 0


def test_garbage_before_and_between_is_ignored(target: Target) -> None:
    rng = random.Random(4)
    with Sanitized(target) as link:
        session = Session(link, response_s=HANG_S)
        for _ in range(5):
            link.write(rng.randbytes(5000), HANG_S)
            tensor = rng.randbytes(ROWS * ROW_BYTES)
            assert session.run(tensor, Kind.TENSOR).outputs == mixed(tensor)
        assert session.statistics().bad_frames > 5


def test_well_formed_nonsense_is_refused_and_survived(target: Target) -> None:
    rng = random.Random(5)
    with Sanitized(target) as link:
        session = Session(link, response_s=HANG_S)
        clip_bytes = session.hello.clip_bytes(Kind.TENSOR)
        for _ in range(2000):
            type_ = rng.choice([*Type, rng.randrange(256)])
            body = rng.randbytes(rng.choice([0, 1, 2, 7, 8, 9, 10, 200, 1032, 1040, 3000]))
            if rng.random() < 0.5:  # half of them concern one and the same clip, begun and fed in any order
                body = begin_body(7, rng.choice([clip_bytes, rng.getrandbits(32)])) + body[8:]
            link.write(_frame(type_, rng.choice([0, 1, rng.randrange(256)]), body), HANG_S)
            while link.read(0.0):
                pass
        tensor = rng.randbytes(ROWS * ROW_BYTES)
        assert session.run(tensor, Kind.TENSOR).outputs == mixed(tensor)
        assert session.statistics().frames > 1500


def _frame(type_: int, flags: int, body: bytes) -> bytes:
    payload = struct.pack("<BBH", type_, flags, 0) + body
    return bytes(cobs.encode(payload + struct.pack("<I", zlib.crc32(payload)))) + b"\0"


def test_a_dead_device_is_reported_with_its_end(target: Target) -> None:
    with Sanitized(target) as link:
        assert Session(link, response_s=HANG_S).hello.model == "mixer"
        link._child.kill()
        with pytest.raises(LinkError, match="closed the link"):
            Session(link, response_s=HANG_S).statistics()


FAULTS = {
    "bus fault": ("*(volatile uint32_t *)0x60000000u = 1u", "BusFault", "pc 0x080"),
    "undefined instruction": ('__asm volatile("udf #0")', "UsageFault", "pc 0x080"),
    "stack overflow": ("model_dive(model_row)", "stack has overflowed", "pc 0x00000000"),
}
DIVE = """
static void model_dive(const uint8_t *from)
{
    volatile uint8_t room[512];
    for (unsigned i = 0; i < sizeof room; i++) {
        room[i] = from[i % 8u];
    }
    if (room[3] != from[0] + 1) {
        model_dive((const uint8_t *)room);
    }
    room[0] = 1;
}
"""


@needs_qemu
@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_is_reported_and_the_device_comes_back(case: str, tmp_path: Path) -> None:
    statement, *expected = FAULTS[case]
    target = mixer_target(tmp_path)
    dive = DIVE if "dive" in statement else ""
    marker = "void model_reset(void)"
    changed(target.folder / "model.c", marker, f"#define MIXER_FAULT {statement}\n{dive}\n{marker}")
    build_firmware(target.folder, target.board, frontend=False)
    with base.create("qemu", target) as link:
        session = Session(link, response_s=HANG_S)
        with pytest.raises(LinkError) as caught:
            session.run(b"\xfa" * (ROWS * ROW_BYTES), Kind.TENSOR)
        for text in expected:
            assert text in str(caught.value)
        good = bytes(ROWS * ROW_BYTES)
        again = Session(link, response_s=HANG_S)
        assert again.run(good, Kind.TENSOR).outputs == mixed(good)
        last = again.hello.last_fault
        assert last is not None and f"pc {last.pc:#010x}" in str(caught.value), "the reset has not lost it"


# The simulator ends at a fault; here the program does what its handler does.
KEEPS = """
#include "soc.h"
static void model_fault(void)
{
    const struct hal_fault fault = {.exception = 6, .pc = 0x1234u, .lr = 0x5678u, .cfsr = 1u << 16};
    soc_keep_fault(&fault);
    app_fault(&fault);
    soc_reset();
}
"""
# One of each family.
FAMILIES = (
    "nucleo-f303", "nucleo-f446", "nucleo-g474", "nucleo-l476", "nucleo-wb55", "nrf52840-dk", "frdm-k64f", "feather-m4",
)  # fmt: skip


@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="no cross compiler")
@pytest.mark.parametrize("board", FAMILIES)
def test_each_family_says_why_it_started_and_keeps_its_last_fault(board: str, tmp_path: Path) -> None:
    target = mixer_target(tmp_path, board)
    marker = "void model_reset(void)"
    changed(target.folder / "model.c", marker, f"{KEEPS}#define MIXER_FAULT model_fault()\n{marker}")
    build_firmware(target.folder, target.board, frontend=False)
    with base.create("sim", target) as link:
        session = Session(link, response_s=HANG_S)
        assert session.hello.clock == ClockState.AS_CONFIGURED
        assert (session.hello.reset, session.hello.last_fault) == (wire.Reset.POWER, None)
        with pytest.raises(LinkError, match=r"faulted: UsageFault[\s\S]*stack peak"):  # which no hello has
            session.run(b"\xfa" * (ROWS * ROW_BYTES), Kind.TENSOR)
        good = bytes(ROWS * ROW_BYTES)
        again = Session(link, response_s=HANG_S)
        assert again.run(good, Kind.TENSOR).outputs == mixed(good)
        assert again.hello.reset == wire.Reset.SOFTWARE
        assert again.hello.last_fault == wire.Fault(6, 0x1234, 0x5678, 1 << 16, 0, 0, 0, 0)


@needs_qemu
@pytest.mark.parametrize("board", ["nucleo-f429", "nucleo-f401", "stm32f4-discovery"])
def test_other_boards_answer_on_their_own_port(board: str, tmp_path: Path) -> None:
    target = mixer_target(tmp_path, board)
    build_firmware(target.folder, target.board, frontend=False)
    tensor = random.Random(1).randbytes(ROWS * ROW_BYTES)
    with base.create("qemu", target) as link:
        session = Session(link, response_s=HANG_S)
        assert session.hello.board == board
        assert session.run(tensor, Kind.TENSOR).outputs == mixed(tensor)


@pytest.mark.parametrize(
    ("bad", "frames", "lossy"),
    [
        (19, 20, False),
        (20, 399, True),
        (20, 400, False),
        (21, 400, True),
        (50, 1000, False),
        (51, 1000, True),
    ],
)
def test_a_line_is_lossy_by_the_part_of_its_frames(bad: int, frames: int, lossy: bool) -> None:
    """More than one in twenty, of twenty damaged ones at least."""
    session = SimpleNamespace(repairs=SimpleNamespace(bad_frames=bad), frames=frames)
    assert bench_run._damages(session) == lossy  # type: ignore[arg-type]


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("lossy", [False, True])
@pytest.mark.parametrize("last", [False, True])
def test_a_lossy_line_is_left_where_a_slower_one_remains(
    last: bool, lossy: bool, fails: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the clip came through or not; what came through is kept."""

    def one(*arguments: object) -> str:
        if fails:
            raise LinkError("gone")
        return "result"

    monkeypatch.setattr(bench_run, "_one", one)
    monkeypatch.setattr(bench_run, "_damages", lambda session: lossy)
    monkeypatch.setattr(bench_run.journal, "append", lambda file, result: file.write(result))
    clips = Clips(Kind.TENSOR, "", (), (Clip("a", None, bytes), Clip("b", None, bytes)))
    done: dict[str, object] = {}
    expected = bench_run._Lossy if lossy and not last else LinkError if fails else None
    with (tmp_path / "journal").open("w+") as file:
        arguments = None, clips, done, None, file, 1, None, lambda n, of: None
        if expected is None:
            bench_run._send(*arguments, last=last)  # type: ignore[arg-type]
        else:
            with pytest.raises(expected):
                bench_run._send(*arguments, last=last)  # type: ignore[arg-type]
        kept = 0 if fails else 1 if expected else 2
        assert len(done) == kept and file.tell() == kept * len("result")


@pytest.mark.parametrize(
    ("port", "baud", "rates"),
    [
        ("/dev/ttyX0", 921_600, [115_200]),
        ("/dev/ttyX0", 115_201, [115_200]),
        ("/dev/ttyX0", 115_200, []),
        ("/dev/ttyX0", 9600, []),
        ("socket://localhost:1", 921_600, []),
    ],
)
def test_a_lower_rate_is_tried_where_the_board_has_one(port: str, baud: int, rates: list[int]) -> None:
    board = SimpleNamespace(serial=SimpleNamespace(baud=921_600, fallback_baud=115_200))
    runner = SerialRunner(SimpleNamespace(board=board), port, baud)  # type: ignore[arg-type]
    assert [slower.baud for slower in bench_run._slower(runner)] == rates  # type: ignore[attr-defined]
