# SPDX-License-Identifier: Apache-2.0
"""``ascmcu submit``: packages read back and held against what the challenge's validator asks; what is refused."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result

from ascmcu.api.compiling import compile_model
from ascmcu.challenges import records
from ascmcu.challenges.info import TEMPLATE
from ascmcu.cli import cli
from ascmcu.ir.figures import figures_of
from tests.data import layouts_made
from tests.train import tau
from tests.train.test_layouts_train import RECIPE

FIELDS = {  # what the organisers' validator asks of each block
    ("submission",): {"label", "name", "abbreviation", "authors"},
    ("system",): {"description", "complexity", "external_datasets", "source_code"},
    ("system", "description"): {
        "input_sampling_rate", "acoustic_features", "data_augmentation", "machine_learning_method",
        "external_data_usage", "complexity_management", "pipeline", "framework", "split_adaptations",
        "system_adaptations",
    },
    ("system", "complexity"): {
        "total_model_size", "total_parameters", "total_parameters_non_zero", "memory_use", "macs",
    },
    ("results", "development_dataset"): {"split_5", "split_10", "split_25", "split_50", "split_100"},
    ("results", "development_dataset", "split_25"): {"overall", "class_wise", "device_wise"},
    ("results", "development_dataset", "split_25", "overall"): {"accuracy", "logloss"},
    ("results", "development_dataset", "split_25", "class_wise"): set(tau.SCENES),
    ("results", "development_dataset", "split_25", "device_wise"): {
        "a", "b", "c", "s1", "s2", "s3", "s4", "s5", "s6",
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``dev`` with subsets, ``eval`` without labels, a trained ``run`` and the authors' ``info.toml``."""
    root = tmp_path_factory.mktemp("challenge")
    tau.mobile(root / "dev", seconds_in_name=True, places=1)
    lists = root / "dev" / "evaluation_setup"
    for share in ("25", "100"):
        (root / "dev" / f"split{share}.csv").write_text((lists / "fold1_train.csv").read_text())
    for number in range(5):
        layouts_made.tone(root / "eval" / "audio" / f"{number}.wav", number, number)
    rows = "".join(f"audio/{number}.wav\n" for number in range(5))
    (root / "eval" / "meta.csv").write_text("filename\n" + rows)
    recipe = root / "tiny.toml"
    recipe.write_text(RECIPE.format(train='["split25"]', test='["test"]'))
    done = CliRunner().invoke(
        cli, ["train", str(recipe), "--data", str(root / "dev"), "-o", str(root / "run")]
    )
    assert done.exit_code == 0, done.output
    (root / "info.toml").write_text(TEMPLATE)
    return root


def _submit(root: Path, *arguments: str, info: str = "info.toml", data: str = "eval") -> Result:
    given = ["--data", str(root / data), "--development", str(root / "dev"), "--info", str(root / info)]
    return CliRunner().invoke(cli, ["submit", *arguments, *given])


def test_package(sets: Path, tmp_path: Path) -> None:
    challenge = "dcase2024-task1"
    done = _submit(sets, challenge, str(sets / "run"), "-o", str(tmp_path / "out"), "--json")
    assert done.exit_code == 0, f"{done.output} {done.exception}"
    label = "Lastname_INSTITUTE_task1_1"
    folder = tmp_path / "out" / "task1" / label
    told = json.loads(done.stdout)
    assert Path(told["folder"]) == folder
    assert sorted(path.name for path in folder.iterdir()) == sorted(told["files"])
    assert set(told["files"]) == {f"{label}.output.split_25.csv", f"{label}.meta.yaml"}

    with (folder / f"{label}.output.split_25.csv").open(newline="") as file:
        rows = list(csv.reader(file, delimiter="\t"))
    assert tuple(rows[0]) == records.find(challenge).columns
    assert [row[0] for row in rows[1:]] == [f"{number}.wav" for number in range(5)]
    scores = np.array([[float(value) for value in row[2:]] for row in rows[1:]])
    assert np.abs(scores.sum(axis=1) - 1).max() < 1e-5
    assert [row[1] for row in rows[1:]] == [tau.SCENES[n] for n in scores.argmax(axis=1)]

    content = yaml.safe_load((folder / f"{label}.meta.yaml").read_text())
    for keys, fields in FIELDS.items():
        block = content
        for key in keys:
            block = block[key]
        assert set(block) == fields, keys
    results = content["results"]["development_dataset"]["split_25"]
    assert set(results["class_wise"]["bus"]) == {"accuracy", "logloss"}
    macro = np.mean([one["accuracy"] for one in results["class_wise"].values()])
    assert results["overall"]["accuracy"] == pytest.approx(macro, abs=0.01)
    assert content["submission"]["label"] == label
    assert sum(author["corresponding"] for author in content["submission"]["authors"]) == 1
    assert content["results"]["development_dataset"]["split_5"]["overall"] == {
        "accuracy": None,
        "logloss": None,
    }
    assert "no model for split5, split10, split50, split100" in " ".join(done.stderr.split())

    counted = content["system"]["complexity"]
    found = figures_of(compile_model(sets / "run").source)
    assert (counted["total_parameters"], counted["macs"], counted["memory_use"]) == (
        found.parameters, found.macs, found.parameter_bytes,
    )  # fmt: skip
    assert 0 < counted["total_parameters_non_zero"] <= counted["total_parameters"]
    assert counted["total_model_size"] == (sets / "run" / "model.tflite").stat().st_size


def test_predictions_by_device(sets: Path, tmp_path: Path) -> None:
    """DCASE 2025: every recording by the model of its device; here both models are one, told apart by nothing."""
    (sets / "eval" / "evaluation_setup").mkdir(exist_ok=True)
    listed = "".join(
        f"audio/{n}.wav\t{device}\n" for n, device in enumerate(("a", "s7", "b", "a", "unknown"))
    )
    (sets / "eval" / "evaluation_setup" / "fold1_test.csv").write_text("filename\tdevice_id\n" + listed)
    run, out = str(sets / "run"), tmp_path / "out"
    done = _submit(sets, "dcase2025-task1", run, f"a={run}", "-o", str(out), "--json")
    assert done.exit_code == 0, f"{done.output} {done.exception}"
    told = json.loads(done.stdout)
    folder = out / "predictions" / "Lastname_INSTITUTE_task1_1"
    assert Path(told["folder"]) == folder
    assert {path.name for path in folder.iterdir()} == {"output.csv", "test_accuracy.json", "complexity.json"}
    with (folder / "output.csv").open(newline="") as file:
        rows = list(csv.reader(file, delimiter="\t"))
    assert tuple(rows[0]) == ("filename", "scene_label", *tau.SCENES)
    assert [row[0] for row in rows[1:]] == [f"audio/{number}.wav" for number in range(5)]
    # The same bits as the package of 2024 has for the same model.
    before = _submit(sets, "dcase2024-task1", run, "-o", str(tmp_path / "before"))
    assert before.exit_code == 0
    (other,) = (tmp_path / "before").rglob("*.output.split_25.csv")
    with other.open(newline="") as file:
        assert [row[1:] for row in csv.reader(file, delimiter="\t")][1:] == [row[1:] for row in rows[1:]]
    counted = json.loads((folder / "complexity.json").read_text())
    found = figures_of(compile_model(sets / "run").source)
    assert counted["per_device"]["s6"] == {"MACs": found.macs, "Params": found.parameter_bytes}
    assert (counted["max_MACs"], counted["max_Params"]) == (found.macs, found.parameter_bytes)
    accuracy = json.loads((folder / "test_accuracy.json").read_text())["Test Accuracy"]
    assert accuracy == round(told["accuracy"], 2) and set(told["device_accuracy"]) >= {"a"}
    for arguments, words in (
        ([f"a={run}"], "devices that nobody knows"),
        ([run, f"s9={run}"], "no such device"),
    ):
        wrong = _submit(sets, "dcase2025-task1", *arguments, "-o", str(tmp_path / "wrong"))
        assert words in str(wrong.exception) and not (tmp_path / "wrong").exists()
    (sets / "eval" / "evaluation_setup" / "fold1_test.csv").write_text("filename\nx.wav\n")
    wrong = _submit(sets, "dcase2025-task1", run, "-o", str(tmp_path / "wrong"))
    assert "names no devices" in str(wrong.exception)


def _changed(old: str, new: str) -> Callable[[Path], None]:
    return lambda root: (root / "wrong.toml").write_text(TEMPLATE.replace(old, new))


WRONG: dict[str, tuple[list[str], Callable[[Path], object], str]] = {
    "challenge": (["dcase2014-task1", "run"], _changed("", ""), "no such challenge"),
    "label": (["dcase2024-task1", "run"], _changed("_task1_1", "_task2_1"), "label of the submission"),
    "number": (["dcase2024-task1", "run"], _changed("_task1_1", "_task1_5"), "number 1 to 4"),
    "abbreviation": (["dcase2024-task1", "run"], _changed('"Short"', '"Much too long"'), "1 to 10 characters"),
    "corresponding": (["dcase2024-task1", "run"], _changed("corresponding = true\n", ""), "one author corresponds"),
    "fact": (["dcase2024-task1", "run"], _changed("email =", "mail ="), "did you mean email?"),
    "subset": (["dcase2024-task1", "split7=run"], _changed("", ""), "split5=run"),
    "no run": (["dcase2024-task1", "nowhere"], _changed("", ""), "nowhere"),
    "no arguments": (["dcase2024-task1"], _changed("", ""), "--data, --development, --info and a RUN are needed"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong(name: str, sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments, change, words = WRONG[name]
    monkeypatch.chdir(sets)
    change(sets)
    done = _submit(sets, *arguments, "-o", str(tmp_path / "out"), info="wrong.toml")
    said = done.output if done.exception is None or done.exit_code == 2 else str(done.exception)
    assert done.exit_code != 0
    assert words in " ".join(said.split())
    assert not (tmp_path / "out").exists()


def test_an_absent_recording(sets: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "eval"
    layouts_made.tone(wrong / "audio" / "0.wav", 0, 0)
    (wrong / "meta.csv").write_text("filename\naudio/0.wav\naudio/1.wav\n")
    done = _submit(sets, "dcase2024-task1", str(sets / "run"), "-o", str(tmp_path / "out"), data=str(wrong))
    assert "a recording of the evaluation set is missing" in str(done.exception)
    assert "audio/1.wav" in str(done.exception)


def test_template() -> None:
    done = CliRunner().invoke(cli, ["submit", "dcase2024-task1", "--template"])
    assert done.stdout == TEMPLATE
