# SPDX-License-Identifier: Apache-2.0
"""Front ends that go on from step to step: the rows of one long clip, in any chunks, and beyond 2³² samples."""

from __future__ import annotations

import itertools
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ascmcu import paths
from ascmcu.codegen.frontend import render_frontend
from ascmcu.errors import FeatureError
from ascmcu.features import spec as specs
from ascmcu.features.pcmspec import PcmSpec
from ascmcu.features.spec import FeatureSpec, Spec
from ascmcu.toolchain import cmsis_dsp
from ascmcu.toolchain.native import NativeFrontend
from tests.features.signals import swell

SPECS: dict[str, Spec] = {
    "micro": specs.load("microwakeword"),
    "micro, FFT longer than the window": specs.load("microwakeword").replace(window_ms=20, step_ms=7),
    "kaldi": specs.load("kaldi_fbank"),
    "pre-emphasis of the clip": specs.load("mlperf_lfbe"),
    "running limit": FeatureSpec.from_dict(
        {"center": False, "log": "db", "log_offset": 0.0, "log_floor": 1e-10, "top_db": 30.0, "top_db_mode": "running",
         "n_fft": 256, "hop_length": 100, "n_mels": 20, "channels": "stereo"}
    ),
    "samples": PcmSpec(clip_samples=12000, rows=48, channels="stereo"),
    "longer hop than window": specs.load("kaldi_mfcc").replace(hop_length=900),
}  # fmt: skip
INT8: dict[str, Any] = {"scale": 0.1, "zero_point": 3, "dtype": "int8"}


def _pcm(spec: Spec, samples: int) -> np.ndarray:
    return np.stack([swell(samples, seed) for seed in range(spec.audio_channels)], axis=1)


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("rows", [1, 3])
def test_rows_are_those_of_one_clip(name: str, rows: int) -> None:
    whole = SPECS[name].replace(clip_samples=12000)
    stepping = whole.in_steps(rows)
    assert stepping.shape[0] == rows and stepping.step_samples == rows * whole.hop_length
    pcm = _pcm(whole, 12000)
    wanted = NativeFrontend(whole, **INT8).rows(pcm)
    frontend = NativeFrontend(stepping, **INT8)
    at_once = frontend.rows(pcm)
    np.testing.assert_array_equal(at_once, wanted)
    ends = list(range(stepping.clip_samples, len(pcm) + 1, stepping.step_samples))
    found = [frontend.rows(pcm[: ends[0]], chunk=77)]
    found += [frontend.further_rows(pcm[a:b], chunk=77) for a, b in itertools.pairwise(ends)]
    assert all(len(step) == rows for step in found)
    np.testing.assert_array_equal(np.concatenate(found), wanted[: rows * len(found)])


@pytest.mark.parametrize("name", ["micro", "kaldi", "samples"])
def test_counters_may_wrap(name: str, tmp_path: Path) -> None:
    """Begun a little before 2³² samples, in place of 74 hours."""
    spec = SPECS[name].in_steps(1)
    files = render_frontend(spec, **INT8)
    late = (2**32 - 3000) // spec.hop_length
    count = "row" if isinstance(spec, PcmSpec) else "frame"
    source = files["frontend.c"].replace(
        "    memset(&state, 0, sizeof state);\n",
        f"    memset(&state, 0, sizeof state);\n    state.{count} = {late}u;\n"
        f"    state.received = {late * spec.hop_length}u;\n",
        1,
    )
    assert source != files["frontend.c"]
    pcm = _pcm(spec, 12000)
    wanted = NativeFrontend(spec, **INT8).rows(pcm)
    found = _run(tmp_path, {**files, "frontend.c": source}, pcm)
    np.testing.assert_array_equal(np.frombuffer(found, np.int8).reshape(wanted.shape), wanted)


def _run(folder: Path, files: dict[str, str], pcm: np.ndarray) -> bytes:
    """The rows that ``pipe.c`` writes, under the sanitizers."""
    for name, text in files.items():
        (folder / name).write_text(text)
    dsp = cmsis_dsp.sources()
    command = [
        *("gcc", "-std=c11", "-O1", "-ffp-contract=off", "-fsanitize=address,undefined", "-Wall", "-Wextra"),
        *("-fno-sanitize-recover=all", "-Werror", f"-I{folder}", f"-I{paths.firmware() / 'kernels'}"),
        *(f"-isystem{p}" for p in dsp.include_dirs),
        *(str(folder / "frontend.c"), str(Path(__file__).with_name("pipe.c")), *map(str, dsp.c_files)),
        *("-lm", "-o", str(folder / "program")),
    ]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    ran = subprocess.run(
        [folder / "program"], input=pcm.astype("<i2").tobytes(), capture_output=True, check=False
    )
    assert ran.returncode == 0, ran.stderr.decode()
    return ran.stdout


@pytest.mark.parametrize("name", ["micro", "samples"])
def test_nothing_of_a_clip_s_end_is_in_the_code(name: str) -> None:
    files = render_frontend(SPECS[name].in_steps(3), **INT8)
    for word in ("pad_end", "finished", "frontend_finish"):
        assert not re.search(word, files["frontend.c"] + files["frontend.h"]), word
    assert f"#define FRONTEND_STEP_SAMPLES {3 * SPECS[name].hop_length}" in files["frontend.h"]
    assert "FRONTEND_STEP_SAMPLES" not in render_frontend(SPECS[name], **INT8)["frontend.h"]


@pytest.mark.parametrize("name", ["default", "hu2020_streamed", "mlperf_kws", "edge_impulse_mfe"])
def test_what_cannot_go_on(name: str) -> None:
    spec = specs.load(name)
    assert not spec.can_continue
    with pytest.raises(FeatureError, match="not valid") as caught:
        spec.replace(continues=True)
    assert caught.value.where == "continues"
