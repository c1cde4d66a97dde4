# SPDX-License-Identifier: Apache-2.0
"""``ascmcu flash``: real through a GDB server, which QEMU's is; the other tools by their command lines and outputs."""

from __future__ import annotations

import dataclasses
import json
import shutil
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from ascmcu import boards
from ascmcu.benchmark import wire
from ascmcu.cli import cli
from ascmcu.errors import AscmcuError, InputError, LinkError, ToolError
from ascmcu.flash import base, gdb, uf2
from ascmcu.flash._rsp import FlashRegion, Remote, _escaped, _plain
from ascmcu.flash.base import Job
from ascmcu.runners.base import Target
from ascmcu.toolchain.gcc import build_firmware
from tests.support.mixer import mixer_target
from tests.support.patience import HANG_S
from tests.support.probes import free_port, listening_qemu, needs_qemu


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Target:
    made = mixer_target(tmp_path_factory.mktemp("mixer"))
    (made.folder / "manifest.json").write_text(made.manifest.to_json())
    if shutil.which("arm-none-eabi-gcc"):
        build_firmware(made.folder, made.board, frontend=False)
    return made


@pytest.fixture
def qemu() -> Iterator[tuple[str, str]]:
    """An emulated chip: the addresses of its GDB server and its serial port."""
    with listening_qemu() as addresses:
        yield addresses


@needs_qemu
def test_load_verify_reset_and_hello(target: Target, qemu: tuple[str, str]) -> None:
    server, port = qemu
    arguments = ["flash", str(target.folder), "--with", "gdb", "--probe", server, "--serial", port, "--json"]
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    report = json.loads(done.stdout)
    assert report["bytes"] == (target.folder / "firmware.bin").stat().st_size
    assert (report["model"], report["model_sha256"]) == ("mixer", target.manifest.model_sha256)
    assert (report["device_board"], report["protocol"]) == ("nucleo-f446", wire.PROTOCOL_VERSION)
    assert (report["reset"], report["notices"]) == ("unknown", [])


@needs_qemu
def test_it_says_what_now_runs_on_the_board(target: Target, qemu: tuple[str, str]) -> None:
    server, port = qemu
    arguments = ["flash", str(target.folder), "--with", "gdb", "--probe", server, "--serial", port]
    written, running = CliRunner().invoke(cli, arguments, catch_exceptions=False).stdout.splitlines()
    size_bytes = (target.folder / "firmware.bin").stat().st_size
    assert written.startswith(f"{size_bytes} bytes written and verified with gdb")
    assert running.startswith(f"mixer {target.manifest.model_sha256[:12]} on nucleo-f446 at ")


@needs_qemu
def test_another_firmware_on_the_board_is_noticed(
    target: Target, qemu: tuple[str, str], tmp_path: Path
) -> None:
    server, port = qemu
    other = tmp_path / "other"
    shutil.copytree(target.folder, other)
    manifest = dataclasses.replace(target.manifest, model_sha256="f" * 64)
    (other / "manifest.json").write_text(manifest.to_json())
    done = CliRunner().invoke(
        cli, ["flash", str(other), "--with", "gdb", "--probe", server, "--serial", port]
    )
    assert isinstance(done.exception, LinkError)
    assert "another firmware" in done.exception.what


@needs_qemu
def test_what_is_no_memory_fails_the_verification(
    target: Target, qemu: tuple[str, str], tmp_path: Path
) -> None:
    server, _ = qemu
    elf = bytearray((target.folder / "firmware.elf").read_bytes())
    # The first program header's physical address: somewhere without memory.
    header = struct.unpack_from("<I", elf, 28)[0]
    struct.pack_into("<I", elf, header + 12, 0x6000_0000)
    (tmp_path / "firmware.elf").write_bytes(elf)
    with pytest.raises(LinkError, match=r"cannot be|read back"):
        gdb.Gdb().write(Job(tmp_path, target.board, server))


@needs_qemu
def test_another_chip_is_told_by_its_flash(
    target: Target, qemu: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the server of a probe on an nRF52 would answer; QEMU's says nothing of flash."""
    monkeypatch.setattr(Remote, "flash", lambda self: [FlashRegion(0, 1 << 20, 4096)])
    with pytest.raises(LinkError) as caught:
        gdb.Gdb().write(Job(target.folder, target.board, qemu[0]))
    assert caught.value.what == base.WRONG_CHIP[0]
    assert "0x08000000" in str(caught.value) and "1024 KB" in str(caught.value)


def test_a_missing_server_is_named(target: Target) -> None:
    with pytest.raises(LinkError, match="no GDB server answers"):
        gdb.Gdb().write(Job(target.folder, target.board, f"127.0.0.1:{free_port()}"))
    with pytest.raises(InputError, match="not a GDB server's address"):
        gdb.Gdb().write(Job(target.folder, target.board, "0671FF"))


def test_packets_escape_and_runs_expand() -> None:
    data = bytes(range(256))
    assert _plain(_escaped(data)) == data
    assert b"#" not in _escaped(data) and b"$" not in _escaped(data)
    assert _plain(b"0* ") == b"0000"  # the GDB manual's own example


def _answer(connection: socket.socket, asked: bytes) -> bytes:
    memory_map = b'l<memory-map><memory type="flash" start="0x8000000" length="0x80000">'
    memory_map += b'<property name="blocksize">0x4000</property></memory></memory-map>'
    for start, answer in (
        (b"qSupported", b"PacketSize=400;qXfer:memory-map:read+"),
        (b"qXfer", memory_map),
        (b"vFlash", b"OK"),
    ):
        if asked.startswith(start):
            return answer
    return b""


def test_flash_is_erased_in_blocks_where_a_server_tells_of_them() -> None:
    """A probe's server: QEMU's has no flash commands."""
    import threading

    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            connection, _ = door.accept()
            with connection:
                pending = b""
                while chunk := connection.recv(4096):
                    pending += chunk
                    while b"#" in pending and len(pending) >= pending.index(b"#") + 3:
                        end = pending.index(b"#")
                        asked, pending = pending[pending.index(b"$") + 1 : end], pending[end + 3 :]
                        seen.append(_plain(asked))
                        answer = _answer(connection, asked)
                        connection.sendall(b"+$" + answer + b"#%02x" % (sum(answer) & 0xFF))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with Remote("127.0.0.1", door.getsockname()[1]) as remote:
            remote.write(0x0800_4004, bytes(1000))
        thread.join(HANG_S)
    assert b"vFlashErase:8004000,4000" in seen
    written = [s for s in seen if s.startswith(b"vFlashWrite:")]
    assert sum(len(s.split(b":", 2)[2]) for s in written) == 1000
    assert seen[-1] == b"vFlashDone"


# --------------------------------------------------------------- tools that need hardware

LINES = {
    "pyocd": [
        "pyocd load -W -t stm32f446retx -u 066 -O auto_unlock=false --no-reset {folder}/firmware.hex",
        "pyocd commander -W -t stm32f446retx -u 066 -O auto_unlock=false "
        "-c 'compare 0x08000000 {folder}/firmware.bin' -c reset",
    ],
    "openocd": [
        "openocd -f interface/stlink.cfg -c 'adapter serial 066' -f target/stm32f4x.cfg "
        "-c 'program {{{folder}/firmware.elf}} verify reset exit'"
    ],
    "stflash": ["st-flash --serial 066 --reset write {folder}/firmware.bin 0x08000000"],
    "jlink": [
        "JLinkExe -SelectEmuBySN 066 -device STM32F446RE -if SWD -speed 4000 -autoconnect 1 "
        "-ExitOnError 1 -NoGui 1 -CommandFile SCRATCH/flash.jlink"
    ],
    "dfu": [
        "dfu-util -d 0483:df11 -a 0 -S 066 -s 0x08000000 -D {folder}/firmware.bin",
        "dfu-util -d 0483:df11 -a 0 -S 066 -s 0x08000000:{size} -U SCRATCH/back.bin",
        "dfu-util -d 0483:df11 -a 0 -S 066 -s 0x08000000:4:leave -U SCRATCH/leave.bin",
    ],
    "gdb": [
        "gdb-multiarch {folder}/firmware.elf -batch -ex 'target extended-remote 066' -ex load "
        "-ex compare-sections -ex 'monitor reset' -ex detach"
    ],
    "uf2": ["cp {folder}/firmware.uf2 066/"],
}


@pytest.mark.parametrize("tool", base.names())
def test_dry_run_shows_the_command_lines(tool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "nowhere")
    monkeypatch.setattr(sys, "executable", "nowhere/python")
    target = mixer_target(tmp_path)
    (tmp_path / "manifest.json").write_text(target.manifest.to_json())
    (tmp_path / "firmware.elf").write_bytes(b"")
    (tmp_path / "firmware.bin").write_bytes(bytes(1234))
    arguments = ["flash", str(tmp_path), "--with", tool, "--probe", "066", "--dry-run"]
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert done.stdout.splitlines() == [line.format(folder=tmp_path, size=1234) for line in LINES[tool]]


@pytest.mark.parametrize("installed", ["st-flash", "openocd", None])
def test_dry_run_shows_what_would_run(
    installed: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tool that is installed, by its path; the first that would do where none is, and how to install that."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    target = mixer_target(tmp_path)
    (tmp_path / "manifest.json").write_text(target.manifest.to_json())
    for name in ("firmware.elf", "firmware.bin"):
        (tmp_path / name).write_bytes(b"")
    if installed is not None:
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / installed).write_text("#!/bin/sh\n")
        (tmp_path / "bin" / installed).chmod(0o755)
    done = CliRunner().invoke(cli, ["flash", str(tmp_path), "--dry-run"], catch_exceptions=False)
    first = done.stdout.split()[0]
    assert done.exit_code == 0
    assert (first == str(tmp_path / "bin" / installed)) if installed else (first == "pyocd")
    assert ("pyocd is not installed: " in done.stderr) == (installed is None)


@pytest.mark.parametrize("name", boards.names())
def test_every_board_has_a_tool(name: str) -> None:
    board = boards.load(name)
    assert base.create("pyocd").suits(board)
    suitable = [tool.name for tool in map(base.create, base.PREFERENCE) if tool.suits(board)]
    assert len(suitable) >= 2


# What tools print, and what we say then. The first row of each is from the tool itself, on a machine without probes.
SAID = [
    ("pyocd", "0001087 E No target device available [load_cmd]", base.NO_PROBE),
    ("pyocd", "E Target type stm32f446retx not recognized. Use 'pyocd list --targets'", base.NO_PACK),
    ("pyocd", "W NRF52840 APPROTECT enabled: not automatically unlocking", base.LOCKED),
    ("pyocd", "C SWD/JTAG communication failure (No ACK)", base.NO_CHIP),
    ("openocd", "Error: open failed\nin procedure 'program'\n** OpenOCD init failed **", base.NO_PROBE),
    ("openocd", "Error: Multiple devices found", base.SEVERAL),
    ("openocd", "Error: stm32x device protected", base.LOCKED),
    ("openocd", "Warn: Cannot identify target as a STM32 family.", base.WRONG_CHIP),
    ("openocd", "Error: init mode failed (unable to connect to the target)", base.NO_CHIP),
    ("stflash", "2026 WARN usb.c: Couldn't find any ST-Link devices", base.NO_PROBE),
    ("stflash", "unknown chip id! 0x5fa0004", base.WRONG_CHIP),
    ("jlink", "Connecting to J-Link via USB...FAILED: Cannot connect to J-Link.", base.NO_PROBE),
    ("jlink", "Cannot connect to target.", base.NO_CHIP),
]


@pytest.mark.parametrize(
    ("tool", "output", "meaning"), SAID, ids=lambda v: v if isinstance(v, str) else v[0][:20]
)
def test_what_tools_print_is_told_in_one_language(
    tool: str, output: str, meaning: tuple[str, str], target: Target
) -> None:
    error = base.create(tool).explain(output, 1, Job(target.folder, target.board))
    assert error.what == meaning[0]
    assert error.details == output, "the tool's own words stay visible"


def _fake(folder: Path, name: str, script: str) -> Path:
    program = folder / name
    program.write_text(f"#!{sys.executable}\n{script}")
    program.chmod(0o755)
    return program


def _write(tool: str, target: Target, probe: str | None = None) -> AscmcuError | str:
    try:
        return base.create(tool).write(Job(target.folder, target.board, probe))
    except AscmcuError as error:
        return error


def test_several_probes_must_be_told_apart(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = json.dumps({"boards": [{"unique_id": "0668FF"}, {"unique_id": "0671FF"}]})
    script = f"""
import sys
if sys.argv[1] == "json":
    print('{listing}')
elif sys.argv[1] == "commander":
    print("All 4 bytes match.")
open({str(tmp_path / "log")!r}, "a").write(" ".join(sys.argv[1:]) + "\\n")
"""
    _fake(tmp_path, "pyocd", script)
    monkeypatch.setenv("PATH", str(tmp_path))
    several = _write("pyocd", target)
    assert isinstance(several, LinkError) and several.what == base.SEVERAL[0]
    assert "0668FF, 0671FF" in str(several)
    absent = _write("pyocd", target, "999")
    assert isinstance(absent, LinkError) and absent.what == "no such debug probe"
    assert "pyocd" in str(_write("pyocd", target, "0671"))
    assert "-u 0671" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("printed", ["Mismatched byte at 0x08000000", ""])
def test_an_image_that_does_not_read_back_is_an_error(
    printed: str, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fake(tmp_path, "pyocd", f"print({printed!r})")
    monkeypatch.setenv("PATH", str(tmp_path))
    error = _write("pyocd", target)
    assert isinstance(error, LinkError) and "does not hold" in error.what


def test_a_missing_tool_prints_its_install_command(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    error = _write("openocd", target)
    assert isinstance(error, ToolError) and "apt-get install openocd" in str(error.hint)
    with pytest.raises(ToolError, match="no flashing tool"):
        base.choose(target.board)


def test_an_absent_probe_is_reported_by_the_real_tools(target: Target) -> None:
    tools = [t for t in map(base.create, ("openocd", "stflash")) if t.found()]
    if not tools:
        pytest.skip("neither OpenOCD nor st-flash is installed")
    assert tools
    for tool in tools:
        error = _write(tool.name, target)
        assert isinstance(error, LinkError) and error.what == base.NO_PROBE[0], error


def test_uf2_blocks_and_room_for_the_boot_loader(target: Target, tmp_path: Path) -> None:
    image = bytes(range(256)) * 2 + b"end"
    made = uf2.blocks(image, 0x0801_0000, uf2.FAMILIES["stm32f4"])
    assert len(made) == 3 * 512
    fields = struct.unpack_from("<8I", made, 2 * 512)
    assert fields[3:7] == (0x0801_0200, 256, 2, 3) and fields[7] == 0x57755A57
    assert made[2 * 512 + 32 : 2 * 512 + 35] == b"end"
    with pytest.raises(InputError, match="no room for a boot loader"):
        uf2.Uf2().write(Job(target.folder, target.board))
    board = dataclasses.replace(target.board, bootloader_bytes=0x10000)
    drive = tmp_path / "DRIVE"
    drive.mkdir()
    (tmp_path / "firmware.bin").write_bytes(image)
    uf2.Uf2().write(Job(tmp_path, board, str(drive)))
    assert (drive / "firmware.uf2").read_bytes() == made
