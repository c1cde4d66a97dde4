# SPDX-License-Identifier: Apache-2.0
"""Bad input: one message in one form, exit status 2, nothing half-written, an earlier export untouched."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from ascmcu import boards
from tests.cli.conftest import Ascmcu, Done, Snapshot, dense

needs_cross = pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no cross compiler")
FORM = re.compile(r"error: [^\n]+\n(  (where|expected|found|hint): +[^\n]+\n)+")


def _tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def _refused(done: Done) -> str:
    """The message of a call that must have failed in the one form."""
    assert (done.status, done.stdout) == (2, "")
    assert FORM.fullmatch(done.stderr), done.stderr
    return done.stderr


@pytest.fixture
def earlier(tmp_path: Path) -> dict[str, bytes]:
    """An earlier export in ``build``; what every later call must leave alone."""
    build = tmp_path / "build"
    build.mkdir()
    (build / "manifest.json").write_text("{}")
    (build / "model.c").write_text("/* an earlier export */\n")
    return _tree(build)


CASES = {
    "no-such-model": ["export", "missing.tflite", "--board", "nucleo-f446"],
    "not-a-tflite": ["export", "notes.tflite", "--board", "nucleo-f446"],
    "an-empty-file": ["export", "empty.tflite", "--board", "nucleo-f446"],
    "a-folder-as-model": ["export", "build", "--board", "nucleo-f446"],
    "truncated-tflite": ["export", "half.tflite", "--board", "nucleo-f446"],
    "unknown-board": ["export", "small.tflite", "--board", "nucleo-f44"],
    "unlike-any-board": ["export", "small.tflite", "--board", "zx81"],
    "bad-schedule": ["export", "small.tflite", "--board", "nucleo-f446", "--schedule", "diagonal"],
    "no-board": ["export", "small.tflite"],
    "unknown-features": ["export", "small.tflite", "--board", "nucleo-f446", "--features", "no-such"],
    "features-do-not-fit": ["export", "small.tflite", "--board", "nucleo-f446", "--features", "default"],
    "occupied-folder": ["export", "small.tflite", "--board", "nucleo-f446", "-o", "occupied"],
    "folder-below-a-file": ["export", "small.tflite", "--board", "nucleo-f446", "-o", "notes.tflite/build"],
    "a-file-as-folder": ["export", "small.tflite", "--board", "nucleo-f446", "-o", "notes.tflite"],
    "unknown-verb": ["exprot", "small.tflite"],
    "unknown-option": ["export", "small.tflite", "--bord", "nucleo-f446"],
    "bench-without-export": ["bench", "nowhere", "--on", "host", "--tensors", "x.npy"],
    "bench-labels-without-clips": ["bench", "build", "--labels", "notes.tflite"],
    "sim-of-no-elf": ["sim", "notes.tflite"],
    "unknown-board-to-show": ["boards", "show", "nucleo-f999"],
}


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_refused_in_one_message(
    name: str, ascmcu: Ascmcu, snapshot: Snapshot, model: Path, earlier: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / "notes.tflite").write_text("these are notes, not a network\n")
    (tmp_path / "empty.tflite").touch()
    (tmp_path / "half.tflite").write_bytes(model.read_bytes()[: model.stat().st_size // 2])
    (tmp_path / "occupied").mkdir()
    (tmp_path / "occupied" / "thesis.txt").write_text("years of work\n")
    before = _tree(tmp_path)
    snapshot(f"error-{name}", _refused(ascmcu(*CASES[name])))
    assert _tree(tmp_path) == before
    assert {p.name for p in tmp_path.iterdir()} == {
        "build", "occupied", "small.tflite", "notes.tflite", "empty.tflite", "half.tflite",
    }  # fmt: skip


@pytest.mark.parametrize("part", range(1, 8))
def test_a_model_cut_anywhere_is_refused(part: int, ascmcu: Ascmcu, model: Path, tmp_path: Path) -> None:
    data = model.read_bytes()
    model.write_bytes(data[: len(data) * part // 8])
    message = _refused(ascmcu("export", model, "--board", "nucleo-f446"))
    assert "small.tflite" in message
    assert [p.name for p in tmp_path.iterdir()] == ["small.tflite"]


def _needs_and_has(message: str, kind: str) -> tuple[int, int]:
    needs = re.search(rf"found: +.*?(?:{kind} )?(\d+) bytes", message)
    has = re.search(rf"expected: +(?:{kind} )?≤ (\d+) bytes", message)
    assert needs and has, message
    return int(needs[1]), int(has[1])


@needs_cross
def test_too_much_flash_is_told_with_the_boards_that_would_do(
    ascmcu: Ascmcu, earlier: dict[str, bytes], tmp_path: Path
) -> None:
    large = tmp_path / "large.tflite"
    large.write_bytes(dense(1024, 640))
    message = _refused(ascmcu("export", large, "--board", "nucleo-f446", "-q"))
    needs, has = _needs_and_has(message, "flash")
    assert (has, needs > 640 * 1024) == (512 * 1024, True)
    hint = message.partition("hint:")[2]
    suggested = {name for name in boards.names() if name in hint}
    assert suggested == {name for name in boards.names() if boards.load(name).flash.size_bytes >= needs}
    assert suggested
    assert _tree(tmp_path / "build") == earlier
    assert {p.name for p in tmp_path.iterdir()} == {"build", "large.tflite"}


def test_too_much_ram_is_told_with_the_boards_that_would_do(ascmcu: Ascmcu, tmp_path: Path) -> None:
    wide = tmp_path / "wide.tflite"
    wide.write_bytes(dense(50_000, 1, batch=2))
    message = _refused(ascmcu("export", wide, "--board", "nucleo-f401", "-q"))
    needs, has = _needs_and_has(message, "RAM")
    assert (has, needs >= 100_000) == (96 * 1024, True)
    hint = message.partition("hint:")[2]
    assert "nucleo-f446" in hint and "nucleo-f401" not in hint
    assert [p.name for p in tmp_path.iterdir()] == ["wide.tflite"]


def test_a_missing_compiler_is_named_with_its_package(
    ascmcu: Ascmcu, model: Path, earlier: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    snapshot: Snapshot,
) -> None:  # fmt: skip
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    snapshot("error-no-compiler", _refused(ascmcu("export", model, "--board", "nucleo-f446")))
    assert _tree(tmp_path / "build") == earlier
    assert {p.name for p in tmp_path.iterdir()} == {"build", "small.tflite"}


def test_doctor_says_what_to_install(ascmcu: Ascmcu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.setenv("ASCMCU_CACHE", str(tmp_path / "cache"))
    done = ascmcu("doctor")
    assert (done.status, done.stderr) == (2, "")
    for package in ("gcc libc6-dev", "gcc-arm-none-eabi", "libnewlib-arm-none-eabi", "qemu-system-arm"):
        assert re.search(rf"^ +sudo apt-get install {package}$", done.stdout, re.MULTILINE), package
    assert not (tmp_path / "cache").exists(), "doctor only looks"


@needs_cross
def test_a_second_export_replaces_the_first_whole(ascmcu: Ascmcu, model: Path, tmp_path: Path) -> None:
    done = ascmcu("export", model, "--board", "nucleo-f446", "--json")
    assert (done.status, done.stderr) == (0, "")
    first = json.loads(done.stdout)
    assert first["fits"] and Path(first["elf"]).is_file() and first["folder"] == "build"
    (tmp_path / "build" / "notes.txt").touch()
    assert ascmcu("export", model, "--board", "nucleo-f411", "--format", "library", "--json").status == 0
    assert json.loads((tmp_path / "build" / "manifest.json").read_text())["board"] == "nucleo-f411"
    assert not Path(first["elf"]).exists(), "the first export's own file is left"
    assert (tmp_path / "build" / "notes.txt").is_file(), "the user's file is gone"
    assert {p.name for p in tmp_path.iterdir()} == {"build", "small.tflite"}


@needs_cross
@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("echo 'a compiler 1.0'", "error: compiling "),
        ("false", "error: arm-none-eabi-gcc does not report its version"),
    ],
    ids=["while it compiles", "at once"],
)
def test_a_compiler_that_fails_leaves_the_earlier_export(
    ascmcu: Ascmcu,
    model: Path,
    earlier: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    said: str,
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("arm-none-eabi-gcc", "arm-none-eabi-objcopy"):
        (tools / name).write_text(
            f'#!/bin/sh\n[ "$1" = --version ] && {version} && exit\necho "out of patience" >&2\nexit 1\n'
        )
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    done = ascmcu("export", model, "--board", "nucleo-f446")
    assert (done.status, done.stdout) == (2, "")
    assert done.stderr.startswith(said) and done.stderr.endswith("out of patience\n")
    assert _tree(tmp_path / "build") == earlier
    assert {p.name for p in tmp_path.iterdir()} == {"build", "small.tflite", "tools"}
