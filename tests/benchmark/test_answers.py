# SPDX-License-Identifier: Apache-2.0
"""``bench`` holds its first clips against the integer interpreter: it says so, and refuses what differs."""

from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from elftools.elf.elffile import ELFFile

from ascmcu import api, boards
from ascmcu.benchmark import answers
from ascmcu.benchmark.clips import Clip, Clips
from ascmcu.benchmark.run import run
from ascmcu.benchmark.wire import Kind
from ascmcu.cli import cli
from ascmcu.errors import GeneratedCodeError
from ascmcu.features import spec as feature_specs
from ascmcu.runners.base import Target, create
from ascmcu.toolchain import cmsis_dsp
from ascmcu.toolchain.manifest import Manifest, image_hashes
from tests.support import recipes_flat
from tests.support.recipes import Recipe, Step

SHAPE = (1, 9, 4, 2)
_CONV = {"kernel": [3, 3], "stride": [1, 1], "same": True, "act": "none", "dilation": [1, 1], "dead": 0}


@pytest.fixture
def export(tmp_path: Path) -> Path:
    steps = (
        Step("conv", (0,), {**_CONV, "channels": 4, "groups": 1}),
        Step("mean", (1,), {"axes": [1, 2], "keep": False}),
        Step("dense", (2,), {"units": 5, "flatten": False, "act": "none", "bias": True, "dead": 0}),
    )
    model = tmp_path / "net.tflite"
    model.write_bytes(recipes_flat.make(Recipe(SHAPE, "int8", 3, steps)))
    api.export(model, "nucleo-f446", tmp_path / "build", schedule="rows")
    clips = np.random.default_rng(1).integers(-128, 128, (20, *SHAPE), dtype=np.int8)
    np.save(tmp_path / "in.npy", clips)
    return tmp_path / "build"


def test_the_result_says_how_many_clips_were_held_against_the_interpreter(
    export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "SECONDS", 60.0)
    done = api.bench(export, on="host", tensors=export.parent / "in.npy")
    assert f"{answers.CLIPS_MAX} of 20 clips held against the integer interpreter" in done.runner_detail


def test_a_program_that_answers_otherwise_is_refused(export: Path) -> None:
    source = export / "model.c"
    changed, count = re.subn(r"(case 0:\s+return )(t\d+\(0\));", r"\1\2 + 1;", source.read_text())
    assert count == 1
    source.write_text(changed)
    with pytest.raises(GeneratedCodeError) as error:
        api.bench(export, on="host", tensors=export.parent / "in.npy")
    assert "clip 0, output 0" in str(error.value) and "report it, with the model" in str(error.value)
    assert not (export / "bench-host.json").exists() and not list(export.glob("*.jsonl"))


def test_on_the_command_line_that_is_status_2_and_one_message(export: Path) -> None:
    source = export / "model.c"
    source.write_text(re.sub(r"(case 0:\s+return )(t\d+\(0\));", r"\1\2 + 1;", source.read_text()))
    done = CliRunner().invoke(
        cli, ["bench", str(export), "--on", "host", "--tensors", str(export.parent / "in.npy")]
    )
    assert isinstance(done.exception, GeneratedCodeError) and done.exception.exit_status == 2


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_a_time_that_is_up_leaves_one_clip(
    seconds: float, export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "SECONDS", seconds)
    done = api.bench(export, on="host", tensors=export.parent / "in.npy")
    assert "1 of 20 clips held" in done.runner_detail


@pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no cross compiler")
@pytest.mark.parametrize(("weights", "section"), [("flash", ".weights"), ("ram", ".fast_weights")])
def test_a_firmware_whose_weights_are_damaged_is_refused_on_an_emulator_too(
    weights: str, section: str, export: Path
) -> None:
    """The image's hash is made to fit: a flash that forgets changes the weights and not the firmware's identity."""
    api.export(export.parent / "net.tflite", "nucleo-f446", export, schedule="rows", weights=weights)
    elf = export / "firmware.elf"
    image = bytearray(elf.read_bytes())
    with elf.open("rb") as file:
        found = ELFFile(file).get_section_by_name(section)
        start, size = found["sh_offset"], found["sh_size"]
    for index in range(start, start + size, 7):
        image[index] ^= 0x55
    elf.write_bytes(image)
    manifest = dataclasses.replace(Manifest.load(export), images_sha256=image_hashes(export))
    (export / "manifest.json").write_text(manifest.to_json())
    with pytest.raises(GeneratedCodeError, match="sim, clip 0, output 0"):
        api.bench(export, on="sim", tensors=export.parent / "in.npy")
    assert not (export / "bench-sim.json").exists()


@pytest.mark.skipif(cmsis_dsp.available() is None, reason="CMSIS-DSP was not fetched")
def test_recordings_are_held_against_the_interpreter_too(tmp_path: Path) -> None:
    spec = feature_specs.load("dcase2022_baseline")
    steps = (Step("max_pool", (0,), {"kernel": [2, 2], "stride": [2, 2], "same": True, "act": "none"}),)
    model = tmp_path / "net.tflite"
    shape = (1, spec.bands, spec.rows, spec.output_channels)
    model.write_bytes(recipes_flat.make(Recipe(shape, "int8", 3, steps)))
    made = api.export(model, "nucleo-f446", tmp_path / "build", features="dcase2022_baseline")
    pcm = np.random.default_rng(1).integers(
        -9000, 9000, (spec.clip_samples, spec.audio_channels), dtype=np.int16
    )
    clips = Clips(Kind.AUDIO, "noise", (), (Clip("noise", None, pcm.astype("<i2").tobytes),))
    target = Target(made.folder, boards.load("nucleo-f446"), made.manifest, True)
    check = answers.FirstAnswers(target, clips.kind, "host")
    run(target, create("host", target), clips, check=check)
    assert check.compared == 1
