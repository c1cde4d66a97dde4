# SPDX-License-Identifier: Apache-2.0
"""A run that goes on from another, and one run for each device, as DCASE 2025 task 1 takes them."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner, Result

from ascmcu.challenges.info import TEMPLATE
from ascmcu.cli import cli
from ascmcu.data import datasets
from ascmcu.train import loop, run
from ascmcu.train import recipe as recipes
from tests.train import tau
from tests.train.test_layouts_train import RECIPE

DEVICES = ("a", "b", "s1")
FURTHER = """
[data]
train = ["train"]
test = ["test"]

[training]
epochs = 3
batch = 4
learning_rate = 0.01
seed = 5
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``dev`` of three devices, ``all`` trained on it, and ``further.toml``."""
    root = tmp_path_factory.mktemp("devices")
    tau.mobile(root / "dev", seconds_in_name=True, places=2, tested=DEVICES)
    (root / "general.toml").write_text(RECIPE.format(train='["train"]', test='["test"]'))
    (root / "further.toml").write_text(FURTHER)
    done = _train("general.toml", "-o", str(root / "all"), at=root)
    assert done.exit_code == 0, f"{done.output} {done.exception}"
    return root


def _train(recipe: str, *arguments: str, at: Path, data: str = "dev") -> Result:
    return CliRunner().invoke(cli, ["train", str(at / recipe), "--data", str(at / data), *arguments])


def _weights(folder: Path) -> list[np.ndarray]:
    return list(keras.saving.load_model(folder / "model.keras", compile=False).get_weights())


def test_a_run_for_each_device_and_their_predictions(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    begun = str(home / "all")
    done = _train("further.toml", "--start", begun, "--per-device", "-o", str(out), "--json", at=home)
    assert done.exit_code == 0, f"{done.output} {done.exception}"
    told = json.loads(done.stdout)
    assert tuple(told) == DEVICES
    general = recipes.of_run(home / "all")
    for device in DEVICES:
        mine = recipes.of_run(out / device)
        assert (mine.features, mine.network) == (general.features, general.network), "fitted once, for all"
        assert (mine.data.devices, mine.start.run) == ((device,), begun)
        # Ten scenes, each at two places to learn from and one to test on.
        assert told[device]["recordings"]["recordings"] == 90, "the cache of features is that of all devices"
        assert told[device]["int8"]["clips"] == 10
        assert told[device]["int8"]["by_device"].keys() == {device}
        assert _differ(_weights(out / device), _weights(home / "all"))
    assert _differ(_weights(out / "a"), _weights(out / "b"))
    shown = " ".join(done.stderr.split())
    assert f"ascmcu submit dcase2025-task1 {begun} a={out}/a b={out}/b s1={out}/s1" in shown

    # The predictions: recordings of b have the scores of b's model, others those of all.
    for number in range(2):
        shutil.copy(home / "dev" / "audio" / "bus-vienna-100-0-0-b.wav", _place(tmp_path, f"{number}.wav"))
    listed = "filename\tdevice_id\naudio/0.wav\tb\naudio/1.wav\ts7\n"
    (tmp_path / "eval" / "evaluation_setup").mkdir()
    (tmp_path / "eval" / "evaluation_setup" / "fold1_test.csv").write_text(listed)
    (tmp_path / "info.toml").write_text(TEMPLATE)
    rows = {
        name: _predictions(home, tmp_path, name, [begun, *runs])
        for name, runs in (("alone", []), ("both", [f"b={out / 'b'}"]))
    }
    assert rows["both"][1] == rows["alone"][1] != rows["both"][0]
    assert rows["alone"][0] == rows["alone"][1], "one recording, by one model"


def _place(root: Path, name: str) -> Path:
    (root / "eval" / "audio").mkdir(parents=True, exist_ok=True)
    return root / "eval" / "audio" / name


def _predictions(home: Path, folder: Path, name: str, runs: list[str]) -> list[list[str]]:
    """The scores of each recording."""
    given = ["--data", str(folder / "eval"), "--development", str(home / "dev")]
    done = CliRunner().invoke(
        cli,
        ["submit", "dcase2025-task1", *runs, *given, "--info", str(folder / "info.toml"), "-o", str(folder / name)],
    )  # fmt: skip
    assert done.exit_code == 0, f"{done.output} {done.exception}"
    (file,) = (folder / name).rglob("output.csv")
    with file.open(newline="") as table:
        return [row[1:] for row in csv.reader(table, delimiter="\t")][1:]


def _differ(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return any(not np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_the_weights_of_the_run_are_what_it_starts_with(home: Path, tmp_path: Path) -> None:
    """With a rate of zero nothing but the normalisations' statistics moves."""
    data = datasets.load(home / "dev")
    changes = [f"start.run={home / 'all'}", "training.learning_rate=1e-30", "training.epochs=1"]
    still = run.train(recipes.load(str(home / "further.toml"), changes), data, tmp_path / "run").model
    before = keras.saving.load_model(home / "all" / "model.keras", compile=False)
    weights = list(zip(before.trainable_weights, still.trainable_weights, strict=True))
    assert weights and all(np.array_equal(a.numpy(), b.numpy()) for a, b in weights)


def test_cut_off_it_goes_on_and_finished_runs_stay(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "STATE_SECONDS", 0.0)
    arguments = ("--start", str(home / "all"), "--per-device", "-o")
    whole = _train("further.toml", *arguments, str(tmp_path / "whole"), at=home)
    assert whole.exit_code == 0, whole.output
    calls = {"cut": 0, "again": 0}
    real = loop._epoch

    def counted(*given: object) -> loop.Epoch:
        calls["cut"] += 1
        if calls["cut"] == 6:  # the last one of device b
            raise KeyboardInterrupt
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "_epoch", counted)
    assert _train("further.toml", *arguments, str(tmp_path / "cut"), at=home).exit_code != 0

    def again(*given: object) -> loop.Epoch:
        calls["again"] += 1
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "_epoch", again)
    done = _train("further.toml", *arguments, str(tmp_path / "cut"), at=home)
    assert done.exit_code == 0, f"{done.output} {done.exception}"
    assert calls["again"] == 1 + 3, "the last of b, and all of s1"
    assert f"{tmp_path}/cut/a is finished" in "".join(done.stderr.split("\n"))
    for device in DEVICES:
        mine, theirs = (tmp_path / name / device / "model.tflite" for name in ("cut", "whole"))
        assert mine.read_bytes() == theirs.read_bytes()
    # Another start is another training.
    moved = tmp_path / "moved"
    shutil.copytree(tmp_path / "whole" / "a", moved)
    calls["again"] = 0
    done = _train("further.toml", "--start", str(moved), "--per-device", "-o", str(tmp_path / "cut"), at=home)
    assert done.exit_code == 0 and calls["again"] == 9


WRONG = {
    "no start": (["--per-device"], "[features]"),
    "no run": (["--start", "dev", "--per-device"], "no finished training run"),
    "a device that recorded nothing": (["--set", 'data.devices=["c"]'], "no recording of device 'c'"),
    "another network": (["--set", "network.name=cp_mobile"], "found [network]"),
    "other options": (["--set", "network.name=dscnn"], "found [network]"),
    "other features": (["--set", "features.sample_rate_hz=16000"], "found [features]"),
    "another task": (["--set", "training.task=multi_label"], "found [training] task"),
    "groups": (["--set", 'heads.groups={in=["bus"]}'], "found [heads] groups"),
    "its own folder": (["-o", "all"], "would replace the one that it starts from"),
    "a fusion": (["--set", 'fusion.runs=["all"]'], "a fusion starts from no run"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong(name: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments, words = WRONG[name]
    monkeypatch.chdir(home)
    before = sorted(home.rglob("*"))
    start = [] if "start" in name or "run" in name.split() else ["--start", "all"]
    where = [] if "-o" in arguments else ["-o", str(tmp_path / "out")]
    done = _train("further.toml", *start, *where, *arguments, at=home)
    said = " ".join(f"{done.exception} {getattr(done.exception, 'found', '')}".split())
    assert done.exit_code != 0
    assert words in f"{said} found {getattr(done.exception, 'found', '')} {_shown(done.exception)}"
    assert not (tmp_path / "out").exists() and sorted(home.rglob("*")) == before


def _shown(error: BaseException | None) -> str:
    return " ".join(str(value) for value in vars(error).values()) if error else ""


def test_recordings_without_devices(home: Path, tmp_path: Path) -> None:
    plain = tmp_path / "dev"
    shutil.copytree(home / "dev", plain)
    table = (plain / "meta.csv").read_text().splitlines()
    (plain / "meta.csv").write_text("\n".join(line.rpartition("\t")[0] for line in table) + "\n")
    shutil.copy(home / "further.toml", tmp_path)
    arguments = ["--start", str(home / "all"), "--per-device", "-o", str(tmp_path / "out")]
    done = _train("further.toml", *arguments, at=tmp_path)
    assert "the recordings name no devices" in str(done.exception)
    assert not (tmp_path / "out").exists()


def test_other_classes(home: Path, tmp_path: Path) -> None:
    tau.mobile(tmp_path / "dev", seconds_in_name=True, scenes=tau.SCENES[:2])
    shutil.copy(home / "further.toml", tmp_path)
    done = _train("further.toml", "--start", str(home / "all"), "-o", str(tmp_path / "out"), at=tmp_path)
    assert "the run has other labels" in str(done.exception)


def test_the_shipped_recipe_takes_the_runs_network(home: Path) -> None:
    recipe = recipes.load("device", [f"start.run={home / 'all'}"])
    general = recipes.of_run(home / "all")
    assert (recipe.features, recipe.network, recipe.training.epochs) == (
        general.features,
        general.network,
        50,
    )
    assert recipes.Recipe.from_dict(json.loads(json.dumps(recipe.to_dict())), "again") == recipe
