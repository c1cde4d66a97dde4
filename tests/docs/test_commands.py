# SPDX-License-Identifier: Apache-2.0
"""Every command of the README, the tutorial and other pages runs, in the order in which it stands there.

What a test cannot do is replaced, in one table with its reason; nothing else is changed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import dense
from tests.support import outside

ROOT = Path(__file__).resolve().parents[2]
KWS = outside.model("mlperf_tiny_kws_int8.tflite")
LIMIT_S = 1800  # of a hang

pytestmark = [
    pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no cross compiler"),
    pytest.mark.skipif(not shutil.which("bash"), reason="no bash"),
]


@dataclass(frozen=True)
class Instead:
    """``pattern`` becomes ``text``, because of ``reason``; an empty text leaves the command out."""

    pattern: str
    text: str
    reason: str


INSTEAD = (
    Instead(
        r"^tools/setup && \. \.venv/bin/activate$", "", "installs packages; the tests run in what it made"
    ),
    Instead(
        r"^tools/(test|demo|esc10)\b.*",
        "",
        "the tests themselves; the demo and ESC-10 take minutes of training",
    ),
    Instead(r"^ascmcu flash( && |$)", "", "needs a board"),
    Instead(r"--serial /dev/ttyACM0", "--on host", "needs a board"),
    Instead(r"^(ascmcu data synth recordings)$", r"\1 --clips 10 --seconds 1", "time"),
    Instead(r"^(ascmcu train .*)$", r"\1 --epochs 1", "time"),
    Instead(r"^(ascmcu bench .*--on sim --data .*?)( --limit \d+)?$", r"\1 --limit 1", "time"),
    Instead(r"^(ascmcu doctor)$", r"\1 || [ $? = 1 ]", "1 says that something is missing here"),
    Instead(r"^python ", f"{sys.executable} ", "the environment of the tests"),
)


def commands(page: Path) -> list[str]:
    """The lines of the page's blocks that have no language, without their comments."""
    found: list[str] = []
    language: str | None = None
    for line in page.read_text().splitlines():
        if line.startswith("```"):
            language = line[3:] if language is None else None
        elif language == "":
            found.append(line.partition("  #")[0].strip())
    return [line for line in found if line]


def bounded(line: str) -> str:
    """The line as the test runs it."""
    for change in INSTEAD:
        line = re.sub(change.pattern, change.text, line)
    return line


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment whose ``ascmcu`` is this checkout's."""
    folder = tmp_path_factory.mktemp("bin")
    program = folder / "ascmcu"
    program.write_text(f"#!{sys.executable}\nfrom ascmcu.cli import main\nmain()\n")
    program.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{folder}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``train/<class>/*.wav`` and ``test/<class>/*.wav``."""
    from ascmcu.data import datasets, synth

    made = synth.write(
        tmp_path_factory.mktemp("scenes") / "made", synth.SynthSpec(clips_per_scene=10, clip_seconds=1.0)
    )
    folder = tmp_path_factory.mktemp("recordings")
    for number, recording in enumerate(datasets.load(made).recordings):
        to = folder / ("test" if recording.part == "5" else "train") / recording.label
        to.mkdir(parents=True, exist_ok=True)
        shutil.copy(recording.path, to / f"{number}.wav")
    return folder


def _own_model(folder: Path) -> None:
    """``model.tflite`` and ``inputs.npy``."""
    (folder / "model.tflite").write_bytes(KWS.read_bytes() if KWS.is_file() else dense(490, 12))
    shape = (2, 1, 49, 10, 1) if KWS.is_file() else (2, 1, 490)
    np.save(folder / "inputs.npy", np.random.default_rng(1).integers(-128, 128, shape, np.int8))


def _run(page: Path, folder: Path, environment: dict[str, str]) -> list[str]:
    ran = []
    for line in commands(page):
        text = bounded(line)
        if not text:
            continue
        done = subprocess.run(
            ["bash", "-c", text], cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT_S
        )
        assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        ran.append(line)
    return ran


def test_the_readme(tools: dict[str, str], recordings: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    _own_model(tmp_path)
    shutil.copytree(recordings, tmp_path / "recordings")
    ran = _run(ROOT / "README.md", tmp_path, tools)
    assert sum(line.startswith("ascmcu ") for line in ran) >= 8
    assert (tmp_path / "build" / "report.html").is_file()


def test_the_readmes_python(tools: dict[str, str], tmp_path: Path) -> None:
    _own_model(tmp_path)
    (code,) = re.findall(
        r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=tools, capture_output=True, text=True, timeout=LIMIT_S
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("CountSummary(network=") and done.stdout.strip().endswith("report.html")


def test_the_tutorial(tools: dict[str, str], tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    _own_model(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    ran = _run(ROOT / "docs" / "tutorial.md", tmp_path, tools)
    assert len(ran) >= 13
    for name in (
        "build/report.html",
        "build-layers/bench-sim.json",
        "library/model.c",
        "build-kws/report.html",
    ):
        assert (tmp_path / name).is_file(), name


def test_the_page_on_reports(tools: dict[str, str], tmp_path: Path) -> None:
    _own_model(tmp_path)
    for line in (
        "ascmcu export model.tflite --board nucleo-f446 --features none -q",
        "ascmcu bench --on sim --tensors inputs.npy -q",
        "mkdir results && cp build/bench-sim.json results/kws.json && cp -r build build-kws",
        "cp results/kws.json before.json && cp results/kws.json after.json",
    ):
        subprocess.run(["bash", "-c", line], cwd=tmp_path, env=tools, check=True)
    page = (
        (ROOT / "docs" / "report.md").read_text().replace("--y accuracy", "--y ram")
    )  # tensors have no accuracy
    (tmp_path / "page.md").write_text(page)
    assert len(_run(tmp_path / "page.md", tmp_path, tools)) == 6
    assert (tmp_path / "kws.html").is_file() and (tmp_path / "pareto.svg").is_file()


def test_the_three_jobs(tools: dict[str, str], recordings: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    for name, outputs in (("model", 12), ("before", 12), ("after", 12)):
        (tmp_path / f"{name}.tflite").write_bytes(dense(490, outputs))
    shutil.copytree(recordings, tmp_path / "recordings")
    ran = _run(ROOT / "docs" / "three-jobs.md", tmp_path, tools)
    assert len(ran) == 7
    assert (tmp_path / "build" / "bench-host.json").is_file() and (
        tmp_path / "build-after" / "report.html"
    ).is_file()
    (tmp_path / "after.tflite").write_bytes(dense(490, 64))
    compare = ran[-1].replace("build-after", "build-larger")
    for line, status in (("ascmcu try after.tflite -o build-larger --no-open", 0), (compare, 1)):
        done = subprocess.run(["bash", "-c", line], cwd=tmp_path, env=tools, capture_output=True, text=True)
        assert done.returncode == status, f"{line}: an exceeded budget fails a CI\n{done.stdout}{done.stderr}"


def test_a_blackpill_from_nothing(tools: dict[str, str], tmp_path: Path) -> None:
    """Five commands, without a network: the pack index of a proxy that refuses is never asked."""
    _own_model(tmp_path)
    offline = {**tools, "HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
    ran = _run(ROOT / "docs" / "blackpill.md", tmp_path, offline)
    assert len(ran) == 5 and all(line.startswith("ascmcu ") for line in ran)
    result = json.loads((tmp_path / "build" / "bench-sim.json").read_text())
    assert result["board"] == "my-pill" and result["clock_hz"] == 100_000_000 and result["wait_states"] == 3


@pytest.mark.parametrize("page", ["from-tflm.md", "from-st-edge-ai.md"])
def test_the_pages_for_newcomers(page: str, tools: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(dense(490, 12))
    assert len(_run(ROOT / "docs" / page, tmp_path, tools)) == 2


def test_what_is_replaced_is_still_there() -> None:
    """A replacement that matches nothing hides nothing, and must go."""
    pages = ("README.md", "docs/tutorial.md", "docs/three-jobs.md")
    lines = [x for page in pages for x in commands(ROOT / page)]
    for change in INSTEAD:
        assert any(re.search(change.pattern, line) for line in lines), change.pattern
