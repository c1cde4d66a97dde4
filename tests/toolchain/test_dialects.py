# SPDX-License-Identifier: Apache-2.0
"""A compiler without GNU's name builds the library as plain C11, with the same bits: IAR's names itself so."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ascmcu import api
from tests.support import toolchains

# What IAR's compiler does not define, and what it does; the attributes are gone with the name on this system's headers.
IAR = ("-U__GNUC__", "-U__clang__", "-D__ICCARM__=9")
MAIN = """
#include "selftest.h"
int main(void) { return !model_selftest(); }
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("dialect")
    (place / "net.tflite").write_bytes(toolchains.small_network("dcase2022_baseline"))
    folder = place / "library"
    api.export(place / "net.tflite", "nucleo-f446", folder, output="library", selftest=True, features=False)
    (folder / "main.c").write_text(MAIN)
    return folder


@pytest.mark.skipif(shutil.which("clang") is None, reason="no Clang")
@pytest.mark.parametrize("damaged", [False, True])
def test_no_extension_is_needed(damaged: bool, library: Path, tmp_path: Path) -> None:
    own = tmp_path / "library"
    shutil.copytree(library, own)
    if damaged:
        text = (own / "selftest.c").read_text()
        assert text.count("== 0x") == 1
        (own / "selftest.c").write_text(text.replace("== 0x", "== 0x1"))
    command = [
        "clang",
        "-std=c11",
        "-O1",
        "-pedantic-errors",
        "-Werror=implicit-function-declaration",
        "-w",
        *IAR,
    ]
    sources = [str(own / name) for name in ("model.c", "selftest.c", "main.c")]
    program = tmp_path / "program"
    subprocess.run([*command, f"-I{own}", *sources, "-o", str(program)], check=True, capture_output=True)
    assert subprocess.run([program], check=False).returncode == damaged
