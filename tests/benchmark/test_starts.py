# SPDX-License-Identifier: Apache-2.0
"""Why a device started and what its last fault was, as the host tells it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ascmcu.benchmark import run as bench
from ascmcu.benchmark import starts, wire
from ascmcu.benchmark.clips import Clip, Clips
from ascmcu.benchmark.session import Session
from ascmcu.errors import LinkError
from ascmcu.flash import gdb
from ascmcu.flash.base import Job
from ascmcu.runners.base import Target
from ascmcu.runners.qemu import QemuRunner
from ascmcu.runners.serial import SerialRunner
from ascmcu.runners.sim import SimRunner
from ascmcu.toolchain.gcc import build_firmware
from tests.support.device import OUTPUT, Device, hello_body
from tests.support.mixer import ROW_BYTES, ROWS, changed, mixed, mixer_target
from tests.support.patience import HANG_S, Clock
from tests.support.probes import listening_qemu, needs_qemu

DATA = bytes(range(250)) * 2
BAD, GOOD = b"\xfa" * (ROWS * ROW_BYTES), bytes(ROWS * ROW_BYTES)
MARKER = "void model_reset(void)"


@pytest.mark.parametrize(
    ("cfsr", "hfsr", "said"),
    [
        (1 << 16, 1 << 30, ["undefined instruction"]),
        (1 << 25, 0, ["division by zero"]),
        (1 << 9 | 1 << 15, 0, ["bus error on a data access", "at address 0x60000000"]),
        (1 << 1 | 1 << 7, 0, ["data access where none is allowed", "at address 0x20000010"]),
        (0, 1 << 1, ["the vector table cannot be read"]),
        (0, 0, []),
    ],
)
def test_the_status_registers_in_words(cfsr: int, hfsr: int, said: list[str]) -> None:
    assert starts.causes(wire.Fault(3, 0x100, 0x201, cfsr, hfsr, 0x20000010, 0x60000000, 0)) == said


@pytest.mark.parametrize(
    ("exception", "pc", "said"),
    [
        (3, 8, "HardFault"),
        (5, 0, "BusFault (the stack has overflowed)"),
        (54, 8, "interrupt 38, which nothing serves"),
        (7, 8, "exception 7"),
    ],
)
def test_an_exception_by_name(exception: int, pc: int, said: str) -> None:
    assert starts.title(wire.Fault(exception, pc, 0, 0, 0, 0, 0, 0)) == said


def _restarting(device: Device, **changes: int) -> None:
    """From now on every chunk is followed by a start that nobody asked for."""

    def said(frame: wire.Frame) -> bytes | None:
        return (
            wire.encode(wire.Type.IS_HELLO, 3, 0, hello_body(**changes))
            if frame.type == wire.Type.DATA
            else None
        )

    device.said = said


@pytest.mark.parametrize(
    ("changes", "error", "restarts"),
    [
        ({"reset": wire.Reset.WATCHDOG}, "the firmware hangs: its watchdog", 2),
        ({"reset": wire.Reset.SOFTWARE, "pc": 0x08004321}, r"faulted: HardFault[\s\S]*0x08004321", 0),
        ({"reset": wire.Reset.PIN}, r"could not be completed[\s\S]*its reset pin", 5),
        ({"reset": wire.Reset.POWER}, r"could not be completed[\s\S]*its power", 5),
    ],
)
def test_a_device_that_starts_anew_in_every_clip(
    changes: dict[str, int], error: str, restarts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = Device(Clock(monkeypatch))
    _restarting(device, **changes)
    session = Session(device, response_s=2.0, seed=1)
    with pytest.raises(LinkError, match=error):
        session.run(DATA, wire.Kind.TENSOR)
    assert len(session.restarts) == restarts


def test_one_bite_of_the_watchdog_in_each_of_two_clips_is_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device(Clock(monkeypatch))
    session = Session(device, response_s=2.0, seed=1)
    for _ in range(2):
        bites = [wire.encode(wire.Type.IS_HELLO, 3, 0, hello_body())]
        device.said = lambda frame, left=bites: left.pop() if left and frame.type == wire.Type.DATA else None  # type: ignore[misc]
        assert session.run(DATA, wire.Kind.TENSOR).outputs == OUTPUT
    assert session.restarts == ["the device restarted: its watchdog reset it"] * 2


@pytest.mark.parametrize(
    ("slowest_s", "hint"), [(1.1, "a watchdog resets it"), (16.0, "answers come too late")]
)
def test_a_device_that_hangs_is_not_called_late(
    slowest_s: float, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing resets it, as in QEMU; one slow answer of a busy machine does not explain a minute of silence."""
    clock = Clock(monkeypatch)
    device = Device(clock)
    session = Session(device, response_s=60.0, seed=1, silent_hint="a watchdog resets it")
    answer = [wire.encode(wire.Type.IS_HELLO, 0, 1, hello_body())]

    def late() -> bytes:
        return answer.pop() if answer and clock.now_s >= slowest_s else b""

    device.said, device.silence = lambda frame: b"", late
    assert session.hello.layers == 3 and clock.now_s >= slowest_s
    device.said = lambda frame: None if frame.type == wire.Type.BEGIN else b""
    with pytest.raises(LinkError, match="has stopped answering") as silent:
        session.run(DATA, wire.Kind.TENSOR)
    assert hint in str(silent.value)


@needs_qemu
def test_what_is_said_of_a_silent_qemu(tmp_path: Path) -> None:
    target = mixer_target(tmp_path)
    assert "no watchdog" in QemuRunner(target).facts.silent_hint


def _clips(*data: bytes) -> Clips:
    clips = tuple(Clip(f"clip{n}", None, lambda d=d: d) for n, d in enumerate(data))  # type: ignore[misc]
    return Clips(wire.Kind.TENSOR, "made", (), clips)


@needs_qemu
def test_a_bench_names_the_function_that_faulted_and_so_does_the_next_one(tmp_path: Path) -> None:
    """The second connection finds a device that has been reset meanwhile."""
    target = mixer_target(tmp_path)
    crash = '__attribute__((noinline)) void crash_here(void) { __asm volatile("udf #0"); }\n'
    changed(
        target.folder / "model.c",
        MARKER,
        f"void crash_here(void);\n{crash}#define MIXER_FAULT crash_here()\n{MARKER}",
    )
    build_firmware(target.folder, target.board, frontend=False)
    with listening_qemu() as (server, port):
        gdb.Gdb().write(Job(target.folder, target.board, server))
        with pytest.raises(
            LinkError, match=r"UsageFault[\s\S]*crash_here[\s\S]*lr .*model_push[\s\S]*undefined instruction"
        ):
            bench.run(target, SerialRunner(target, port), _clips(GOOD, BAD))
        told: list[str] = []
        result = bench.run(target, SerialRunner(target, port), _clips(GOOD), tell=told.append)
    assert result.clips[0].outputs == mixed(GOOD)
    (fault,) = [notice for notice in result.notices if "last fault" in notice]
    assert "UsageFault: undefined instruction; pc " in fault and "crash_here" in fault and fault in told


KEEPS = """
#include "soc.h"
static void model_fault(void)
{
    const struct hal_fault fault = {.exception = 6, .pc = 0x1234u, .lr = 0x5678u, .cfsr = 1u << 16};
    soc_keep_fault(&fault);
    soc_reset();
}
"""


def _kept(folder: Path, build: str) -> Target:
    folder.mkdir()
    target = mixer_target(folder)
    changed(folder / "model.c", MARKER, f"{KEEPS}#define MIXER_FAULT model_fault()\n{MARKER}")
    build_firmware(folder, target.board, frontend=False, build_sha256=build)
    return target


@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="no cross compiler")
def test_another_builds_fault_is_not_told(tmp_path: Path) -> None:
    """RAM outlives a flash; the addresses in it would be given names of the new program."""
    first, same, other = (
        _kept(tmp_path / n, b * 64) for n, b in (("first", "a"), ("same", "a"), ("other", "b"))
    )
    with SimRunner(first) as link:
        session = Session(link, response_s=HANG_S)
        with pytest.raises(LinkError, match="faulted: UsageFault"):
            session.run(BAD, wire.Kind.TENSOR)
        address = link.machine.image.symbol("kept")
        ram = link.machine.cpu.load(address.address, address.size_bytes)
    for target, faults in ((same, True), (other, False)):
        with SimRunner(target) as link:
            link.machine.cpu.store(link.machine.image.symbol("kept").address, ram)
            assert (Session(link, response_s=HANG_S).hello.last_fault is not None) == faults


def test_names_of_an_image_that_is_missing_or_changed_are_numbers(tmp_path: Path) -> None:
    target = mixer_target(tmp_path)
    assert starts.Names(target)(0x08001234) == "0x08001234"
    target.elf.write_bytes(b"no ELF")
    assert starts.Names(target)(0x08001234) == "0x08001234"
