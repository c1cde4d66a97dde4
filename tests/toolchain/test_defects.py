# SPDX-License-Identifier: Apache-2.0
"""What a compiler says of C of ours: an error is a defect of ascmcu and told as one, a warning stops nobody."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from ascmcu import api
from ascmcu.api import sources
from ascmcu.cli import cli
from ascmcu.errors import BuildError, GeneratedCodeError
from ascmcu.toolchain import gcc
from tests.support import recipes_flat
from tests.support.recipes import Recipe, Step

Spoil = Callable[[str], None]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "net.tflite"
    path.write_bytes(recipes_flat.make(Recipe((1, 6), "int8", 3, (Step("relu", (0,)),))))
    return path


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Spoil:
    """Adds a line to all generated C."""
    render = sources.render_model

    def add(line: str) -> None:
        def spoiled(*arguments: object, **options: object) -> object:
            made = render(*arguments, **options)  # type: ignore[arg-type]
            return dataclasses.replace(
                made, files={**made.files, "model.c": f"{made.files['model.c']}{line}\n"}
            )

        monkeypatch.setattr(sources, "render_model", spoiled)

    return add


def test_what_does_not_compile_is_told_as_a_defect_and_kept(model: Path, spoil: Spoil) -> None:
    spoil("int here = ;")
    with pytest.raises(GeneratedCodeError) as caught:
        api.export(model, "nucleo-f446", model.parent / "build")
    told, kept = str(caught.value), model.parent / "build-does-not-compile"
    assert "a defect of ascmcu" in told and "attach the model, the command" in told and "int here = ;" in told
    assert str(kept) in told and (kept / "model.c").is_file()
    assert caught.value.exit_status == 2 and not (model.parent / "build").exists()


def test_the_compilers_output_is_cut_after_its_head(model: Path, spoil: Spoil) -> None:
    spoil("\n".join(f"int x{i} = ;" for i in range(200)))
    with pytest.raises(GeneratedCodeError) as caught:
        api.export(model, "nucleo-f446", model.parent / "build")
    assert "x0" in (caught.value.details or "") and len((caught.value.details or "").splitlines()) <= 20


def test_a_missing_header_is_the_environments_fault(model: Path, spoil: Spoil) -> None:
    spoil("#include <no_such_header.h>")
    with pytest.raises(BuildError) as caught:
        api.export(model, "nucleo-f446", model.parent / "build")
    assert not isinstance(caught.value, GeneratedCodeError) and caught.value.found == "no_such_header.h"


def test_a_warning_is_one_line_and_the_firmware_is_there(
    model: Path, spoil: Spoil, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil("static int unused_here;\nstatic int unused_there;")
    with pytest.raises(GeneratedCodeError):
        api.export(model, "nucleo-f446", model.parent / "build")
    monkeypatch.delenv("ASCMCU_STRICT")
    folder = model.parent / "build"
    done = CliRunner().invoke(cli, ["export", str(model), "--board", "nucleo-f446", "-o", str(folder)])
    assert done.exit_code == 0 and (folder / "firmware.elf").is_file()
    lines = [line for line in done.stderr.splitlines() if "warning" in line]
    assert len(lines) == 1 and "warned, 2 lines: model.c:" in lines[0]


def test_a_host_build_of_spoiled_c_is_a_defect_too(model: Path) -> None:
    folder = model.parent / "build"
    api.export(model, "nucleo-f446", folder)
    (folder / "model.c").write_text((folder / "model.c").read_text() + "int here = ;\n")
    with pytest.raises(GeneratedCodeError, match="cannot compile"):
        gcc.build_host(folder, frontend=False)
