# SPDX-License-Identifier: Apache-2.0
"""Files that verbs write: what is no plain file stays what it is, and nothing that others read is replaced."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from ascmcu.errors import InputError
from ascmcu.paths import check_output, write_whole


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


@pytest.mark.parametrize("name", ["manifest.json", "bench-sim.json", "model.c", "plan.txt", "firmware.elf"])
def test_an_export_s_own_files_are_no_outputs(name: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / name).write_text("{}")
    with pytest.raises(InputError, match="file of the export"):
        check_output(tmp_path / name)


def test_pages_beside_an_export_are_outputs(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / "report.html").write_text("old")
    check_output(tmp_path / "report.html")
    check_output(tmp_path / "new.json")
    with pytest.raises(InputError, match="an input"):
        check_output(tmp_path / "report.html", tmp_path / "report.html")
