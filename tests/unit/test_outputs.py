# SPDX-License-Identifier: Apache-2.0
"""Files that verbs write: what is no plain file stays what it is, and nothing that others read is replaced."""

from __future__ import annotations

import ast
import errno
import json
import os
import threading
from pathlib import Path

import pytest

from ascmcu import paths
from ascmcu.api.exporting import put_in_place
from ascmcu.cli import quantize
from ascmcu.errors import InputError, LimitError
from ascmcu.paths import check_output, save_whole, write_whole
from tests.cli.conftest import dense


def test_a_link_stays_and_its_target_is_written(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "page.html", tmp_path / "page.html"
    target.write_text("old")
    link.symlink_to(target)
    write_whole(link, "new")
    assert link.is_symlink() and target.read_text() == "new"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["page.html", "page.html", "there"]


def test_a_link_to_nothing_yet_makes_its_target(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "new")
    write_whole(link, "x")
    assert link.is_symlink() and (tmp_path / "new").read_text() == "x"


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    heard: list[str] = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_text()))
    reader.start()
    write_whole(pipe, "all of it")
    reader.join()
    assert heard == ["all of it"] and pipe.is_fifo()


def test_a_device_is_written_to(tmp_path: Path) -> None:
    """The device is reached by a link: a defect must not harm the machine's own."""
    link = tmp_path / "null"
    link.symlink_to("/dev/null")
    before = os.stat("/dev/null")
    write_whole(link, "x")
    assert os.stat("/dev/null").st_rdev == before.st_rdev and link.is_symlink()


OWN = ("dumps/00-import.ir", "firmware.elf", "memory.svg", "model.c", "plan.txt")


def _export(folder: Path, *others: str) -> Path:
    """A folder as an export leaves it, and other files in it."""
    for name in (*OWN, *others):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"old {name}")
    (folder / "manifest.json").write_text(json.dumps({"files": OWN}))
    return folder


@pytest.mark.parametrize("name", [*OWN, "manifest.json", "bench-sim.json", "host/firmware"])
@pytest.mark.parametrize("linked", [False, True], ids=["itself", "by a link"])
def test_an_export_s_own_files_are_no_outputs(name: str, linked: bool, tmp_path: Path) -> None:
    path = _export(tmp_path / "build", "bench-sim.json", "host/firmware") / name
    if linked:
        (tmp_path / "link").symlink_to(path)
        path = tmp_path / "link"
    with pytest.raises(InputError, match="file of the export"):
        check_output(path)


def test_other_files_and_pages_beside_an_export_are_outputs(tmp_path: Path) -> None:
    folder = _export(tmp_path, "report.html", "mine.json")
    for name in ("report.html", "mine.json", "new.json", "dumps/new.txt"):
        check_output(folder / name)
    with pytest.raises(InputError, match="an input"):
        check_output(folder / "report.html", folder / "report.html")


def test_another_program_s_manifest_makes_no_export(tmp_path: Path) -> None:
    for content in ('{"name": "a web page"}', "[]", "no JSON"):
        (tmp_path / "manifest.json").write_text(content)
        (tmp_path / "page.json").write_text("{}")
        check_output(tmp_path / "page.json")


def test_a_run_s_own_files_are_no_outputs(tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_text("somebody's")
    check_output(tmp_path / "model.tflite")
    for name in ("recipe.json", "metrics.json"):
        (tmp_path / name).write_text("{}")
    check_output(tmp_path / "model_int8.tflite")
    with pytest.raises(InputError, match="file of the training run"):
        check_output(tmp_path / "model.tflite")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="no /proc")
def test_a_folder_where_nothing_can_be_written_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        check_output(Path("/proc/page.html"))
    check_output(Path("/dev/null"))
    check_output(tmp_path / "new.json")
    assert not [*tmp_path.iterdir()]


def test_nothing_among_the_recordings_is_replaced(tmp_path: Path) -> None:
    sound = tmp_path / "clips" / "dog" / "a.wav"
    sound.parent.mkdir(parents=True)
    sound.touch()
    check_output(tmp_path / "clips" / "new.npy", among=tmp_path / "clips")
    with pytest.raises(InputError, match="an input"):
        check_output(sound, among=tmp_path / "clips")


def test_an_export_that_is_replaced_keeps_what_is_the_user_s(tmp_path: Path) -> None:
    folder, part = (
        _export(tmp_path / "build", "inputs.npy", "src/main.c", "bench-sim.json"),
        tmp_path / "s" / "part",
    )
    (folder / "link").symlink_to("nowhere")
    _export(part)
    put_in_place(folder, part)
    files = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }
    assert files == {*OWN, "manifest.json", "inputs.npy", "src/main.c", "link"}
    assert (folder / "src" / "main.c").read_text() == "old src/main.c"


def test_an_export_replaces_no_file_of_the_user_s(tmp_path: Path) -> None:
    folder, part = _export(tmp_path / "build", "model.h"), tmp_path / "s" / "part"
    _export(part, "model.h")
    with pytest.raises(InputError, match="not its own"):
        put_in_place(folder, part)
    assert (folder / "model.h").read_text() == "old model.h" and part.is_dir()


def test_a_file_keeps_its_mode(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.touch(mode=0o600)
    write_whole(page, "new")
    assert page.stat().st_mode & 0o777 == 0o600


def test_a_library_s_writing_is_whole_or_nothing(tmp_path: Path) -> None:
    target = tmp_path / "net.keras"
    target.write_text("old")

    def fail(path: Path) -> None:
        path.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space") as raised:
        save_whole(target, fail)
    assert raised.value.filename == str(target) and target.read_text() == "old"
    save_whole(target, lambda path: path.write_text("new"))
    assert target.read_text() == "new" and [path.name for path in tmp_path.iterdir()] == ["net.keras"]


def test_quantize_writes_through_a_link_and_nothing_that_breaks_a_limit(tmp_path: Path) -> None:
    old, link = tmp_path / "old.tflite", tmp_path / "link.tflite"
    old.write_bytes(b"old")
    link.symlink_to(old)
    with pytest.raises(LimitError, match="exceeds a limit"):
        quantize._write(link, dense(600, 300), ("dcase2022",))
    assert link.is_symlink() and old.read_bytes() == b"old"
    quantize._write(link, dense(16, 4), ("dcase2022",))
    assert link.is_symlink() and old.read_bytes() == dense(16, 4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.tflite", "old.tflite"]


# Who writes files by other means, and where these lie.
ELSEWHERE = {
    "a new folder, which is put in place as a whole": {"api/sources.py", "api/exporting.py",
                                                       "api/libraries.py", "toolchain/rebuild.py",
                                                       "codegen/new_board.py", "data/synth.py"},
    "a scratch folder": {"runners/renode.py", "toolchain/native.py", "toolchain/harness.py", "toolchain/gcc.py",
                         "toolchain/proof.py",
                         "api/proving.py", "flash/jlink.py", "tune/limits.py"},
    "the user's cache": {"packs.py", "sim/kept.py", "toolchain/cmsis_dsp_fetch.py", "data/cache.py"},
    "an export, below host/": {"runners/host.py"},
    "the journal, a line for each clip": {"benchmark/journal.py"},
    "the board's drive": {"flash/uf2.py"},
    "here": {"paths.py"},
}  # fmt: skip
WRITING = {"write_text", "write_bytes", "savefig", "savez", "tofile"}


def test_every_other_file_is_written_whole() -> None:
    """``write_whole`` and ``save_whole`` keep links, pipes and what was there; who writes by other means says where."""
    package = Path(paths.__file__).parent
    found = {
        p.relative_to(package).as_posix() for p in package.rglob("*.py") if _writes(ast.parse(p.read_text()))
    }
    assert found == {name for names in ELSEWHERE.values() for name in names}


def _writes(tree: ast.AST) -> bool:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            into = node.args[0] if node.args else None
            if node.func.attr in WRITING and not (isinstance(into, ast.Name) and into.id == "whole"):
                return True
            modes = [
                a.value
                for a in (*node.args, *(k.value for k in node.keywords))
                if isinstance(a, ast.Constant)
            ]
            if node.func.attr == "open" and any(str(mode)[:1] in ("w", "a", "x") for mode in modes):
                return True
    return False
