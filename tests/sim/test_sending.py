# SPDX-License-Identifier: Apache-2.0
"""What a firmware sends moves by itself where the chip has a DMA for it: the same bytes, and the core goes on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ascmcu.benchmark import wire
from ascmcu.benchmark.session import Session
from ascmcu.runners.sim import SimRunner
from ascmcu.sim.core import Nvic
from ascmcu.sim.cpu import Cpu
from ascmcu.sim.machine import Machine
from ascmcu.sim.microphones import Dma
from ascmcu.sim.stm32 import UsartF4
from ascmcu.toolchain.gcc import build_firmware
from tests.support import tool
from tests.support.mixer import ROW_BYTES, ROWS, mixed, mixer_target
from tests.support.patience import HANG_S

needs_gcc = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="no cross compiler")
# A board for each serial port that an STM32F4 has here.
BOARDS = {"blackpill-f411": 1, "nucleo-f446": 2, "nucleo-f429": 3}


def _session(folder: Path, board: str) -> tuple[SimRunner, bytes]:
    target = mixer_target(folder, board)
    build_firmware(folder, target.board, frontend=False)
    return SimRunner(target), bytes(range(256)) * 11 + bytes(ROWS * ROW_BYTES - 256 * 11)


@needs_gcc
@pytest.mark.parametrize("board", BOARDS)
def test_all_that_is_sent_went_by_dma_and_is_whole(
    board: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner, tensor = _session(tmp_path, board)
    supplied, heard = bytearray(), bytearray()
    take, read = Dma.take, SimRunner.read

    def counted(self: Dma, stream: int, channel: int) -> int | None:
        byte = take(self, stream, channel)
        if byte is not None:
            supplied.append(byte)
        return byte

    def listened(self: SimRunner, timeout_s: float) -> bytes:
        data = read(self, timeout_s)
        heard.extend(data)
        return data

    monkeypatch.setattr(Dma, "take", counted)
    monkeypatch.setattr(SimRunner, "read", listened)
    with runner as link:
        session = Session(link, response_s=HANG_S)
        assert session.run(tensor, wire.Kind.TENSOR).outputs == mixed(tensor)
        assert session.statistics().send_timeouts == 0
        assert session.repairs.bad_frames == 0
        port = link.machine.usarts[BOARDS[board]]
        assert isinstance(port, UsartF4) and port.values[0x14] >> 7 & 1, "CR3.DMAT"
    assert len(heard) > 400 and supplied == heard


@needs_gcc
def test_without_an_answering_dma_the_core_sends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on QEMU: registers that read 0."""
    monkeypatch.setattr(Dma, "read", lambda self, offset, cycle: 0)
    monkeypatch.setattr(Dma, "take", lambda self, stream, channel: None)
    runner, tensor = _session(tmp_path, "nucleo-f446")
    with runner as link:
        session = Session(link, response_s=HANG_S)
        assert session.run(tensor, wire.Kind.TENSOR).outputs == mixed(tensor)
        assert session.repairs.bad_frames == 0


@needs_gcc
@pytest.mark.parametrize(
    ("board", "free"), [("nucleo-f446", True), ("nrf52840-dk", True), ("nucleo-l476", False)]
)
def test_the_core_sleeps_while_the_last_bytes_leave(board: str, free: bool, tmp_path: Path) -> None:
    """Up to 256 bytes move by themselves; where the core sends each, it sleeps only when they have left."""
    runner, _ = _session(tmp_path, board)
    with runner as link:
        assert Session(link, response_s=HANG_S).hello.board == board
        machine = link.machine
        port = machine.usarts[machine.layout.console]
        link.write(wire.encode(wire.Type.HELLO, 0, 9), 1.0)
        _run_while(machine, lambda: not port.sending)
        begun, slept = machine.engine.cycles, machine.slept_cycles
        _run_while(machine, lambda: not port.sent.endswith(b"\0"))  # one transfer may follow another
        assert len(port.sent) > 256
        part = (machine.slept_cycles - slept) / (machine.engine.cycles - begun)
        assert part > 0.25 if free else part < 0.05


def _run_while(machine: Machine, state: Callable[[], bool]) -> None:
    """In steps of 10 µs, for no more than a second of simulated time."""
    step = machine.layout.clock_hz // 100_000
    limit = machine.engine.cycles + machine.layout.clock_hz
    while state():
        assert machine.engine.cycles < limit, "nothing happens"
        machine.run(machine.engine.cycles + step)


@needs_gcc
def test_an_answer_costs_the_core_less_by_dma(tmp_path: Path) -> None:
    """The page's table is that of the stored figures; they are measured anew by tools/sending_gain run."""
    gain = tool.load("sending_gain")
    text, stored = gain.PAGE.read_text(), json.loads(gain.STORED.read_text())
    assert gain.page(text, stored) == text and set(stored["boards"]) == set(gain.BOARDS)
    for found in (*stored["boards"].values(), gain.compared("nucleo-f446", tmp_path)):
        for name, most in (("IS_LAYERS", 0.25), ("IS_STATISTICS", 0.3), ("IS_HELLO", 0.5), ("a clip", 1.0)):
            by_dma, by_core = found["dma"][name], found["core"][name]
            assert by_dma["awake_cycles"] < most * by_core["awake_cycles"]
            assert by_dma["sent_bytes"] == by_core["sent_bytes"] > 0
            assert by_dma["cycles"] == pytest.approx(by_core["cycles"], rel=0.01), "the wire's time"


def test_a_stream_gives_its_bytes_once_and_to_its_own_channel() -> None:
    cpu = Cpu()
    memory = bytes([7, 8, 9])
    dma = Dma(Nvic(), cpu, 2)
    asked: list[int] = []
    dma.asks[7] = asked.append
    cpu.load = lambda address, size: memory[address - 0x2000_0000 :][:size]  # type: ignore[method-assign]
    base = 0x10 + 0x18 * 7
    for register, value in ((4, 3), (8, 0x4001_1004), (0xC, 0x2000_0000), (0, 4 << 25 | 1 << 10 | 1 << 6)):
        dma.write(base + register, value, 5)
    assert dma.take(7, 4) is None and not asked, "not enabled"
    dma.write(base, dma.read(base, 6) | 1, 6)
    assert asked == [6] and dma.take(7, 5) is None
    assert [dma.take(7, 4), dma.take(7, 4)] == [7, 8] and dma.read(4, 7) == 0
    assert [dma.take(7, 4), dma.take(7, 4)] == [9, None]
    assert dma.read(4, 8) == 1 << 27 and dma.read(base, 8) & 1 == 0 and dma.read(base + 4, 8) == 0
