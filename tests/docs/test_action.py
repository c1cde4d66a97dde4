# SPDX-License-Identifier: Apache-2.0
"""The GitHub Action and the Dockerfile at the root: the action's steps run here, with the wheel's command line."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import dense

yaml = pytest.importorskip("yaml")
ROOT = Path(__file__).resolve().parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}


def test_every_expression_names_an_input_or_a_step() -> None:
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    used = set(re.findall(r"inputs\.([\w-]+)", text))
    assert used == set(ACTION["inputs"])
    assert set(re.findall(r"steps\.(\w+)", text)) <= {step.get("id") for step in STEPS.values()}
    assert all(step["shell"] == "bash" for step in STEPS.values()) and ACTION["runs"]["using"] == "composite"


@pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no cross compiler")
def test_the_steps_run(tmp_path: Path) -> None:
    (tmp_path / "ascmcu" / "bin").mkdir(parents=True)
    program = tmp_path / "ascmcu" / "bin" / "ascmcu"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ascmcu "$@"\n')
    program.chmod(0o755)
    (tmp_path / "small.tflite").write_bytes(dense(16, 4))
    values = {name: told.get("default", "") for name, told in ACTION["inputs"].items()}
    values |= {"model": "small.tflite", "runner": "host", "budgets": "ram=131072 flash=400000"}
    outputs = tmp_path / "outputs"

    def run(name: str, **changed: str) -> subprocess.CompletedProcess[str]:
        known = {f"inputs.{key}": value for key, value in {**values, **changed}.items()}
        lines = outputs.read_text().splitlines() if outputs.exists() else []
        known |= {f"steps.bench.outputs.{line.partition('=')[0]}": line.partition("=")[2] for line in lines}
        given = {
            key: re.sub(r"\$\{\{ (.*?) \}\}", lambda found: known[found[1]], text)
            for key, text in STEPS[name].get("env", {}).items()
        }
        environment = {
            **os.environ, **given, "PYTHONPATH": str(ROOT), "RUNNER_TEMP": str(tmp_path),
            "GITHUB_OUTPUT": str(outputs), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        }  # fmt: skip
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", STEPS[name]["run"]]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    done = run("Benchmark")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "ascmcu-out" / "report.html").is_file() and "### small" in (
        tmp_path / "summary.md"
    ).read_text()
    assert run("Budgets").returncode == 0
    assert run("Budgets", budgets="ram=1").returncode == 1
    assert (
        run("Budgets", budgets="ram=+1%", base=str(tmp_path / "ascmcu-out" / "result.json")).returncode == 0
    )
    assert run("Budgets", budgets="nonsense").returncode == 2


def test_the_dockerfile_copies_what_the_wheel_is_made_of() -> None:
    """And nothing that is not there; the tests of the wheel build it from the same folders."""
    from tests.support import wheels

    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    copied = {
        word for line in re.findall(r"^COPY (?!--)(.*) \S+$", text, re.MULTILINE) for word in line.split()
    }
    assert all((ROOT / path).exists() for path in copied)
    assert {"pyproject.toml", "README.md", "LICENSE", "ascmcu", "tools/bundle.py", *wheels.FOLDERS} == copied
