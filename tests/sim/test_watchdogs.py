# SPDX-License-Identifier: Apache-2.0
"""Watchdogs of the simulated chips: periods by the manuals, and a firmware that hangs is reset by its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ascmcu.benchmark import wire
from ascmcu.benchmark.session import Session
from ascmcu.errors import LinkError
from ascmcu.runners.sim import SimRunner
from ascmcu.sim import session as sim
from ascmcu.sim.engine import NEVER
from ascmcu.sim.watchdogs import Iwdg, KinetisWdog, NrfWdt, SamWdt, Watchdog
from ascmcu.toolchain.gcc import build_firmware
from tests.sim import programs
from tests.support.mixer import ROW_BYTES, ROWS, changed, mixed, mixer_target
from tests.support.patience import HANG_S

HZ = 64_000_000
Write = tuple[int, int, int]  # offset, bytes, value
K64_OPEN: list[Write] = [(0x0E, 2, 0xC520), (0x0E, 2, 0xD928)]
K64_FEED: list[Write] = [(0x0C, 2, 0xA602), (0x0C, 2, 0xB480)]
# What starts it, its period in seconds, what feeds it.
ROWS_OF: dict[str, tuple[Callable[[], Watchdog], list[Write], float, list[Write]]] = {
    "IWDG, as after reset": (Iwdg, [(0, 4, 0xCCCC)], 4096 * 4 / 32000, [(0, 4, 0xAAAA)]),
    "IWDG of the F3": (lambda: Iwdg(40_000), [(0, 4, 0xCCCC)], 4096 * 4 / 40000, [(0, 4, 0xAAAA)]),
    "IWDG, longest": (
        Iwdg,
        [(0, 4, 0x5555), (4, 4, 6), (8, 4, 0xFFF), (0, 4, 0xCCCC)],
        4096 * 256 / 32000,
        [(0, 4, 0xAAAA)],
    ),
    "IWDG, locked": (Iwdg, [(4, 4, 6), (8, 4, 0), (0, 4, 0xCCCC)], 4096 * 4 / 32000, [(0, 4, 0xAAAA)]),
    "nRF52": (NrfWdt, [(0x504, 4, 32767), (0x000, 4, 1)], 1.0, [(0x600, 4, 0x6E524635)]),
    "nRF52, two reloads": (
        NrfWdt,
        [(0x504, 4, 32767), (0x508, 4, 3), (0x000, 4, 1)],
        1.0,
        [(0x600, 4, 0x6E524635), (0x604, 4, 0x6E524635)],
    ),
    "nRF52, configured too late": (
        NrfWdt,
        [(0x504, 4, 32767), (0x000, 4, 1), (0x504, 4, 9)],
        1.0,
        [(0x600, 4, 0x6E524635)],
    ),
    "K64 on the 1 kHz": (
        KinetisWdog,
        [*K64_OPEN, (0x04, 2, 0), (0x06, 2, 2000), (0x16, 2, 0), (0x00, 2, 0x01D1)],
        2.0,
        K64_FEED,
    ),
    "K64, a fifth of the rate": (
        KinetisWdog,
        [*K64_OPEN, (0x04, 2, 0), (0x06, 2, 2000), (0x00, 2, 0x01D1)],
        10.0,
        K64_FEED,
    ),
    "SAM D5x": (SamWdt, [(1, 1, 7), (0, 1, 2)], 1.0, [(0x0C, 1, 0xA5)]),
    "SAM D5x, locked": (SamWdt, [(1, 1, 7), (0, 1, 2), (1, 1, 0)], 1.0, [(0x0C, 1, 0xA5)]),
}


def _write(watchdog: Watchdog, writes: list[Write], cycle: int) -> None:
    for offset, size, value in writes:
        watchdog.store(offset, size, value, cycle)


@pytest.mark.parametrize("name", ROWS_OF)
def test_periods(name: str) -> None:
    """Bitten when the period ends, not before; feeding begins a new one, half of feeding does not."""
    make, start, period_s, feed = ROWS_OF[name]
    watchdog = make()
    watchdog.core_hz = HZ
    assert watchdog.next_event() == NEVER
    _write(watchdog, start, 1000)
    due = 1000 + int(period_s * HZ)
    assert watchdog.next_event() == due
    _write(watchdog, feed[:-1], due - 5)
    assert watchdog.next_event() == due
    _write(watchdog, feed[-1:], due - 5)
    assert watchdog.next_event() == due - 5 + int(period_s * HZ)
    watchdog.advance(watchdog.next_event() - 1)
    assert not watchdog.bites
    watchdog.advance(watchdog.next_event())
    assert watchdog.bites


@pytest.mark.parametrize(
    ("make", "writes"),
    [
        (SamWdt, [(0x0C, 1, 0xA4)]),
        (KinetisWdog, [(0x0C, 2, 0xB480)]),
        (KinetisWdog, [(0x0C, 2, 0xA602), (0x0C, 2, 0xA602)]),
        (KinetisWdog, [(0x0E, 2, 0xD928)]),
    ],
)
def test_wrong_words_reset_at_once(make: Callable[[], Watchdog], writes: list[Write]) -> None:
    watchdog = make()
    _write(watchdog, writes, 0)
    assert watchdog.bites


def test_those_that_can_be_stopped() -> None:
    for watchdog, off in ((KinetisWdog(), [*K64_OPEN, (0, 2, 0x01D2)]), (SamWdt(), [(0, 1, 0)])):
        watchdog.core_hz = HZ
        _write(watchdog, ROWS_OF["K64 on the 1 kHz" if off[1:] else "SAM D5x"][1], 0)
        assert watchdog.runs
        _write(watchdog, off, 5)
        assert not watchdog.runs and not watchdog.bites


# One of each family, and seconds until its watchdog bites: the firmware asks for 16, an STM32's for twice as many.
FAMILIES = {
    "nucleo-f303": 25.6, "nucleo-f446": 32, "nucleo-g474": 32, "nucleo-l476": 32, "nucleo-wb55": 32, "nrf52840-dk": 16,
    "frdm-k64f": 16, "feather-m4": 16,
}  # fmt: skip
HANGS = {
    "for good": "for (;;) { }",
    "on a register": "while (*(volatile uint32_t *)0x4000D000u != 1u) { }",
}


def _hanging(folder: Path, board: str, statement: str) -> SimRunner:
    target = mixer_target(folder, board)
    marker = "void model_reset(void)"
    changed(folder / "model.c", marker, f"#define MIXER_FAULT {statement}\n{marker}")
    build_firmware(folder, target.board, frontend=False)
    return SimRunner(target)


@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="no cross compiler")
@pytest.mark.parametrize("board", FAMILIES)
def test_a_firmware_that_hangs_is_reset_and_says_so(board: str, tmp_path: Path) -> None:
    with _hanging(tmp_path, board, HANGS["for good"]) as link:
        session = Session(link, response_s=HANG_S, stood_at=lambda: link.stood_at)
        good = bytes(ROWS * ROW_BYTES)
        assert session.run(good, wire.Kind.TENSOR).outputs == mixed(good)
        began = link.machine.engine.cycles
        with pytest.raises(
            LinkError,
            match=r"the firmware hangs: its watchdog reset the device[\s\S]*the program was at .*model",
        ):
            session.run(b"\xfa" * len(good), wire.Kind.TENSOR)
        waited_s = (link.machine.engine.cycles - began) / link.machine.layout.clock_hz
        assert waited_s == pytest.approx(2 * FAMILIES[board], rel=0.02), "two attempts"
        assert session.restarts == ["the device restarted: its watchdog reset it"] * 2
        assert "model" in link.machine.stood_at
        again = Session(link, response_s=HANG_S)
        assert again.hello.reset is wire.Reset.WATCHDOG and again.hello.last_fault is None
        assert again.run(good, wire.Kind.TENSOR).outputs == mixed(good)


@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="no cross compiler")
def test_waiting_for_a_register_that_never_changes_is_a_hang_too(tmp_path: Path) -> None:
    """Its millions of reads are not simulated: nothing but the watchdog can happen any more."""
    statement = HANGS["on a register"].replace("0x4000D000u", "0x40023C14u")  # OPTCR of the flash
    with _hanging(tmp_path, "nucleo-f446", statement) as link:
        session = Session(link, response_s=HANG_S)
        with pytest.raises(LinkError, match="the firmware hangs"):
            session.run(b"\xfa" * (ROWS * ROW_BYTES), wire.Kind.TENSOR)


START = """
#include <stdint.h>
int main(void)
{
    *(volatile uint32_t *)0x40003000u = 0xCCCCu;
    for (;;) { }
}
"""


@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="no cross compiler")
def test_the_verb_sim_ends_where_the_watchdog_bites(tmp_path: Path) -> None:
    """A program on its own would begin anew for ever."""
    result = sim.run(programs.compile_c(tmp_path, START), board="nucleo-f446")
    assert "its watchdog resets the chip; the program is at" in result.ended and "main" in result.ended
    assert result.cycles == pytest.approx(180e6 * 4096 * 4 / 32000, rel=1e-4)
