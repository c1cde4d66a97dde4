# SPDX-License-Identifier: Apache-2.0
"""What counts are called: cycles only where a core is known to count them."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from ascmcu.benchmark import run as bench
from ascmcu.benchmark import wire
from ascmcu.benchmark.clips import from_tensors
from ascmcu.benchmark.counting import counts_instructions, kind_of, times_like_a_core
from ascmcu.benchmark.session import Session
from ascmcu.benchmark.wire import Counter, Probe
from ascmcu.errors import LinkError
from ascmcu.runners import _ports
from ascmcu.runners.base import CountKind, RunnerFacts, Target, create
from ascmcu.runners.qemu import QemuRunner
from ascmcu.runners.serial import SerialRunner
from ascmcu.runners.sim import SimRunner
from ascmcu.toolchain.gcc import build_firmware
from tests.support.mixer import ROW_BYTES, ROWS, mixer_target
from tests.support.socket_device import served

needs_cross = pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no cross compiler")
needs_qemu = pytest.mark.skipif(not shutil.which("qemu-system-arm"), reason="no QEMU")

M4 = Probe(768, 1024, 3829)
EVERY_INSTRUCTION = Probe(768, 768, 765)
SCALED = Probe(768, 1382, 1382)  # an emulator whose instructions take 1.8 counts each
WALL_CLOCK = Probe(768, 40_000, 9_000)
STILL = Probe(0, 0, 0)


def _hello(counter: Counter, probe: Probe) -> wire.Hello:
    values: dict[str, object] = {
        f.name: 1 if str(f.type) == "int" else "" for f in dataclasses.fields(wire.Hello)
    }
    return wire.Hello(**{**values, "counter": counter, "probe": probe})  # type: ignore[arg-type]


CASES: dict[str, tuple[Counter, Probe, CountKind, CountKind | None, CountKind]] = {
    "a board behind its probe": (Counter.DWT, M4, "cycles", None, "cycles"),
    "the simulator": (Counter.DWT, M4, "cycles", None, "cycles"),
    "QEMU by us": (Counter.TIMER, EVERY_INSTRUCTION, "instructions", None, "instructions"),
    "Renode by us": (Counter.DWT, EVERY_INSTRUCTION, "instructions", None, "instructions"),
    "QEMU behind a socket": (Counter.TIMER, EVERY_INSTRUCTION, "counts", None, "instructions"),
    "Renode behind a socket": (Counter.DWT, EVERY_INSTRUCTION, "counts", None, "instructions"),
    "Renode at 100 MIPS": (Counter.DWT, SCALED, "counts", None, "counts"),
    "QEMU on the host's time": (Counter.TIMER, WALL_CLOCK, "counts", None, "counts"),
    "a board behind a socket": (Counter.DWT, M4, "counts", None, "counts"),
    "a board behind a socket, vouched for": (Counter.DWT, M4, "counts", "cycles", "cycles"),
    "an emulator behind a gadget's USB": (Counter.DWT, EVERY_INSTRUCTION, "cycles", None, "instructions"),
    "a scaled emulator there": (Counter.DWT, SCALED, "cycles", None, "counts"),
    "a timer on a board": (Counter.TIMER, M4, "cycles", None, "counts"),
    "a probe that was never run": (Counter.DWT, STILL, "cycles", None, "counts"),
    "nothing counts": (Counter.NONE, STILL, "counts", None, "none"),
    "the host": (Counter.NONE, STILL, "none", None, "none"),
}


@pytest.mark.parametrize("case", CASES)
def test_counts_are_called_what_they_are(case: str) -> None:
    counter, probe, claimed, asked, right = CASES[case]
    assert kind_of(_hello(counter, probe), RunnerFacts("x", claimed, "x", 1.0), asked) == right


@pytest.mark.parametrize(
    ("probe", "core", "instructions"),
    [
        (Probe(1000, 1030, 3000), False, False), (Probe(1000, 1031, 3000), True, False),
        (Probe(1000, 1031, 1546), False, False), (Probe(1000, 1031, 1547), True, False),
        (Probe(1000, 1032, 1548), False, False), (Probe(1000, 1030, 970), False, True),
        (Probe(1000, 970, 1030), False, True), (Probe(1000, 1031, 1000), False, False),
        (Probe(1000, 1000, 969), False, False), (Probe(0, 0, 0), False, False), (Probe(1, 1, 1), False, True),
        (Probe(0, 1, 2), True, False),
    ],
)  # fmt: skip
def test_limits_of_what_counts_as_a_core_or_as_an_instruction(
    probe: Probe, core: bool, instructions: bool
) -> None:
    """3 % more than one count an instruction, and divisions that take more than half as long again as additions."""
    assert (times_like_a_core(probe), counts_instructions(probe)) == (core, instructions)


@pytest.mark.parametrize(
    ("counter", "probe", "asked"),
    [
        (Counter.DWT, EVERY_INSTRUCTION, "cycles"),
        (Counter.DWT, SCALED, "cycles"),
        (Counter.TIMER, M4, "cycles"),
        (Counter.DWT, M4, "instructions"),
        (Counter.DWT, SCALED, "instructions"),
    ],
)
def test_who_vouches_for_what_the_probe_denies_is_refused(
    counter: Counter, probe: Probe, asked: CountKind
) -> None:
    with pytest.raises(LinkError, match=f"does not count {asked}") as refused:
        kind_of(_hello(counter, probe), RunnerFacts("serial", "counts", "socket://x:1", 1.0), asked)
    assert f"{probe.additions} counts for 768 instructions" in str(refused.value)


@pytest.mark.parametrize(
    ("vendor", "product", "is_a_board"),
    [(0x0483, 0x374B, True), (0x1366, 0x0105, True), (0x0D28, 0x0204, True), (0x0403, 0x6001, True),
     (0x0525, 0xA4A7, False), (0x0483, 0x5740, False)],
)  # fmt: skip
def test_a_port_of_a_probe_leads_to_a_board(vendor: int, product: int, is_a_board: bool) -> None:
    """A Linux machine's USB gadget (0525:a4a7) or a chip's own USB may lead to anything."""
    assert _ports.leads_to_a_board(_ports.UsbPort("/dev/ttyACM0", vendor, product, "", "")) == is_a_board


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Target:
    made = mixer_target(tmp_path_factory.mktemp("counting"))
    build_firmware(made.folder, made.board, frontend=False)
    return made


@needs_cross
@pytest.mark.parametrize("name", ["sim", pytest.param("qemu", marks=needs_qemu)])
def test_the_firmware_probes_its_counter(name: str, target: Target) -> None:
    with create(name, target) as link:
        hello = Session(link, response_s=link.facts.response_s).hello
    assert hello.probe.instructions == 768
    assert (times_like_a_core(hello.probe), counts_instructions(hello.probe)) == (
        name == "sim",
        name == "qemu",
    )


@needs_cross
@pytest.mark.parametrize("name", ["sim", pytest.param("qemu", marks=needs_qemu)])
def test_what_is_behind_a_socket_is_never_called_cycles(name: str, target: Target, tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", np.ones((1, 1, ROWS, ROW_BYTES), np.int8))
    clips = from_tensors(target.manifest, tmp_path / "in.npy", None)
    told: list[str] = []
    with served(SimRunner(target) if name == "sim" else QemuRunner(target)) as url:
        port = SerialRunner(target, url)
        done = bench.run(target, port, clips, tell=told.append)
        assert done.facts.count_kind == ("counts" if name == "sim" else "instructions")
        assert any("unknown" in text for text in told) == (name == "sim")
        assert list(done.notices) == told
        if name == "sim":  # times as a core does: who knows that it is one may say so
            assert bench.run(target, port, clips, counts="cycles").facts.count_kind == "cycles"
        else:
            with pytest.raises(LinkError, match="does not count cycles"):
                bench.run(target, port, clips, counts="cycles")
