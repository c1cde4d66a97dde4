# SPDX-License-Identifier: Apache-2.0
"""The micro front end: the reference is TensorFlow's library, the generated C is the reference, bit for bit."""

from __future__ import annotations

import ctypes
import json
import math
import os
import random
import subprocess
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pymicro_features
import pytest
from click.testing import CliRunner

from ascmcu import paths
from ascmcu.cli import cli
from ascmcu.codegen.frontend import frontend_cost, render_frontend
from ascmcu.errors import FeatureError
from ascmcu.features import extract, micro, micro_tables
from ascmcu.features import spec as specs
from ascmcu.features.microspec import UNIT, MicroSpec
from ascmcu.toolchain.native import NativeFrontend
from tests.features import target
from tests.features.signals import ESC10, any_micro_spec, extremes, needs_esc10, recordings, swell

RATE_HZ = 16000
MICRO_SPEECH = MicroSpec()
QUANTIZATION = {"scale": 0.1, "zero_point": -128, "dtype": "int8"}
# Other parameters than the package has: made by tools/micro_goldens with TensorFlow's library.
GOLDEN = json.loads(Path(__file__).with_name("micro.json").read_text())
MINUTES = 60 if os.environ.get("ASCMCU_LONG_TESTS") else 1
# A frame of 30 ms at zero wait states.
FRAME_CYCLES_MAX = 60_000
FRAME_CYCLES_MAX_SMALL = 53_000


class Package:
    """The library behind pymicro-features, 30 ms every 10 ms."""

    def __init__(self) -> None:
        self._frontend = pymicro_features.MicroFrontend()

    def reset(self) -> None:
        """As if new."""
        self._frontend.reset()

    def features(self, pcm: npt.NDArray[np.int16]) -> npt.NDArray[np.int64]:
        """All frames that these samples complete, behind those of earlier calls."""
        data, rows = pcm.astype("<i2").tobytes(), []
        while len(data) >= 320:
            made = self._frontend.process_samples(data[:320])
            data = data[2 * made.samples_read :]
            if made.features:
                rows.append(np.rint(np.array(made.features) / UNIT).astype(np.int64))
        return np.array(rows)


def _of_package(samples: int) -> MicroSpec:
    return MicroSpec(step_ms=10, clip_samples=samples)


SIGNALS = {name: pcm[:, 0] for name, pcm in extremes(MICRO_SPEECH.replace(clip_samples=4 * RATE_HZ))}
SIGNALS["swell"] = swell(10 * RATE_HZ)
SIGNALS["least"] = np.full(RATE_HZ, -32768, np.int16)
SIGNALS["chirp"] = (20000 * np.sin(np.arange(8 * RATE_HZ) ** 2 / 1e6)).astype(np.int16)


@pytest.mark.parametrize("name", SIGNALS)
def test_reference_is_the_package(name: str) -> None:
    pcm = SIGNALS[name]
    expected = Package().features(pcm)
    assert len(expected) > 90
    np.testing.assert_array_equal(micro.extract(pcm, _of_package(len(pcm))), expected)


def test_reference_and_c_are_the_package_on_minutes_of_audio() -> None:
    """The noise estimate lives on from call to call; an hour with ASCMCU_LONG_TESTS=1."""
    pcm = np.concatenate([swell(60 * RATE_HZ, seed) for seed in range(MINUTES)])
    spec = _of_package(len(pcm)).replace(mapping="scaled")
    expected = Package().features(pcm)
    assert expected.shape == spec.shape[:2]
    np.testing.assert_array_equal(micro.extract(pcm, spec), expected)
    np.testing.assert_array_equal(NativeFrontend(spec).rows(pcm)[:, :, 0], expected.astype(np.float32) * UNIT)


def test_state_persists_until_reset() -> None:
    """Two halves are one recording to the package and to the C, and a reset forgets the noise."""
    pcm = swell(4 * RATE_HZ)
    half = len(pcm) // 2
    package = Package()
    whole = np.concatenate([package.features(pcm[:half]), package.features(pcm[half:])])
    spec = _of_package(len(pcm))
    frontend = NativeFrontend(spec, **QUANTIZATION)  # type: ignore[arg-type]
    found = frontend.rows(pcm, chunk=half)
    np.testing.assert_array_equal(found[:, :, 0], micro.map_input(whole.astype(np.uint16)))
    np.testing.assert_array_equal(frontend.rows(pcm, chunk=half), found)
    package.reset()
    alone = package.features(pcm[half:])
    second = NativeFrontend(spec.replace(clip_samples=half), **QUANTIZATION)  # type: ignore[arg-type]
    np.testing.assert_array_equal(second.rows(pcm[half:])[:, :, 0], micro.map_input(alone.astype(np.uint16)))
    assert (found[-len(alone) :] != second.rows(pcm[half:])).any()


@needs_esc10
def test_recordings_are_the_package_s() -> None:
    spec = specs.load("microwakeword").replace(clip_samples=5 * RATE_HZ)
    assert isinstance(spec, MicroSpec)
    for pcm in recordings(spec, 6):
        pcm = pcm[: spec.clip_samples]
        expected = Package().features(pcm[:, 0])
        np.testing.assert_array_equal(micro.extract(pcm, spec)[: len(expected)], expected)


@pytest.mark.parametrize("number", range(len(GOLDEN)))
def test_other_parameters_are_the_library_s(number: int) -> None:
    row = GOLDEN[number]
    spec = MicroSpec.from_dict(row["spec"])
    features = micro.extract(swell(spec.clip_samples, row["seed"]), spec)
    assert (list(features.shape), zlib.crc32(features.astype("<u2").tobytes())) == (
        row["shape"],
        row["crc32"],
    )


def test_goldens_reach_every_parameter() -> None:
    # Those of the other library are goldens of their own (tools/signal_goldens).
    fields = set(MICRO_SPEECH.to_dict()) - {"frontend", "resampler", "mapping", "continues", "library"}
    assert fields
    for name in fields:
        assert len({row["spec"][name] for row in GOLDEN}) > 1, name


@pytest.mark.parametrize("seed", range(12))
def test_c_is_the_reference(seed: int) -> None:
    rng = random.Random(seed)
    spec = any_micro_spec(rng)
    pcm = swell(spec.clip_samples, seed)
    for q in ((0.1, -128, "int8"), (0.07, 3, "uint8"), (0.001, -30000, "int16"), (1.0, 0, "float32")):
        if spec.mapping == "micro_speech" and q[2] != "int8":
            with pytest.raises(FeatureError, match="int8"):
                render_frontend(spec, *q)
            continue
        frontend = NativeFrontend(spec, scale=q[0], zero_point=q[1], dtype=q[2])
        expected = extract.inputs(pcm, spec, *q)
        for chunk in (997, spec.clip_samples):
            np.testing.assert_array_equal(frontend.rows(pcm, chunk), expected)


@pytest.mark.parametrize("samples", [0, 1, 479, 480, 9000])
def test_a_clip_that_ends_early_is_silent_to_its_end(samples: int) -> None:
    frontend = NativeFrontend(MICRO_SPEECH, **QUANTIZATION)  # type: ignore[arg-type]
    pcm = swell(RATE_HZ)[:samples]
    whole = np.pad(pcm, (0, RATE_HZ - samples))
    np.testing.assert_array_equal(frontend.rows(pcm), extract.inputs(whole, MICRO_SPEECH, 0.1, -128, "int8"))


def test_mapping_is_that_of_the_example() -> None:
    """0 … 26 × 25.6 to -128 … 127, rounded, saturated."""
    x = np.arange(0, 65536, 7).astype(np.uint16)
    nearest = np.floor(x * 256.0 / 666 + 0.5) - 128
    assert micro.map_input(x).tolist() == np.minimum(nearest, 127).tolist()
    assert micro.map_input(np.array([0, 1, 2, 662, 663, 65535], np.uint16)).tolist() == [
        -128,
        -128,
        -127,
        126,
        127,
        127,
    ]


# Arguments and results of newlib's log1pf (fdlibm) that are not the nearest single-precision numbers.
LOG1P = [
    ("0x1.1249240000000p-2", "0x1.e60c500000000p-3"),
    ("0x1.2924920000000p-1", "0x1.d4a26c0000000p-2"),
    ("0x1.56db6e0000000p-1", "0x1.0674c80000000p-1"),
    ("0x1.6249240000000p+0", "0x1.bcccc40000000p-1"),
    ("0x1.b249240000000p+0", "0x1.fbde000000000p-1"),
    ("0x1.1db6dc0000000p+1", "0x1.2c53400000000p+0"),
    ("0x1.56db6e0000000p+3", "0x1.3afbcc0000000p+1"),
    ("0x1.5b24920000000p+3", "0x1.3c704c0000000p+1"),
    ("0x1.5e00000000000p+3", "0x1.3d66500000000p+1"),
    ("0x1.6800000000000p+3", "0x1.40b5140000000p+1"),
]


@pytest.mark.parametrize(("x", "expected"), LOG1P)
def test_the_logarithm_rounds_as_fdlibm_does(x: str, expected: str) -> None:
    """TensorFlow's library builds its filters with it."""
    argument = np.array([float.fromhex(x)], np.float32)
    found = float(micro_tables.log1p(argument)[0])
    assert found == float.fromhex(expected)
    exact = math.log1p(float(argument[0]))
    assert found != float(np.float32(exact)) and abs(found - exact) < np.spacing(np.float32(exact))


ROOT_PROGRAM = """
#include "micro.h"
uint32_t root(uint64_t x);
uint32_t root(uint64_t x) { return micro_root(x); }
"""


def test_roots(tmp_path: Path) -> None:
    """Rounded to the nearest everywhere but at 65,535, and the reference's."""
    (tmp_path / "root.c").write_text(ROOT_PROGRAM)
    command = ["gcc", "-O2", "-shared", "-fPIC", f"-I{paths.firmware() / 'kernels'}"]
    subprocess.run([*command, str(tmp_path / "root.c"), "-o", str(tmp_path / "root.so")], check=True)
    root = ctypes.CDLL(str(tmp_path / "root.so")).root
    root.restype, root.argtypes = ctypes.c_uint32, [ctypes.c_uint64]
    rng = random.Random(1)
    values = [*range(3000), *(rng.getrandbits(rng.randint(1, 60)) for _ in range(20000))]
    for bits in range(2, 60):
        side = math.isqrt(1 << bits) + rng.randint(0, 3)
        values += [side * side + d for d in (-1, 0, 1, side, side + 1)]
    values += [0xFFFFFFFF + d for d in range(-3, 4)] + [0xFFFF * 0xFFFF + 0xFFFF, 0xFFFF * 0xFFFF + 0x10000]
    values = [x for x in values if 0 <= x < 1 << 60]
    found = [root(x) for x in values]
    assert found == micro.square_root(np.array(values)).tolist()
    for x, y in zip(values, found, strict=True):
        floor = math.isqrt(x)
        assert y == floor + (x - floor * floor > floor and floor != 0xFFFF)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"frontend": "macro"}, "frontend"),
    ({"n_mel": 40}, ""),
    ({"window_ms": 3, "step_ms": 2}, "window_ms"),
    ({"window_ms": 129}, "window_ms"),
    ({"step_ms": 31}, "step_ms"),
    ({"clip_samples": 479}, "clip_samples"),
    ({"fmax_hz": 8000.0}, "fmin_hz, fmax_hz"),
    ({"fmin_hz": 7600.0}, "fmin_hz, fmax_hz"),
    ({"pcan_gain_bits": 14}, "pcan_gain_bits"),
    ({"smoothing_bits": 2}, "smoothing_bits"),
    ({"even_smoothing": 1.5}, "even_smoothing"),
    ({"pcan": 1}, "pcan"),
    ({"mapping": "none"}, "mapping"),
    ({"duration_s": 1.0, "clip_samples": 16000}, "duration_s"),
    ({"duration_s": "1"}, "duration_s"),
]


@pytest.mark.parametrize(("fields", "where"), REFUSED, ids=[str(row[0]) for row in REFUSED])
def test_refuses(fields: dict[str, Any], where: str) -> None:
    with pytest.raises(FeatureError) as caught:
        specs.from_dict({"frontend": "micro", **fields}, "mine.toml")
    assert str(caught.value.where) == (f"mine.toml, {where}" if where else "mine.toml")


def test_duration_and_storage() -> None:
    spec = specs.from_dict({"frontend": "micro", "duration_s": 2.0})
    assert spec.shape == (99, 40, 1) and spec.input_shape == (1, 99, 40, 1)
    assert specs.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    with pytest.raises(FeatureError, match="log-mel"):
        specs.load_log_mel("micro_speech")


@target.needs_gcc
@pytest.mark.parametrize("seed", range(8))
def test_cost_is_what_the_compiler_makes_of_it(seed: int, tmp_path: Path) -> None:
    spec = any_micro_spec(random.Random(seed))
    cost = frontend_cost(spec)
    for file, text in render_frontend(spec, 0.05, -3, "int8").items():
        (tmp_path / file).write_text(text)
    sizes, undefined = target.compiled(tmp_path)
    assert sizes[".bss.frontend"] == cost.ram_bytes
    assert cost.tables_bytes <= sizes[".rodata.features"] <= cost.tables_bytes + 16
    assert undefined <= {"memcpy", "memset"}


@pytest.mark.parametrize("seed", range(4))
def test_sanitizers_find_nothing(seed: int, tmp_path: Path) -> None:
    spec = any_micro_spec(random.Random(seed))
    pcm = np.concatenate([swell(spec.clip_samples - 400), np.full(400, -32768, np.int16)])
    for file, text in render_frontend(spec, 0.05, -3, "int8").items():
        (tmp_path / file).write_text(text)
    program = tmp_path / "program"
    command = [
        *("gcc", "-std=c11", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
        *("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror", f"-I{tmp_path}"),
        *(f"-I{paths.firmware() / 'kernels'}", "-Wno-sign-conversion"),
        *(str(tmp_path / "frontend.c"), str(Path(__file__).with_name("pipe.c")), "-o", str(program)),
    ]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    ran = subprocess.run([program], input=pcm.tobytes(), capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode()
    assert ran.stdout == extract.inputs(pcm, spec, 0.05, -3, "int8").tobytes()


@target.needs_gcc
@target.needs_qemu
@pytest.mark.parametrize("name", SIGNALS)
def test_every_signal_on_qemu_and_sim(name: str, tmp_path: Path) -> None:
    pcm = SIGNALS[name][-RATE_HZ:]
    _same_on_the_core(MICRO_SPEECH, pcm, tmp_path)


@target.needs_gcc
@target.needs_qemu
@pytest.mark.parametrize("seed", range(20, 26))
def test_any_parameters_on_qemu_and_sim(seed: int, tmp_path: Path) -> None:
    spec = any_micro_spec(random.Random(seed))
    _same_on_the_core(spec, swell(spec.clip_samples, seed), tmp_path)


def _same_on_the_core(spec: MicroSpec, pcm: npt.NDArray[np.int16], folder: Path) -> None:
    elf = target.build(folder, spec, pcm[:, None], **QUANTIZATION)  # type: ignore[arg-type]
    rows = extract.inputs(pcm, spec, 0.1, -128, "int8")
    for run in (target.on_qemu, target.on_sim):
        found = run(elf)
        assert (found["rows"], found["hash"]) == (len(rows), target.fnv1a(rows.tobytes()))


@target.needs_gcc
@pytest.mark.parametrize(
    ("level", "most"),
    [("-O2", 46_000), ("-O3", 42_500), ("-Os", FRAME_CYCLES_MAX_SMALL)],
    ids=["O2", "O3", "Os"],
)
def test_cycles_of_a_frame(level: str, most: int, tmp_path: Path) -> None:
    assert most <= FRAME_CYCLES_MAX
    pcm = np.random.default_rng(1).integers(-9000, 9000, RATE_HZ).astype(np.int16)
    found = target.on_sim(target.build(tmp_path, MICRO_SPEECH, pcm[:, None], level=level, **QUANTIZATION))  # type: ignore[arg-type]
    stages = {name: cycles / 49 for name, cycles in found.items() if name not in ("hash", "rows")}
    assert set(stages) == {"window", "fft", "mel", "noise", "quantize"}
    assert all(cycles > 0 for cycles in stages.values())
    assert sum(stages.values()) <= most, stages


@needs_esc10
def test_command_line() -> None:
    arguments = f"features check micro_speech --data {ESC10.parent} --limit 2 --json"
    found = CliRunner().invoke(cli, arguments.split())
    assert found.exit_code == 0, found.output
    report = json.loads(found.output)["micro_speech"]
    assert report == {"clips": 2, "inputs": 2 * 49 * 40, "equal": 2 * 49 * 40, "holds": True}


@pytest.mark.parametrize("points", [128, 512, 2048])
def test_the_transform_is_the_definition_s_but_for_roundings(points: int) -> None:
    """n_fft times smaller, every bin from 0 to half the rate. A stage of KISS FFT multiplies by 32767 // r to divide:
    what comes out is up to 0.12 % too small."""
    rng = np.random.default_rng(points)
    t = np.arange(points)
    signals = [
        np.full(points, 20000.0), 20000 * (-1.0) ** t, 15000 * np.cos(2 * np.pi * 5 * t / points + 1),
        rng.integers(-30000, 30001, points).astype(float), 9000 * np.sin(2 * np.pi * t / 4),
    ]  # fmt: skip
    x = np.rint(np.stack(signals)).astype(np.int64)
    found = micro.real_fft(x)
    expected = np.fft.rfft(x.astype(float), axis=1) / points
    assert found.shape == (len(x), points // 2 + 1, 2)
    assert (
        np.abs(found[..., 0] - expected.real).max() < 32 and np.abs(found[..., 1] - expected.imag).max() < 32
    )
    assert found[0, 0, 0] > 19970 and found[1, -1, 0] > 19970, (
        "the ends have no imaginary part and their whole height"
    )


def test_gain_control_has_as_many_bits_as_its_fft_needs() -> None:
    least = MicroSpec().correction_bits + 12
    assert MicroSpec(pcan_gain_bits=least).snr_shift == 0
    with pytest.raises(FeatureError, match="feature specification is not valid") as caught:
        MicroSpec(pcan_gain_bits=least - 1)
    assert caught.value.where == "pcan_gain_bits" and str(caught.value.expected).startswith(
        f"{least} or more"
    )
    assert MicroSpec(pcan_gain_bits=least - 1, pcan=False).snr_shift == -1, (
        "without it the bits do not matter"
    )


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"window_ms": 4}, "window_ms"), ({"window_ms": 129}, "window_ms"), ({"step_ms": 31}, "step_ms"),
        ({"clip_samples": 479}, "clip_samples"), ({"fmin_hz": 7500.0}, "fmin_hz, fmax_hz"),
        ({"fmax_hz": 7969.0}, "fmin_hz, fmax_hz"), ({"smoothing_bits": 2, "pcan": True}, "smoothing_bits"),
    ],
)  # fmt: skip
def test_specs_beyond_their_bounds_are_refused(changes: dict[str, Any], where: str) -> None:
    with pytest.raises(FeatureError) as caught:
        MicroSpec(**changes)
    assert caught.value.where == where


@pytest.mark.parametrize(
    "changes",
    [
        {"window_ms": 128}, {"step_ms": 30, "window_ms": 30}, {"clip_samples": 480}, {"fmax_hz": 7968.0},
        {"smoothing_bits": 2, "pcan": False},
    ],
)  # fmt: skip
def test_specs_at_their_bounds_are_taken(changes: dict[str, Any]) -> None:
    spec = MicroSpec(**changes)
    assert spec.rows >= 1 and all(getattr(spec, name) == value for name, value in changes.items())


OF_THE_LIBRARY = json.loads(Path(__file__).with_name("signal_library.json").read_text())


@pytest.mark.parametrize("row", OF_THE_LIBRARY["rows"], ids=lambda row: f"seed {row['seed']}")
def test_signal_library(row: dict[str, Any]) -> None:
    """The audio preprocessor of TensorFlow Lite Micro, as its runtime computes it (tools/signal_goldens)."""
    pcm = swell(OF_THE_LIBRARY["samples"], row["seed"])
    spec = specs.load("tflm_audio_preprocessor").replace(clip_samples=len(pcm))
    assert isinstance(spec, MicroSpec)
    expected = extract.inputs(pcm, spec, **QUANTIZATION)
    assert list(expected.shape) == [*row["shape"], 1] and zlib.crc32(expected.tobytes()) == row["crc32"]
    found = NativeFrontend(spec, **QUANTIZATION).rows(pcm)  # type: ignore[arg-type]
    np.testing.assert_array_equal(found.reshape(expected.shape), expected)
    rounded = extract.inputs(pcm, spec.replace(library="microfrontend"), **QUANTIZATION)
    assert (rounded != expected).any()
