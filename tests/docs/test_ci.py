# SPDX-License-Identifier: Apache-2.0
"""The workflow for CI, run step by step in a repository that is not ours, with nothing but the wheel.

What a test cannot do is left out by name, with the reason; Renode is a stand-in. The rest runs as it stands there.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ascmcu.data import synth
from ascmcu.features.spec import load_log_mel
from ascmcu.runners.renode import MIN_VERSION
from ascmcu.toolchain.manifest import Manifest
from tests.support import audio, wheels

yaml = pytest.importorskip("yaml")
ROOT = Path(__file__).resolve().parents[2]
CI = ROOT / "docs" / "ci"
WORKFLOW = yaml.safe_load((CI / "ascmcu.yml").read_text())
GITLAB = yaml.safe_load((CI / "ascmcu.gitlab-ci.yml").read_text())
LEFT_OUT = {"tools": "installs packages of the system", "renode": "downloads a release"}
RUNNERS = {"sim": "", "qemu": "20", "renode": "4"}
LIMIT_S = 1800  # of a hang

pytestmark = [
    pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no cross compiler"),
    pytest.mark.skipif(not (shutil.which("bash") and shutil.which("git")), reason="no bash or git"),
]


def _steps(job: str) -> list[str]:
    return [step["run"] for step in WORKFLOW["jobs"][job]["steps"] if "run" in step]


@dataclass(frozen=True)
class Repository:
    """A stranger's repository with two commits, and the environment in which its CI runs."""

    folder: Path
    base: str
    environment: dict[str, str]

    def run(self, lines: list[str], **variables: str) -> None:
        """The lines, each in a shell of its own as a CI does; one that fails ends the test."""
        for line in lines:
            done = self.attempt(line, **variables)
            assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"

    def git(self, *arguments: str, given: bytes = b"") -> str:
        """What a git command in the repository says."""
        git = ["git", "-c", "user.name=n", "-c", "user.email=e@example.org", *arguments]
        done = subprocess.run(git, cwd=self.folder, env=self.environment, input=given, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def commit(self, files: dict[str, bytes] | None = None, parent: str = "") -> str:
        """A commit of these files, which lie at the root; the working tree stays as it is."""
        entries = "".join(
            f"100644 blob {self.git('hash-object', '-w', '--stdin', given=data)}\t{name}\n"
            for name, data in sorted((files or {}).items())
        )
        tree = self.git("mktree", given=entries.encode())
        return self.git("commit-tree", tree, "-m", "made", *(("-p", parent) if parent else ()))

    def attempt(self, line: str, **variables: str) -> subprocess.CompletedProcess[str]:
        if line.split()[-1] in LEFT_OUT:
            line = "true"
        environment = {**self.environment, **variables}
        command = ["bash", "-e", "-c", line]
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=LIMIT_S
        )


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    from ascmcu.quantize import metadata

    folder = tmp_path_factory.mktemp("stranger")
    repository = folder / "repository"
    (repository / "ci").mkdir(parents=True)
    shutil.copy(CI / "ascmcu.sh", repository / "ci")
    shutil.copy(wheels.build(folder), repository / "ci")
    made = synth.write(folder / "scenes", synth.SynthSpec(clips_per_scene=5, clip_seconds=1.0))
    clips = repository / WORKFLOW["env"]["CLIPS"]
    for number, path in enumerate(sorted((made / "audio").glob("*.wav"))[:6]):
        to = clips / f"class{number % 2}"
        to.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, to)
    model, toml = audio.write(folder, seconds=1.0)
    labels = [f"class{i}" for i in range(audio.CLASSES)]
    network = metadata.embedded(model.read_bytes(), load_log_mel(toml), labels)
    (repository / WORKFLOW["env"]["MODEL"]).write_bytes(network)

    site = folder / "site"
    _renode(folder / "renode")
    environment = {
        **{k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        **{key: str(value) for key, value in WORKFLOW["env"].items()},
        "PATH": f"{site / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(site),
        # In place of a fresh machine: the wheel goes into a folder of its own, in front of what is installed here.
        "PIP_TARGET": str(site),
        "PIP_NO_DEPS": "1",
        "PIP_NO_INDEX": "1",
        "PIP_UPGRADE": "1",
        "RENODE_HOME": str(folder / "renode"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
    }
    git = ["git", "-c", "user.name=n", "-c", "user.email=e@example.org"]
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "base"]):
        subprocess.run([*git, *command], cwd=repository, env=environment, check=True)
    base = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=repository, capture_output=True, text=True, check=True
    ).stdout.strip()
    return Repository(repository, base, environment)


def _renode(folder: Path) -> None:
    """A release as it unpacks: ``renode``, ``renode-test`` and its requirements; the machine is the simulator."""
    (folder / "tests").mkdir(parents=True)
    (folder / "tests" / "requirements.txt").touch()
    program = ROOT / "tests" / "support" / "renode_stand_in.py"
    for name, mode in (("renode", ""), ("renode-test", "--robot ")):
        script = folder / name
        script.write_text(f'#!/bin/sh\n"{sys.executable}" -P "{program}" {mode}"$@"\nexit $?\n')
        script.chmod(0o755)


@pytest.fixture(scope="module")
def installed(stranger: Repository) -> Repository:
    """Behind the first job, and the installation in the second."""
    stranger.run(_steps("wheel"))
    stranger.run(["bash ci/ascmcu.sh install"])
    return stranger


@pytest.mark.parametrize("runner", RUNNERS)
def test_the_steps_run_where_they_were_copied_to(runner: str, installed: Repository) -> None:
    folder = installed.folder
    where = installed.attempt("python -P -c 'import ascmcu; print(ascmcu.__file__)'").stdout
    assert where.startswith(installed.environment["PYTHONPATH"]), (
        "the checkout would be tested, not the wheel"
    )
    for name in ("junit.xml", "table.md", "report.html", "result.json"):
        (folder / name).unlink(missing_ok=True)
    steps = [line for line in _steps("bench") if not line.endswith(" install")]
    installed.run(steps, RUNNER=runner, LIMIT=RUNNERS[runner], BASE=installed.base)
    assert (folder / "result-base.json").exists() == (runner == "sim")
    assert "<testsuite" in (folder / "junit.xml").read_text()
    assert "<html" in (folder / "report.html").read_text()
    counted = "cycles" if runner == "sim" else "instructions"
    assert f'"{counted}"' in (folder / "result.json").read_text()
    if runner == "renode":
        assert (folder / "robot" / "robot_output.xml").is_file()
    assert (folder / "table.md").read_text() in Path(installed.environment["GITHUB_STEP_SUMMARY"]).read_text()


def test_a_change_for_the_worse_fails_and_is_told(installed: Repository, tmp_path: Path) -> None:
    """The base is what the model was; this change takes twice as many cycles."""
    folder = installed.folder
    variables = {"RUNNER": "sim", "LIMIT": "1", "BASE": installed.base}
    model = folder / WORKFLOW["env"]["MODEL"]
    good = model.read_bytes()
    try:
        from ascmcu.quantize import metadata

        _, toml = audio.write(tmp_path, seconds=1.0)
        spec = load_log_mel(toml)
        labels = [f"class{i}" for i in range(audio.CLASSES)]
        model.write_bytes(metadata.embedded(audio.network(spec, channels=16), spec, labels))
        installed.run(["bash ci/ascmcu.sh bench", "bash ci/ascmcu.sh base"], **variables)
        done = installed.attempt("bash ci/ascmcu.sh compare", **variables)
    finally:
        model.write_bytes(good)
    assert done.returncode == 1, done.stderr
    assert "<failure" in (folder / "junit.xml").read_text()
    assert "cycles" in (folder / "table.md").read_text()


SHORT = {"RUNNER": "sim", "LIMIT": "1"}


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"BASE": ""}, "BASE is empty"),
        ({"BASE": "empty"}, "holds no model.tflite"),
        ({"BASE": "empty", "RUNNER": "qemu"}, "qemu counts instructions"),
    ],
)
def test_without_a_base_the_result_is_told_alone(
    variables: dict[str, str], told: str, installed: Repository
) -> None:
    if variables["BASE"]:
        variables = {**variables, "BASE": installed.commit()}
    done = installed.attempt("bash ci/ascmcu.sh base", **{**SHORT, **variables})
    assert (done.returncode, "nothing is compared" in done.stdout) == (0, True) and told in done.stdout
    if not variables["BASE"]:
        installed.run(["bash ci/ascmcu.sh bench"], **SHORT)
        done = installed.attempt("bash ci/ascmcu.sh compare", **SHORT, BASE="")
        assert done.returncode == 0 and "no budget was checked" in done.stdout
        assert "cycles" in (installed.folder / "table.md").read_text()


def test_a_base_that_is_not_in_the_clone_fails_or_is_fetched(installed: Repository, tmp_path: Path) -> None:
    """A shallow clone, as CIs make them, and a commit that a force push has taken away."""
    done = installed.attempt("bash ci/ascmcu.sh base", **SHORT, BASE="1234" * 10)
    assert done.returncode == 1 and "no budget was checked" in done.stderr and "fetch-depth" in done.stderr
    assert not (installed.folder / "result-base.json").exists()

    origin, base = tmp_path / "origin", installed.base
    installed.git("clone", "--quiet", str(installed.folder), str(origin))
    there = dataclasses.replace(installed, folder=origin)
    tip = there.commit(parent=base)
    there.git("update-ref", "HEAD", tip)
    shallow = dataclasses.replace(installed, folder=tmp_path / "shallow")
    installed.git("clone", "--quiet", "--depth", "1", origin.as_uri(), str(shallow.folder))
    assert shallow.attempt(f"git cat-file -e {base}").returncode != 0
    script = installed.folder / "ci" / "ascmcu.sh"
    shutil.copytree(installed.folder / installed.environment["CLIPS"], shallow.folder / "tests" / "clips")
    shallow.run([f"bash {script} base"], **SHORT, BASE=base)
    assert (shallow.folder / "result-base.json").stat().st_size > 1000


def test_a_base_that_cannot_be_measured_is_told_and_stops_nothing(installed: Repository) -> None:
    """The change that repairs a broken model must be able to pass."""
    broken = installed.commit({WORKFLOW["env"]["MODEL"]: b"no model"})
    installed.run(["bash ci/ascmcu.sh bench"], **SHORT)
    done = installed.attempt("bash ci/ascmcu.sh base", **SHORT, BASE=broken)
    assert done.returncode == 0 and f"the base {broken} could not be measured" in done.stderr
    assert "not a TensorFlow Lite model" in done.stderr
    assert not list(installed.folder.glob("result-base.json*"))
    done = installed.attempt("bash ci/ascmcu.sh compare", **SHORT, BASE=broken)
    table = (installed.folder / "table.md").read_text()
    assert done.returncode == 0 and "no budget was checked" in done.stdout
    assert f"The base {broken} could not be measured" in table and "not a TensorFlow" in table
    assert "cycles" in table and "<testsuite" in (installed.folder / "junit.xml").read_text()


@pytest.mark.parametrize("what", ["FEATURES", "TENSORS"])
def test_a_model_without_its_specification_is_given_one_or_tensors(
    what: str, installed: Repository, tmp_path: Path
) -> None:
    model, toml = audio.write(tmp_path, seconds=1.0)
    shutil.copy(model, installed.folder / "bare.tflite")
    shutil.copy(toml, installed.folder / "small.toml")
    recording = next((installed.folder / WORKFLOW["env"]["CLIPS"]).rglob("*.wav"))
    for number in range(audio.CLASSES):
        (installed.folder / "ten" / f"class{number}").mkdir(parents=True, exist_ok=True)
        shutil.copy(recording, installed.folder / "ten" / f"class{number}")
    variables = {**SHORT, "MODEL": "bare.tflite", "FEATURES": "small.toml", "CLIPS": "ten"}
    if what == "TENSORS":
        installed.run(["ascmcu export bare.tflite --board nucleo-f446 --features none -o bare"])
        spec = Manifest.load(installed.folder / "bare").inputs[0]
        np.save(installed.folder / "in.npy", np.zeros((2, *spec.shape), dtype=spec.dtype))
        variables |= {"FEATURES": "none", "TENSORS": "in.npy"}
    base = installed.commit({"bare.tflite": model.read_bytes(), "small.toml": toml.read_bytes()})
    steps = [f"bash ci/ascmcu.sh {step}" for step in ("bench", "base", "compare")]
    installed.run(steps, **variables, BASE=base)
    assert (installed.folder / "result-base.json").is_file()


def test_both_files_have_the_same_steps() -> None:
    assert [GITLAB["wheel"]["script"], GITLAB["bench"]["script"]] == [_steps("wheel"), _steps("bench")]
    matrix: list[dict[str, Any]] = WORKFLOW["jobs"]["bench"]["strategy"]["matrix"]["include"]
    assert {row["runner"]: row["limit"] for row in matrix} == RUNNERS
    assert {row["RUNNER"]: row["LIMIT"] for row in GITLAB["bench"]["parallel"]["matrix"]} == RUNNERS
    shared = {key: str(value) for key, value in WORKFLOW["env"].items()}
    assert {key: str(GITLAB["variables"][key]) for key in shared} == shared
    kept = WORKFLOW["jobs"]["bench"]["steps"][-1]["with"]["path"].split()
    assert kept == GITLAB["bench"]["artifacts"]["paths"]


def test_every_step_is_one_that_there_is() -> None:
    script = (CI / "ascmcu.sh").read_text()
    there = set(re.findall(r"^step_(\w+)\(\)", script, re.MULTILINE))
    assert {line.split()[-1] for job in ("wheel", "bench") for line in _steps(job)} == there
    assert set(LEFT_OUT) < there
    assert set(re.search(r"usage: .* ([\w|]+)$", script, re.MULTILINE)[1].split("|")) == there  # type: ignore[index]


def test_the_release_of_renode_is_new_enough() -> None:
    release = tuple(map(int, WORKFLOW["env"]["RENODE"].split(".")))
    assert release >= MIN_VERSION
    assert "github.com/renode/renode/releases/download/v$RENODE/" in (CI / "ascmcu.sh").read_text()
