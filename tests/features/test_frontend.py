# SPDX-License-Identifier: Apache-2.0
"""The generated C on this machine: every choice of a spec, every way to feed it, and what it says it costs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from ascmcu.codegen.frontend import frontend_cost, render_frontend
from ascmcu.errors import FeatureError
from ascmcu.features import extract
from ascmcu.features import spec as specs
from ascmcu.features.precision import precise, trusted
from ascmcu.toolchain import cmsis_dsp
from ascmcu.toolchain.native import NativeFrontend
from tests.features import target
from tests.features.signals import LOG_MEL, VARIANTS, fitted, noise, variant

# Noise keeps every band loud, so what is left is single precision: its epsilon is 6e-8, a logarithm is about 20
# octaves at most, and a z-score or a delta-delta may magnify that some ten times.
NOISE_ERROR_MAX = 2e-4


@pytest.mark.parametrize("name", VARIANTS)
def test_every_choice_against_librosa(name: str) -> None:
    spec = variant(name)
    samples = noise(spec)
    expected = extract.extract(samples, spec)
    found = NativeFrontend(spec).rows(samples)
    heard = np.ones(spec.shape, bool)
    if spec.filters == "none":  # one bin of noise, other than a band, may be as quiet as it likes
        mel = extract.mel_energies(samples, spec)
        heard = trusted(mel, precise(mel, samples, spec), spec)
        assert np.mean(heard) > 0.99
    np.testing.assert_allclose(found[heard], expected[heard], atol=NOISE_ERROR_MAX)
    assert expected.std() > 1e-3


@pytest.mark.parametrize("name", ["MFCC below the clip's peak", "not centred", "mid and side, cropped"])
def test_rows_do_not_depend_on_the_chunks(name: str) -> None:
    spec = variant(name)
    samples = noise(spec)
    frontend = NativeFrontend(spec)
    rows = [frontend.rows(samples, chunk).tobytes() for chunk in (1, 7, 337, spec.clip_samples)]
    assert len(set(rows)) == 1


@pytest.mark.parametrize("name", ["zeros at the ends", "delta-deltas, repeated edges", "not centred"])
@pytest.mark.parametrize("samples", [0, 1, 700, 9000])
def test_a_clip_that_ends_early_is_silent_to_its_end(name: str, samples: int) -> None:
    spec = variant(name)
    recorded = noise(spec, samples)
    frontend = NativeFrontend(spec)
    rows = frontend.rows(recorded)
    whole = np.pad(recorded, ((0, spec.clip_samples - samples), (0, 0)))
    np.testing.assert_array_equal(rows, frontend.rows(whole))
    np.testing.assert_allclose(rows, extract.extract(recorded, spec), atol=NOISE_ERROR_MAX)


def test_samples_beyond_the_clip_are_ignored_and_reset_forgets() -> None:
    spec = variant("deltas, nearest")
    samples = noise(spec)
    frontend = NativeFrontend(spec)
    rows = frontend.rows(samples)
    longer = np.concatenate([samples, samples])
    np.testing.assert_array_equal(frontend.rows(longer), rows)
    frontend.rows(samples[::-1])
    np.testing.assert_array_equal(frontend.rows(samples), rows)


@pytest.mark.parametrize(("dtype", "zero_point"), [("int8", -20), ("uint8", 100), ("int16", 0)])
def test_quantizes_as_the_host_does(dtype: str, zero_point: int) -> None:
    spec = variant("deltas, nearest")
    samples = noise(spec)
    scale = 0.05 if dtype != "int16" else 0.0005
    expected = extract.quantize(extract.extract(samples, spec), scale, zero_point, dtype)
    found = NativeFrontend(spec, scale=scale, zero_point=zero_point, dtype=dtype).rows(samples)
    steps = np.abs(found.astype(int) - expected)
    assert steps.max() <= 1
    assert np.mean(steps == 0) >= (0.999 if dtype != "int16" else 0.95)
    # A scale this small saturates both ends.
    wide = NativeFrontend(spec, scale=scale / 100, zero_point=zero_point, dtype=dtype).rows(samples)
    limits = np.iinfo(dtype)
    assert (wide.min(), wide.max()) == (limits.min, limits.max)


def test_float_input_takes_no_quantization() -> None:
    spec = variant("MFCC")
    with pytest.raises(FeatureError, match="no quantization"):
        render_frontend(spec, 0.5, 0, "float32")
    with pytest.raises(FeatureError, match="input type"):
        render_frontend(spec, 0.5, 0, "int32")
    with pytest.raises(FeatureError, match="zero point"):
        render_frontend(spec, 0.5, 200, "int8")
    with pytest.raises(FeatureError, match="not fitted"):
        render_frontend(specs.load_log_mel("default"), 0.5, 0, "int8")


def test_same_spec_same_text() -> None:
    spec = variant("MFCC")
    assert render_frontend(spec, 0.5, 0, "int8") == render_frontend(spec, 0.5, 0, "int8")


@target.needs_gcc
@pytest.mark.parametrize("name", [*LOG_MEL, *VARIANTS])
def test_cost_is_what_the_compiler_makes_of_it(name: str, tmp_path: Path) -> None:
    """Also: no warning under the strictest flags, and no heap, no library call but memcpy, memmove and memset."""
    spec = fitted(specs.load_log_mel(name)) if name in LOG_MEL else variant(name)
    cost = frontend_cost(spec)
    for file, text in render_frontend(spec, 0.05, -3, "int8").items():
        (tmp_path / file).write_text(text)
    assert f"#define FRONTEND_RAM_BYTES {cost.ram_bytes}\n" in (tmp_path / "frontend.h").read_text()
    sizes, undefined = target.compiled(tmp_path)
    assert sizes[".bss.frontend"] == cost.ram_bytes
    own = cost.tables_bytes - dict(cost.tables)["FFT"]
    # The compiler may fold arrays of one or two values into the code.
    assert own - 64 <= sizes[".rodata.features"] <= own + 8
    allowed = {"arm_cfft_f32", "memcpy", "memmove", "memset", "sqrtf"}
    allowed |= {u for u in undefined if u.startswith(("twiddleCoef_", "armBitRevIndexTable", "__aeabi_"))}
    assert undefined <= allowed


def test_cost_bounds() -> None:
    """2048 points, 128 bands, 44.1 kHz: at most 30 KB of RAM and 24 KB of tables."""
    spec = specs.load_log_mel("zhao2021")
    assert (spec.n_fft, spec.n_mels, spec.sample_rate_hz, spec.deltas) == (2048, 128, 44100, 2)
    cost = frontend_cost(spec)
    assert cost.ram_bytes <= 30 * 1024
    assert cost.tables_bytes <= 24 * 1024


SANITIZED = (
    *("dsmn", "hu2020_streamed", "short window, odd length", "not centred", "hop as long as the FFT"),
    *("MFCC below the clip's peak", "mid and side, cropped", "delta-deltas, repeated edges"),
    *("delta-deltas, nearest", "min-max, joint, before deltas", "top_db below the running peak"),
)


@pytest.mark.parametrize("name", SANITIZED)
def test_sanitizers_find_nothing(name: str, tmp_path: Path) -> None:
    spec = fitted(specs.load_log_mel(name)) if name in LOG_MEL else variant(name)
    spec = spec.replace(clip_samples=min(spec.clip_samples, 20 * spec.n_fft))
    samples = noise(spec)
    for file, text in render_frontend(spec, 0.05, -3, "int8").items():
        (tmp_path / file).write_text(text)
    dsp = cmsis_dsp.sources()
    program = tmp_path / "program"
    command = [
        *("gcc", "-std=c11", "-O1", "-g", "-ffp-contract=off", "-fsanitize=address,undefined"),
        *("-fno-sanitize-recover=all", "-Wall", "-Wextra", "-Werror", f"-I{tmp_path}"),
        *(f"-isystem{p}" for p in dsp.include_dirs),
        *(str(tmp_path / "frontend.c"), str(Path(__file__).with_name("pipe.c")), *map(str, dsp.c_files)),
        *("-lm", "-o", str(program)),
    ]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    ran = subprocess.run([program], input=samples.tobytes(), capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode()
    expected = NativeFrontend(spec, scale=0.05, zero_point=-3, dtype="int8").rows(samples)
    assert ran.stdout == expected.tobytes()
