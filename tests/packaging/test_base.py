# SPDX-License-Identifier: Apache-2.0
"""The base install: small, and enough for export, bench on host and simulator, and report."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement

from ascmcu.data import synth
from tests.cli.conftest import dense
from tests.support.tflite_builder import OperatorSpec, TensorSpec, build

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# What may be imported only where an extra has brought it, by the name of the import.
LARGE = (
    "ai_edge_litert", "ai_edge_quantizer", "cmsis_pack_manager", "keras", "librosa", "llvmlite", "matplotlib", "numba",
    "optuna", "pooch", "psycopg", "scipy", "sklearn", "tensorflow",
)  # fmt: skip
MOST_BYTES = 300_000_000
WITHOUT = "import sys; sys.modules.update(dict.fromkeys({}.split(','))); from ascmcu.cli import main; main()"
needs_cross = pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no cross compiler")


def _ascmcu(
    folder: Path, *arguments: str, without: tuple[str, ...] = LARGE
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-c", WITHOUT.format(repr(",".join(without))), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def _closure(names: list[str]) -> set[str]:
    """Distributions that pip installs for these requirements, as far as they are installed here."""
    found: set[str] = set()
    waiting = [Requirement(line) for line in names]
    while waiting:
        wanted = waiting.pop()
        if wanted.name.lower() in found:
            continue
        found.add(wanted.name.lower())
        for line in importlib.metadata.requires(wanted.name) or []:
            inner = Requirement(line)
            if inner.marker is None or any(inner.marker.evaluate({"extra": e}) for e in ("", *wanted.extras)):
                waiting.append(inner)
    return found


def test_the_base_install_is_small() -> None:
    sizes = {}
    for name in _closure(PROJECT["dependencies"]):
        files = importlib.metadata.files(name) or []
        paths = {Path(str(file.locate())) for file in files}
        sizes[name] = sum(path.stat().st_size for path in paths if path.is_file())
    assert "numpy" in sizes and "unicorn" in sizes and "scipy" not in sizes
    assert sum(sizes.values()) < MOST_BYTES, sorted(sizes.items(), key=lambda item: -item[1])


@needs_cross
def test_export_bench_and_report_need_no_extra(tmp_path: Path) -> None:
    """And the simulator counts the same cycles in Python as through Numba."""
    (tmp_path / "small.tflite").write_bytes(dense(16, 4))
    made = _ascmcu(tmp_path, "export", "small.tflite", "--board", "nucleo-f446", "--json")
    assert made.returncode == 0, made.stderr
    on_host = _ascmcu(tmp_path, "bench", "--on", "host", "--json")
    assert on_host.returncode == 0, on_host.stderr
    slow, fast = (
        _ascmcu(tmp_path, "bench", "--json", without=without) for without in (LARGE, ("tensorflow",))
    )
    assert (slow.returncode, fast.returncode) == (0, 0), slow.stderr + fast.stderr
    assert "without Numba" in slow.stderr and "pip install" in slow.stderr and "Numba" not in fast.stderr
    counted, right = (json.loads(done.stdout) for done in (slow, fast))
    assert counted["cycles"] == right["cycles"] and counted["layers"] == right["layers"]
    told = _ascmcu(tmp_path, "report")
    assert told.returncode == 0, told.stderr
    for runner in ("host", "sim"):
        assert _ascmcu(tmp_path, "report", f"build/bench-{runner}.json", "--format", "text").returncode == 0


def _of_features(frames: int, bands: int, classes: int) -> bytes:
    """One fully connected layer over (1, frames, bands, 1)."""
    size = frames * bands
    weights = np.random.default_rng(1).integers(-127, 128, (classes, size), dtype=np.int8)
    tensors = [
        TensorSpec("x", (1, frames, bands, 1), scales=(0.1,)),
        TensorSpec("shape", (2,), "int32", data=np.array([1, size], np.int32)),
        TensorSpec("flat", (1, size), scales=(0.1,)),
        TensorSpec("weights", weights.shape, scales=(0.01,), data=weights),
        TensorSpec("bias", (classes,), "int32", scales=(0.001,), data=np.zeros(classes, np.int32)),
        TensorSpec("y", (1, classes), scales=(0.5,)),
    ]
    layers = [OperatorSpec("RESHAPE", [0, 1], [2]), OperatorSpec("FULLY_CONNECTED", [2, 3, 4], [5])]
    return build(tensors, layers, [0], [5])


@needs_cross
def test_recordings_through_a_front_end_need_no_extra(tmp_path: Path) -> None:
    """Filters, windows, spectrograms of mistakes: all of it by NumPy."""
    (tmp_path / "flat.tflite").write_bytes(_of_features(49, 10, 6))
    synth.write(tmp_path / "scenes", synth.SynthSpec(clips_per_scene=1, clip_seconds=1.0))
    (tmp_path / "labels.txt").write_text("".join(f"{name}\n" for name in synth.SCENES))
    made = _ascmcu(tmp_path, "export", "flat.tflite", "--board", "nucleo-f446", "--features", "mlperf_kws")
    assert made.returncode == 0, made.stderr
    benched = _ascmcu(tmp_path, "bench", "--on", "host", "--data", "scenes", "--labels", "labels.txt")
    assert benched.returncode == 0, benched.stderr
    told = _ascmcu(tmp_path, "report")
    assert told.returncode == 0, told.stderr


@pytest.mark.parametrize(
    ("arguments", "need"),
    [
        (("train", "demo", "--data", "scenes"), "needs TensorFlow"),
        (("quantize", "small.tflite"), "needs TensorFlow"),
        (("features", "check", "default", "--data", "scenes"), "needs librosa"),
    ],
)
def test_what_an_extra_brings_is_named_with_its_install_line(
    arguments: tuple[str, ...], need: str, tmp_path: Path
) -> None:
    (tmp_path / "small.tflite").write_bytes(dense(16, 4))
    synth.write(tmp_path / "scenes", synth.SynthSpec(clips_per_scene=2, clip_seconds=1.0))
    done = _ascmcu(tmp_path, *arguments)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert need in done.stderr and "-m pip install " in done.stderr, done.stderr
