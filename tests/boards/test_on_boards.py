# SPDX-License-Identifier: Apache-2.0
"""Every board: a real network is exported and built for it, and gives the host's bits on the cycle model."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from ascmcu import api, boards, paths
from ascmcu.api.arranging import Arranging
from ascmcu.benchmark import wire
from ascmcu.benchmark.session import Session
from ascmcu.benchmark.wire import ClockState, Counter, Kind
from ascmcu.codegen.placing import describe_second
from ascmcu.ir import text
from ascmcu.runners import base
from ascmcu.runners.base import Target
from ascmcu.schedule import make_plan
from ascmcu.toolchain.gcc import build_firmware
from tests.support import outside
from tests.support.mixer import ROW_BYTES, ROWS, mixed, mixer_target

ROOT = Path(__file__).resolve().parents[2]
ADD = """graph "add"
input %x : i8[1,6,4,2] q(0.05 : 3) t0
%a = add(%x, %x) {clamp=(-128, 127)} : i8[1,6,4,2] q(0.1 : -4) ; a 0
output %a
"""
KWS = outside.model("mlperf_tiny_kws_int8.tflite")
FAMILY_SAMPLES = {boards.load(name).chip.family: name for name in boards.names()}
needs_gcc = pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no cross compiler")
pytestmark = needs_gcc


def _run(name: str, target: Target, data: bytes) -> bytes:
    with base.create(name, target) as link:
        session = Session(link, response_s=link.facts.response_s, seed=1)
        result = session.run(data, Kind.TENSOR)
        if name == "sim":
            hello, statistics = session.hello, session.statistics()
            assert (hello.board, hello.clock_hz) == (target.board.name, target.board.clock.sysclk_hz)
            assert (hello.counter, hello.clock) == (Counter.DWT, ClockState.AS_CONFIGURED)
            assert hello.wait_states == target.board.clock.wait_states
            assert (statistics.overruns, statistics.bad_frames, result.disturbed) == (0, 0, 0)
        return result.outputs


@outside.needs(KWS)
@pytest.mark.parametrize("name", boards.names())
def test_keyword_spotting_gives_the_same_bits_everywhere(
    name: str, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    """One board of each family; all of them with --inputs above the default."""
    if name not in FAMILY_SAMPLES.values() and int(pytestconfig.getoption("--inputs")) <= 4:
        pytest.skip("another board of its family is tested; --inputs 5 tests all")
    export = api.export(KWS, name, tmp_path / "build", features=False)
    board = boards.load(name)
    ram, flash = export.manifest.ram_bytes, export.manifest.flash_bytes["total"]
    # Code in a second memory counts, and so does that memory.
    room = board.ram_room_bytes(ram)
    assert (ram["total"] <= room, flash <= board.flash.size_bytes) == (True, True)
    target = Target(export.folder, board, export.manifest, False)
    spec = export.manifest.inputs[0]
    tensor = np.random.default_rng(3).integers(-128, 128, spec.rows * spec.row_bytes, np.int8).tobytes()
    assert _run("sim", target, tensor) == _run("host", target, tensor)


@pytest.mark.parametrize("family", sorted(FAMILY_SAMPLES))
def test_a_new_board_of_a_known_family_is_one_file(family: str, tmp_path: Path) -> None:
    """Copied under another name, with a slower clock where the family lets one choose, and built and run from there."""
    sample = FAMILY_SAMPLES[family]
    text = (paths.boards() / f"{sample}.toml").read_text()
    path = tmp_path / "my-board.toml"
    path.write_text(text.replace(f'name = "{sample}"', 'name = "my-board"'))
    board = boards.load(str(path))
    made = tmp_path / "build"
    made.mkdir()
    target = mixer_target(made, str(path))
    build_firmware(made, board, frontend=False)
    tensor = bytes(range(256)) * 12
    tensor = tensor[: ROWS * ROW_BYTES].ljust(ROWS * ROW_BYTES, b"\x5a")
    assert _run("sim", target, tensor) == mixed(tensor)


def test_a_boot_loader_keeps_its_room(tmp_path: Path) -> None:
    text = (paths.boards() / "nucleo-f446.toml").read_text()
    path = tmp_path / "loader.toml"
    changed = text.replace('name = "nucleo-f446"', 'name = "loader"')
    path.write_text(changed.replace("stack_bytes", "bootloader_bytes = 0x10000\nstack_bytes"))
    made = tmp_path / "build"
    made.mkdir()
    target = mixer_target(made, str(path))
    build_firmware(made, target.board, frontend=False)
    assert (made / "firmware.bin").stat().st_size < 0x10000
    tensor = bytes(ROWS * ROW_BYTES)
    assert _run("sim", target, tensor) == mixed(tensor)


def test_the_kinetis_flash_stays_open(tmp_path: Path) -> None:
    """The bytes at 0x400 decide whether a debug probe may ever come in again."""
    target = mixer_target(tmp_path, "frdm-k64f")
    build_firmware(tmp_path, target.board, frontend=False)
    image = (tmp_path / "firmware.bin").read_bytes()
    assert image[0x400:0x410] == b"\xff" * 12 + b"\xfe\xff\xff\xff"


def test_buffers_move_to_the_second_memory_when_the_first_is_full(tmp_path: Path) -> None:
    """62 KB of network and 12 KB of features on a part with 64 KB and a core-coupled 16 KB."""
    target = mixer_target(tmp_path, "nucleo-f303", frontend=True)
    model, frontend = tmp_path / "model.c", tmp_path / "frontend.c"
    large = (
        "static volatile uint8_t model_huge[56000];\nvoid *model_input(void) { model_huge[model_rows] = 1;"
    )
    model.write_text(model.read_text().replace("void *model_input(void) {", large))
    head = "void frontend_reset(void)\n{"
    assert head in frontend.read_text()
    buffers = (
        "static volatile uint8_t frontend_huge[12000];\n" + head + " frontend_huge[11999] = frontend_huge[0];"
    )
    frontend.write_text(frontend.read_text().replace(head, buffers))
    report = build_firmware(tmp_path, target.board, frontend=True)
    assert report.ram_bytes["total"] > target.board.ram.size_bytes
    assert report.ram_bytes["features"] > 12000 and report.ram_bytes["padding"] < 64
    assert "these buffers are in ccm" in (tmp_path / "firmware.ld").read_text()
    # What plan.txt says of it.
    arranging = Arranging(target.board, make_plan(text.parse(ADD), "rows"), "flash", None)
    assert arranging(report.elf, tmp_path / "model.o", True) is None
    assert arranging.beside is not None
    memory, taken_bytes = arranging.beside
    assert memory.name == "ccm" and report.ram_bytes["features"] <= taken_bytes <= memory.size_bytes
    assert f"in ccm: the buffers of features and protocol, {taken_bytes} of 16384 bytes" in describe_second(
        memory, taken_bytes
    )
    tensor = bytes(range(256)) * 11
    tensor = tensor.ljust(ROWS * ROW_BYTES, b"\x11")
    assert _run("sim", target, tensor) == mixed(tensor)


@pytest.mark.parametrize("name", ["nrf52840-dk", "nucleo-f446", "frdm-k64f"])
def test_a_sleeping_device_wakes_by_itself_and_asks_again(name: str, tmp_path: Path) -> None:
    """The tick ends the sleep: 250 ms after the last byte of an unfinished clip the device asks for the next."""
    target = mixer_target(tmp_path, name)
    build_firmware(tmp_path, target.board, frontend=False)
    with base.create("sim", target) as link:
        session = Session(link, response_s=10.0)
        total = session.hello.clip_bytes(Kind.TENSOR)
        link.write(wire.encode(wire.Type.BEGIN, Kind.TENSOR, 7, wire.begin_body(99, total)), 1.0)
        decoder, heard = wire.Decoder(), []
        for _ in range(20):
            heard += [wire.parse(frame) for frame in decoder.feed(link.read(0.3))]
        ready = [m for m in heard if isinstance(m, wire.Ready) and m.clip == 99]
        assert ready[0].cause is wire.Cause.ACCEPTED
        assert [m.cause for m in ready[1:4]] == [wire.Cause.AGAIN] * 3
