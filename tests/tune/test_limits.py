# SPDX-License-Identifier: Apache-2.0
"""``--limits`` of every verb that makes or takes a model: before anything is spent, with figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from ascmcu import zoo
from ascmcu.cli import cli
from ascmcu.data import datasets, synth
from ascmcu.errors import AscmcuError, InputError, LimitError
from ascmcu.results import limits as challenges
from ascmcu.train import recipe as recipes
from ascmcu.tune import limits

TOO_LARGE = "network.filters=[256,256,512]"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = synth.SynthSpec(clips_per_scene=5, clip_seconds=1.0, sample_rate_hz=8000)
    return synth.write(tmp_path_factory.mktemp("limits") / "data", spec)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of a million parameters and more than a hundred million products, in int8."""
    zoo.load_tensorflow()
    from ascmcu.quantize import ptq

    x = np.random.default_rng(0).standard_normal((2, 128, 96, 2)).astype(np.float32)
    path = tmp_path_factory.mktemp("large") / "large.tflite"
    path.write_bytes(ptq.int8(zoo.build("bupt", (128, 96, 2), 3, {}), x))
    return path


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, standalone_mode=False)


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("dcase2020-1b", "bytes of non-zero parameters > 512,000"),
        ("dcase2021-1a", "bytes of non-zero parameters > 131,072"),
        ("dcase2022", "parameters > 128,000"),
        ("dcase2023", "MACs > 30,000,000"),
        ("dcase2024", "bytes of parameters > 128,000"),
        ("dcase2025", "MACs > 30,000,000"),
        ("nucleo-f446", "of flash"),
    ],
)
def test_every_limit_has_figures(large: Path, tmp_path: Path, name: str, figures: str) -> None:
    assert {name} <= set(limits.names())
    result = _run(
        "export", str(large), "--board", "nucleo-f446", "-o", str(tmp_path / "out"), "--limits", name
    )
    assert isinstance(result.exception, LimitError) and result.exception.exit_status == 1
    assert name in str(result.exception) and figures in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_all_challenges_are_tried() -> None:
    marks = test_every_limit_has_figures.pytestmark[0].args[1]  # type: ignore[attr-defined]
    assert {name for name, _ in marks} >= {limit.name for limit in challenges.LIMITS}


def test_nothing_is_trained_that_exceeds_a_limit(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    result = _run(
        "train", "demo", "--data", str(data), "-o", str(folder), "--set", TOO_LARGE, "--limits", "dcase2023"
    )  # fmt: skip
    assert isinstance(result.exception, LimitError), result.exception
    assert "parameters > 128,000" in str(result.exception)
    assert not folder.exists()


@pytest.mark.parametrize(
    "verb", [("train", "demo", "--data", "d"), ("export", "m", "--board", "nucleo-f446")]
)
def test_a_name_that_is_no_limit(verb: tuple[str, ...]) -> None:
    result = _run(*verb, "--limits", "dcase1999")
    assert isinstance(result.exception, InputError) and "no such limit" in str(result.exception)


def test_untrained_weights_count_as_trained_ones(data: Path) -> None:
    """Offsets that begin at zero are bytes all the same once they are trained."""
    zoo.load_tensorflow()
    dataset = datasets.load(data)
    recipe = recipes.load("demo", [TOO_LARGE])
    with pytest.raises(LimitError) as caught:
        limits.require_untrained(recipe, dataset, ["dcase2021-1a"])
    assert "non-zero" in str(caught.value)
    limits.require_untrained(recipes.load("demo"), dataset, [name.name for name in challenges.LIMITS])
    assert isinstance(caught.value, AscmcuError)
