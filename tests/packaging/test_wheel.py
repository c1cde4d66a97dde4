# SPDX-License-Identifier: Apache-2.0
"""The wheel alone, outside any checkout: everything that it needs is inside it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ascmcu.data import synth
from tests.cli.conftest import dense
from tests.support import outside, wheels

ROOT = Path(__file__).resolve().parents[2]
KWS = outside.model("mlperf_tiny_kws_int8.tflite")
needs_cross = pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no cross compiler")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the sources, so that nothing is written beside them."""
    return wheels.build(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's contents alone, to stand first on the path."""
    site = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target"]
    done = subprocess.run([*command, str(site), str(wheel)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return site


def _files(folder: Path) -> set[str]:
    return {
        p.relative_to(folder).as_posix()
        for p in folder.rglob("*")
        if p.is_file() and not p.name.startswith(".")
    }


def test_the_wheel_holds_the_package_and_its_bundle(wheel: Path) -> None:
    source = wheel.parent / "source"
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    bundle = {
        f"ascmcu/_bundle/{folder}/{name}" for folder in wheels.FOLDERS for name in _files(source / folder)
    }
    package = {f"ascmcu/{name}" for name in _files(source / "ascmcu")}
    assert inside == bundle | package | {"ascmcu/_bundle/LICENSE"}


def _run(site: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # -P: the current folder is no place to import from.
    program = "import sys; from ascmcu.cli import main; sys.argv[0] = 'ascmcu'; main()"
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-P", "-c", program, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_the_installed_package_is_what_runs(installed: Path, tmp_path: Path) -> None:
    program = (
        "import ascmcu; from ascmcu import paths; print(ascmcu.__file__, paths.boards(), paths.firmware())"
    )
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-P", "-c", program]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert all(path.startswith(f"{installed}{os.sep}") for path in done.stdout.split())


def _export_bench_report(site: Path, folder: Path, export: list[str], bench: list[str]) -> None:
    """From the .tflite to the page; the page and its figures must be there."""
    made = _run(site, folder, "export", "network.tflite", "--board", "nucleo-f446", *export, "--json")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["fits"]
    benched = _run(site, folder, "bench", "--on", "sim", *bench, "--json")
    assert benched.returncode == 0, benched.stderr
    assert json.loads(benched.stdout)["cycles"]["network"] > 0
    told = _run(site, folder, "report", "--budget", "ram=131072")
    assert told.returncode == 0, told.stderr
    page = (folder / "build" / "report.html").read_text()
    assert "Where the work goes" in page and "<svg" in page


@needs_cross
def test_from_a_model_to_a_page_by_the_wheel_alone(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "network.tflite").write_bytes(KWS.read_bytes() if KWS.is_file() else dense(490, 12))
    shape = (3, 1, 49, 10, 1) if KWS.is_file() else (3, 1, 490)
    np.save(tmp_path / "in.npy", np.random.default_rng(1).integers(-128, 128, shape, np.int8))
    tensors = ["--tensors", "in.npy"]
    _export_bench_report(installed, tmp_path, ["--features", "none"], tensors)


@needs_cross
def test_from_a_trained_model_to_a_page_by_the_wheel_alone(installed: Path, tmp_path: Path) -> None:
    """The model comes out of a training of one epoch: as large and as slow as after all of them."""
    pytest.importorskip("tensorflow")
    synth.write(tmp_path / "scenes", synth.SynthSpec(clips_per_scene=10, clip_seconds=1.0))
    trained = _run(installed, tmp_path, "train", "demo", "--data", "scenes", "--epochs", "1", "-o", "run")
    assert trained.returncode == 0, trained.stderr
    (tmp_path / "run" / "model.tflite").rename(tmp_path / "network.tflite")
    clips = ["--data", "scenes", "--split", "5", "--limit", "2"]
    _export_bench_report(installed, tmp_path, [], clips)
    assert "Confusion matrix" in (tmp_path / "build" / "report.html").read_text()


@needs_cross
def test_the_schema_and_the_templates_of_the_report_are_in_the_wheel(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    for name in (
        "results/bench.schema.json",
        "_bundle/templates/report.html.j2",
        "_bundle/templates/report.css",
    ):
        assert f"ascmcu/{name}" in inside
