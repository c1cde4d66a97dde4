# SPDX-License-Identifier: Apache-2.0
"""Board and chip descriptions: those that ship load, and every rule refuses what breaks it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from ascmcu import boards, paths
from ascmcu.cli import cli
from ascmcu.codegen import board as board_files
from ascmcu.errors import BoardError


@pytest.mark.parametrize("name", boards.names())
def test_every_board_that_ships_is_valid(name: str) -> None:
    board = boards.load(name)
    if board.chip.family.startswith("stm32"):
        assert board.hsi_pll_m > 0, "the internal oscillator must be able to stand in for the external one"
    files = board_files.files(board)
    assert f'#define BOARD_NAME "{name}"' in files["board_config.h"]
    assert f"LENGTH = {board.ram.size_bytes}" in files["firmware.ld"]


def test_a_table_under_its_former_name_is_read(tmp_path: Path) -> None:
    text = (paths.boards() / "nucleo-f446.toml").read_text()
    (tmp_path / "nucleo-f446.toml").write_text(text.replace("[emulators]", "[stand]"))
    board = boards.load(str(tmp_path / "nucleo-f446.toml"))
    assert board == boards.load("nucleo-f446") and board.emulators.qemu_machine


# A change in a board's or chip's text, and the check (with its reason) that must refuse it.
REFUSED = {
    "overlap": ("chip", "origin = 0x2000_0000", "origin = 0x0807_0000", "memory: flash and sram overlap"),
    "no ram": ("chip", 'kind = "ram"', 'kind = "ccm"', "memory: the chip has no ram"),
    "family": ("chip", '"stm32f4"', '"stm32h7"', "family: no firmware for this family"),
    "one pin": ("board", '"PA3"', '"PA2"', "serial: sender and receiver on one pin"),
    "power": (
        "chip",
        "[tools]",
        '[power.datasheet]\nua_per_mhz = 3\nsource = "x"\n\n[tools]',
        "power: not a plausible",
    ),
    "power range": (
        "chip",
        "[tools]",
        '[power.measured]\nua_per_mhz = [216, 194]\nsupply_mv = 3000\nsource = "x"\n\n[tools]',
        "power: the lowest current comes first",
    ),
    "power supply": (
        "chip",
        "[tools]",
        '[power.measured]\nua_per_mhz = [194, 216]\nsupply_mv = 3\nsource = "x"\n\n[tools]',
        "power: not a plausible supply",
    ),
    "power without supply": (
        "chip",
        "[tools]",
        '[power.measured]\nua_per_mhz = [194, 216]\nsource = "x"\n\n[tools]',
        "missing key",
    ),
    "power without source": (
        "chip",
        "[tools]",
        '[power.datasheet]\nua_per_mhz = 100\nsource = ""\n\n[tools]',
        "power: the current needs its source",
    ),
    "probe": ("board", '"stlink"', '"stlnk"', "unknown value"),
    "too fast": (
        "board",
        "over_drive = true",
        "over_drive = false",
        "limit: SYSCLK beyond the part's limit without",
    ),
    "apb1": ("board", "apb1_divider = 4", "apb1_divider = 2", "limit: APB1 beyond the part's limit"),
    "no such divider": ("board", "apb1_divider = 4", "apb1_divider = 3", "limit: apb1_divider"),
    "wait states": (
        "board",
        "wait_states = 5",
        "wait_states = 4",
        "wait states: wrong for 180000000 Hz at 3300 mV",
    ),
    "voltage": (
        "board",
        "supply_mv = 3300",
        "supply_mv = 2500",
        "wait states: wrong for 180000000 Hz at 2500 mV",
    ),
    "supply": (
        "board",
        "supply_mv = 3300",
        "supply_mv = 1000",
        "wait states: the chip does not run at this supply",
    ),
    "pll m": ("board", "m = 4", "m = 64", "pll: factor m out of range"),
    "pll n": ("board", "n = 180", "n = 433", "pll: factor n out of range"),
    "pll p": ("board", "p = 2 }", "p = 3 }", "pll: factor p out of range"),
    "vco in": ("board", "m = 4", "m = 3", "pll: VCO input out of range"),
    "vco out": ("board", "n = 180", "n = 220", "pll: VCO output out of range"),
    "pll result": (
        "board",
        "sysclk_hz = 180_000_000",
        "sysclk_hz = 168_000_000",
        "pll: the factors give another clock",
    ),
    "oscillator": (
        "board",
        "source_hz = 8_000_000",
        "source_hz = 60_000_000",
        "source: hse-bypass out of range",
    ),
    "usart": ("board", "usart = 2", "usart = 4", "serial: no such port"),
    "pin": ("board", '"PA2"', '"PZ2"', "serial: not a pin"),
    "baud": ("board", "baud = 921_600", "baud = 4_000_000", "serial: baud rate not possible"),
    "baud 3 % off": ("board", "baud = 921_600", "baud = 2_725_000", "serial: baud rate not possible"),
    "fallback baud": (
        "board",
        "fallback_baud = 115_200",
        "fallback_baud = 921_600",
        "serial: baud rate not possible",
    ),
    "stack": ("board", "stack_bytes = 4096", "stack_bytes = 4100", "stack: not a multiple of 8"),
    "no RAM": (
        "chip",
        "size_bytes = 131_072, banks_bytes = [114_688, 16_384]",
        "size_bytes = 12",
        "stack: the RAM has no room",
    ),
    "name": ("board", 'name = "nucleo-f446"', 'name = "nucleo"', "name: a board is named as its file"),
    "unknown key": ("board", "supply_mv", "suply_mv", "unknown key"),
    "missing key": ("board", "stack_bytes = 4096\n", "", "missing key"),
    "wrong type": ("board", "usart = 2", "usart = true", "wrong type"),
    "unknown source": ("board", '"hse-bypass"', '"hse"', "unknown value"),
    "chip": ("board", '"stm32f446re"', '"stm32f447re"', "unknown chip"),
    "no toml": ("board", "[clock]", "[clock", "not a readable TOML file"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_description_is_refused_by_the_named_check(case: str, tmp_path: Path) -> None:
    which, old, new, expected = REFUSED[case]
    shutil.copytree(paths.boards() / "chips", tmp_path / "chips")
    shutil.copy(paths.boards() / "nucleo-f446.toml", tmp_path)
    path = tmp_path / ("nucleo-f446.toml" if which == "board" else "chips/stm32f446re.toml")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(BoardError) as caught:
        boards.load(str(tmp_path / "nucleo-f446.toml"))
    assert expected in caught.value.what


def test_a_baud_rate_may_be_two_percent_off(tmp_path: Path) -> None:
    """45 MHz / 16 = 2.8125 MHz: 1.9 % above 2.76, 2.3 % above 2.75."""
    text = (paths.boards() / "nucleo-f446.toml").read_text().replace('"nucleo-f446"', '"mine"')
    path = tmp_path / "mine.toml"
    path.write_text(text.replace("baud = 921_600", "baud = 2_760_000"))
    assert boards.load(str(path)).serial.baud == 2_760_000
    path.write_text(text.replace("baud = 921_600", "baud = 2_750_000"))
    with pytest.raises(BoardError, match="baud rate not possible"):
        boards.load(str(path))


@pytest.mark.parametrize("name", boards.names())
def test_below_the_stack_is_no_memory(name: str) -> None:
    """An overflow faults; on the K64F the lower memory ends where the RAM begins."""
    board = boards.load(name)
    first = board.stack_memory.origin
    assert not [m.name for m in board.chip.memory if m.origin < first <= m.end]
    assert f"__stack_limit == ORIGIN({board.stack_memory.name})" in board_files.linker_script(board)
    assert (board.stack_memory == board.ram) == (name != "frdm-k64f")


def test_an_unknown_board_suggests_near_ones() -> None:
    with pytest.raises(BoardError) as caught:
        boards.load("nucleo-f4466")
    assert "nucleo-f446" in (caught.value.hint or "")


def test_a_new_board_needs_one_file(tmp_path: Path) -> None:
    text = (paths.boards() / "nucleo-f446.toml").read_text()
    (tmp_path / "my-board.toml").write_text(text.replace('"nucleo-f446"', '"my-board"'))
    assert boards.load(str(tmp_path / "my-board.toml")).chip.name == "stm32f446re"


def test_boards_that_hold() -> None:
    assert "nucleo-f401" not in boards.that_hold(0, 100_000)
    large = boards.that_hold(600_000, 100_000)
    assert {"nucleo-f429", "stm32f4-discovery", "nrf52840-dk", "frdm-k64f"} <= set(large)
    assert not {"nucleo-f446", "nucleo-l476"} & set(large)
    assert boards.that_hold(1 << 30, 0) == []


def test_the_command_line_lists_and_shows() -> None:
    listed = json.loads(CliRunner().invoke(cli, ["boards", "list", "--json"]).stdout)
    f446 = next(row for row in listed if row["name"] == "nucleo-f446")
    assert (f446["chip"], f446["clock_hz"], f446["flash_bytes"]) == ("stm32f446re", 180_000_000, 512 * 1024)
    shown = json.loads(CliRunner().invoke(cli, ["boards", "show", "nucleo-f446", "--json"]).stdout)
    assert shown["clock"]["pll"] == {"m": 4, "n": 180, "p": 2}


@pytest.mark.parametrize(
    ("name", "board"),
    [
        ("NUCLEO-F446RE", "nucleo-f446"),
        ("nucleo_f446re", "nucleo-f446"),
        ("Nucleo_F446", "nucleo-f446"),
        ("nucleo_f446", "nucleo-f446"),
        ("STM32F446RE", "nucleo-f446"),
        ("nrf52840dk_nrf52840", "nrf52840-dk"),
        ("disco_l475_iot1", "b-l475e-iot01a"),
        ("stm32f4_disco", "stm32f4-discovery"),
        ("mk64fn1m0", "frdm-k64f"),
    ],
)
def test_a_board_is_found_by_the_names_that_others_give_it(name: str, board: str) -> None:
    assert boards.load(name).name == board


def test_no_alias_stands_for_two_boards() -> None:
    plain = [
        word.casefold().replace("_", "-")
        for name in boards.names()
        for word in {name, *(a.casefold().replace("_", "-") for a in boards.load(name).aliases)}
    ]
    assert len(plain) == len(set(plain))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("stm32f446ze", "did you mean nucleo-f446"),
        ("nucleo-f44x", "did you mean nucleo-f446"),
        ("nrf52833dk", "did you mean nrf52840-dk"),
        ("zx81", "boards list"),
    ],
)
def test_an_unknown_board_is_answered_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(BoardError, match="unknown board") as caught:
        boards.load(name)
    assert hint in str(caught.value.hint)
