# SPDX-License-Identifier: Apache-2.0
"""``ascmcu boards new``: from a small index of packs that the test serves, through cmsis-pack-manager."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ascmcu import boards, packs
from ascmcu.boards import solving
from ascmcu.boards.families import FAMILIES, Family
from ascmcu.cli import cli
from ascmcu.errors import AscmcuError, BoardError, InputError, ToolError
from ascmcu.toolchain.gcc import build_firmware
from tests.support.mixer import mixer_target

PIDX = """<?xml version="1.0" encoding="UTF-8"?>
<index schemaVersion="1.1.0">
<vendor>Test</vendor>
<url>{url}/</url>
<timestamp>2024-01-01T00:00:00</timestamp>
<pindex>
  <pdsc url="{url}/" vendor="Keil" name="STM32F4xx_DFP" version="2.17.1"/>
  <pdsc url="{url}/" vendor="Keil" name="STM32L4xx_DFP" version="2.6.2"/>
</pindex>
</index>
"""
PDSC = """<?xml version="1.0" encoding="UTF-8"?>
<package schemaVersion="1.4">
  <vendor>Keil</vendor>
  <url>{url}/</url>
  <name>{pack}</name>
  <description>a part of it, for a test</description>
  <releases><release version="{version}" date="2023-01-01">x</release></releases>
  <devices>
    <family Dfamily="STM32" Dvendor="STMicroelectronics:13">
      {devices}
    </family>
  </devices>
</package>
"""
CORE = '<processor Dcore="{core}" DcoreVersion="r0p1" Dfpu="{fpu}" Dmpu="MPU" Dendian="Little-endian"/>'
M4 = CORE.format(core="Cortex-M4", fpu="SP_FPU")
F407 = f"""<subFamily DsubFamily="STM32F407">{M4}
  <device Dname="STM32F407VGTx">
    <memory id="IROM1" start="0x08000000" size="0x00100000" startup="1" default="1"/>
    <memory id="IRAM1" start="0x20000000" size="0x0001C000" init="0" default="1"/>
    <memory id="IRAM2" start="0x2001C000" size="0x00004000" init="0" default="1"/>
    <memory id="IRAM3" start="0x10000000" size="0x00010000" init="0" default="0"/>
    <algorithm name="CMSIS/Flash/STM32F4xx_1024.FLM" start="0x08000000" size="0x00100000" default="1"/>
  </device>
</subFamily>"""
L412 = f"""<subFamily DsubFamily="STM32L412">{M4}
  <device Dname="STM32L412KBUx">
    <memory id="IROM1" start="0x08000000" size="0x00020000" startup="1" default="1"/>
    <memory id="IRAM1" start="0x20000000" size="0x00008000" init="0" default="1"/>
    <memory id="IRAM2" start="0x10000000" size="0x00002000" init="0" default="0"/>
    <algorithm name="CMSIS/Flash/STM32L4xx_128.FLM" start="0x08000000" size="0x00020000" default="1"/>
  </device>
</subFamily>
<subFamily DsubFamily="STM32L0">{CORE.format(core="Cortex-M0+", fpu="0")}
  <device Dname="STM32L496XXTx">
    <memory id="IROM1" start="0x08000000" size="0x00020000" startup="1" default="1"/>
    <memory id="IRAM1" start="0x20000000" size="0x00008000" init="0" default="1"/>
  </device>
</subFamily>"""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    pytest.importorskip("cmsis_pack_manager")
    served = tmp_path / "served"
    served.mkdir()
    monkeypatch.setenv("ASCMCU_CACHE", str(tmp_path / "cache"))
    handler = functools.partial(_Quiet, directory=str(served))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        url = f"http://127.0.0.1:{httpd.server_address[1]}"
        (served / "index.pidx").write_text(PIDX.format(url=url))
        for pack, version, devices in (("STM32F4xx_DFP", "2.17.1", F407), ("STM32L4xx_DFP", "2.6.2", L412)):
            text = PDSC.format(url=url, pack=pack, version=version, devices=devices)
            (served / f"Keil.{pack}.pdsc").write_text(text)
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"{url}/index.pidx"
        httpd.shutdown()


def test_a_part_of_a_pack_becomes_a_board_that_builds(server: str, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    out.mkdir()
    arguments = ["boards", "new", "stm32f407vgtx", "--name", "my-disco", "-o", str(out), "--index", server]
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert "STM32F4xx_1024.FLM (Keil.STM32F4xx_DFP 2.17.1)" in done.stdout
    board = boards.load(str(out / "my-disco.toml"))
    assert board.flash.size_bytes == 1 << 20
    assert (board.ram.origin, board.ram.size_bytes) == (0x2000_0000, 0x20000), "SRAM1 and SRAM2 are one"
    assert [m.size_bytes for m in board.chip.memory if m.kind == "ccm"] == [0x10000]
    assert (board.clock.source, board.clock.sysclk_hz) == ("hsi", 168_000_000)
    assert (board.chip.tools.pyocd, board.chip.tools.jlink) == ("stm32f407vgtx", "STM32F407VG")
    assert sorted(p.name for p in out.iterdir()) == ["chips", "my-disco.toml"]
    if shutil.which("arm-none-eabi-gcc"):
        made = tmp_path / "build"
        made.mkdir()
        build_firmware(made, mixer_target(made, str(out / "my-disco.toml")).board, frontend=False)
    again = CliRunner().invoke(cli, arguments)
    assert isinstance(again.exception, InputError) and "exists already" in again.exception.what


def test_the_index_is_cached_and_a_file_will_do(server: str, tmp_path: Path) -> None:
    index = packs.load_index(server)
    (tmp_path / "served" / "index.pidx").unlink()
    assert packs.load_index(server) == index, "from the cache"
    (tmp_path / "index.json").write_text(json.dumps(index))
    assert packs.load_index(str(tmp_path / "index.json")) == index
    l412 = packs.find("STM32L412KBUx", index)
    assert {(m.name, m.kind) for m in l412.memories} == {
        ("flash", "flash"),
        ("sram", "ram"),
        ("sram2", "ram"),
    }


def test_what_cannot_be_is_said(server: str, tmp_path: Path) -> None:
    index = packs.load_index(server)
    with pytest.raises(BoardError, match="no such part") as near:
        packs.find("STM32F407VETx", index)
    assert "STM32F407VGTx" in str(near.value.hint)
    with pytest.raises(BoardError, match="not a Cortex-M4"):
        packs.find("STM32L496XXTx", index)
    other = {"LPC1768": index["STM32F407VGTx"]}
    with pytest.raises(BoardError, match="no firmware for this part's family"):
        packs.find("LPC1768", other)
    with pytest.raises(ToolError, match=r"cannot be fetched|is empty"):
        packs.load_index(server.replace("index.pidx", "nothing.pidx"))
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises(InputError, match="not an index"):
        packs.load_index(str(tmp_path / "x.json"))


def _new(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["boards", "new", *arguments])


def test_a_pack_on_disk_gives_what_the_index_gives(server: str, tmp_path: Path) -> None:
    """Its description alone, or in its archive; cmsis-pack-manager reads the same."""
    index = packs.load_index(server)
    for name, pack in (("STM32F407VGTx", "STM32F4xx_DFP"), ("STM32L412KBUx", "STM32L4xx_DFP")):
        description = tmp_path / "served" / f"Keil.{pack}.pdsc"
        archive = tmp_path / f"Keil.{pack}.pack"
        with zipfile.ZipFile(archive, "w") as made:
            made.write(description, description.name)
        expected = packs.find(name, index)
        for path in (description, archive):
            found = packs.read_pack(path, name)
            assert (found.memories, found.algorithms, found.pack) == (
                expected.memories, expected.algorithms, expected.pack,
            )  # fmt: skip
    with pytest.raises(BoardError, match="not a Cortex-M4"):
        packs.read_pack(tmp_path / "Keil.STM32L4xx_DFP.pack", "STM32L496XXTx")
    (tmp_path / "x.pack").write_text("no pack")
    with pytest.raises(InputError, match="not a CMSIS pack"):
        packs.read_pack(tmp_path / "x.pack", "STM32F407VGTx")


SIZES = ("--flash", "512k", "--ram", "128k")
PILL = (*SIZES, "--crystal", "25", "--clock", "100", "--port", "USART1", "--tx", "PA9", "--rx", "PA10")


def test_answers_alone_make_a_board(tmp_path: Path) -> None:
    done = _new("STM32F411CEUx", "--name", "mine", "-o", str(tmp_path), *PILL)
    assert done.exit_code == 0, done.output
    board, ours = boards.load(str(tmp_path / "mine.toml")), boards.load("blackpill-f411")
    assert (board.clock.source, board.clock.source_hz) == ("hse-crystal", 25_000_000)
    assert (board.clock.sysclk_hz, board.clock.wait_states) == (100_000_000, 3)
    assert (board.flash.size_bytes, board.ram.size_bytes) == (ours.flash.size_bytes, ours.ram.size_bytes)
    assert board.chip.flash_cache == ours.chip.flash_cache
    # A second board with the same chip finds its description there.
    again = _new("STM32F411CEUx", "--name", "other", "-o", str(tmp_path), *SIZES)
    assert again.exit_code == 0 and (tmp_path / "other.toml").is_file()


def test_questions_take_what_is_typed_and_else_the_nearest_board(tmp_path: Path) -> None:
    typed = "\n\n8\n96\nUSART6\nPA11\nPA12\n8\n"
    arguments = ["boards", "new", "STM32F411CEUx", "--ask", "--name", "asked", "-o", str(tmp_path)]
    done = CliRunner().invoke(cli, arguments, input=typed)
    assert done.exit_code == 0, done.output
    board = boards.load(str(tmp_path / "asked.toml"))
    assert (board.clock.source_hz, board.clock.sysclk_hz, board.port_name) == (
        8_000_000,
        96_000_000,
        "USART6",
    )
    assert (board.serial.tx, board.serial.alternate) == ("PA11", 8)
    assert board.flash.size_bytes == 512 << 10


@pytest.mark.parametrize(
    ("part", "more", "says"),
    [
        ("LPC1768", SIZES, "no firmware for this part's family"),
        ("STM32F411CEUx", SIZES[:2], "needs both sizes"),
        ("STM32F411CEUx", (*SIZES, "--clock", "120"), "does not run as fast"),
        ("STM32F411CEUx", (*SIZES, "--crystal", "25", "--clock", "99.997"), "no factors of the PLL"),
        ("STM32F411CEUx", (*SIZES, "--port", "UART9"), "no such port"),
        (
            "STM32F411CEUx",
            (*SIZES, "--tx", "A9", "--rx", "PA10"),
            "not a pin\n  where:    --tx\n  expected: PA0 to PI15",
        ),
        ("STM32F411CEUx", (*SIZES, "--rx", "PZ9"), "not a pin\n  where:    --rx\n  expected: PA0 to PI15"),
        ("STM32F411CEUx", (*SIZES, "--tx", "PA3", "--rx", "PA3"), "on one pin\n  where:    {}/x.toml"),
        ("STM32F411CEUx", (*SIZES, "--name", "../evil"), "cannot be called so\n  where:    --name"),
        ("STM32F411CEUx", (*SIZES, "--name", ".hidden"), "cannot be called so"),
    ],
)
def test_an_answer_that_cannot_be_is_refused(
    part: str, more: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    named = () if "--name" in more else ("--name", "x")
    done = _new(part, *named, "-o", str(tmp_path), *more)
    assert isinstance(done.exception, AscmcuError) and says.format(tmp_path) in str(done.exception)
    assert not list(tmp_path.iterdir())
    if part == "LPC1768":
        assert "docs/add-a-board.md" in str(done.exception)


@pytest.mark.parametrize(
    "part", ["STM32F407VGTx", "STM32F446RETx", "STM32L476RGTx", "nRF52840", "ATSAMD51J19A"]
)
def test_what_enter_takes_is_what_nobody_said(part: str, tmp_path: Path) -> None:
    """The same board but for what is to be checked, and that is said of the oscillator too."""
    sizes = ("--flash", "256k", "--ram", "64k")
    quiet = _new(part, "--name", "quiet", "-o", str(tmp_path), *sizes)
    assert quiet.exit_code == 0, quiet.output
    arguments = ["boards", "new", part, "--ask", "--name", "asked", "-o", str(tmp_path), *sizes]
    asked = CliRunner().invoke(cli, arguments, input="\n" * 8)
    assert asked.exit_code == 0, asked.output
    first, second = (boards.load(str(tmp_path / f"{name}.toml")) for name in ("quiet", "asked"))
    assert (first.clock, first.serial) == (second.clock, second.serial)
    assert "to be checked: the oscillator, the core's clock, the serial port, its pins" in quiet.output
    assert "to be checked: the debug probe; taken from" in asked.output
    base = boards.load(quiet.output.split("taken from ")[1].split()[0].rstrip(","))
    other = first.clock.source != base.clock.source
    assert ("but the oscillator: the chip's own" in quiet.output) == other


def test_the_input_may_end_before_the_answers(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        cli, ["boards", "new", "STM32F407VGTx", "--ask", "-o", str(tmp_path)], input="\n"
    )
    assert isinstance(done.exception, InputError)
    assert (done.exception.what, done.exception.where) == ("the input ended", "size of the RAM")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_the_first_and_the_last_pin_of_a_family_are_pins(family: Family) -> None:
    first, last = family.pins_from_to
    assert family.pin(first) == (0, 0)
    port, number = family.pin(last)
    assert (port, number) > (0, 0)
    for beyond in (last[:-2] + str(number + 1), last.replace(last[-3 if "." not in last else 1], "Z", 1)):
        with pytest.raises(ValueError):
            family.pin(beyond)


@pytest.mark.parametrize("name", boards.names())
def test_every_board_of_ours_could_have_been_answered(name: str) -> None:
    """Its clock is one that its oscillator gives, and its wait states are those that follow."""
    board = boards.load(name)
    tree = solving.tree(board.chip, board.clock.source_hz, board.clock.sysclk_hz, board.supply_mv)
    assert (tree.wait_states, tree.over_drive) == (board.clock.wait_states, board.clock.over_drive)
    assert board.clock.source_hz * tree.pll.n == board.clock.sysclk_hz * tree.pll.m * tree.pll.p
