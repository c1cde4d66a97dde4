# SPDX-License-Identifier: Apache-2.0
"""What a run did not run is named at its end, and fails it where that is asked for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import outside

ROOT = Path(__file__).resolve().parents[2]
TESTS = """
import pytest
from tests.support import outside

@outside.needs(outside.model("nobodys.tflite"))
@pytest.mark.parametrize("x", [1, 2])
def test_with_a_model(x):
    pass

def test_with_a_data_set():
    outside.require(outside.dataset("nobodys"))

def test_without():
    pass
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    (folder / "tests").mkdir(parents=True)
    shutil.copyfile(ROOT / "tests" / "conftest.py", folder / "tests" / "conftest.py")
    (folder / "tests" / "test_some.py").write_text(TESTS)
    return folder


def _run(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)} | more
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("workers", ["-n0", "-n1"])
def test_skipped_tests_are_named_and_strict_fails(workers: str, checkout: Path) -> None:
    done = _run(checkout, workers)
    assert done.returncode == 0, done.stdout
    told = done.stdout.partition(" not run ")[2]
    assert "2 × nobodys.tflite is not here: tools/fetch_models fetches it, or ASCMCU_MODELS" in told
    assert "1 × nobodys is not here: ASCMCU_DATASETS names its folder" in told
    assert told.count("test_with_a_model") == 1 and "test_without" not in told
    assert _run(checkout, workers, "--strict-skips").returncode == 1
    assert _run(checkout, workers, "--strict-skips", "-k", "without").returncode == 0


def test_variables_name_the_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASCMCU_CACHE", str(tmp_path / "cache"))
    for name in (outside.MODELS, outside.DATASETS, outside.CASES):
        monkeypatch.delenv(name, raising=False)
    assert outside.model("a.tflite") == tmp_path / "cache" / "models" / "a.tflite"
    for name, place, path in (
        (outside.MODELS, "m", outside.model),
        (outside.DATASETS, "d", outside.dataset),
        (outside.CASES, "c", outside.case),
    ):
        monkeypatch.setenv(name, str(tmp_path / place))
        assert path("x") == tmp_path / place / "x"
        assert outside.missing(path("x")).startswith("x is not here: ") and name in outside.missing(path("x"))
        path("x").parent.mkdir()
        path("x").touch()
        assert outside.missing(path("x")) == ""
