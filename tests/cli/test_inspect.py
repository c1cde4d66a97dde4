# SPDX-License-Identifier: Apache-2.0
"""``ascmcu inspect``: what it counts, and the challenges' limits."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from ascmcu import api
from ascmcu.codegen.frontend import frontend_cost
from ascmcu.features import spec as specs
from ascmcu.ir.figures import Figures
from ascmcu.results.limits import LIMITS, by_name
from tests.cli.conftest import Ascmcu
from tests.support import outside, recipes_flat
from tests.support.recipes import Recipe, Step
from tests.support.tflite_builder import OperatorSpec, TensorSpec, build

FIGURES = Figures(
    parameters=128_000, parameter_bytes=128_000, nonzero_bytes=128 * 1024, macs=30_000_000, int8_weights=True
)


def _failing(figures: Figures) -> list[str]:
    return [limit.name for limit in LIMITS if limit.exceeded(figures)]


def test_limits_are_inclusive() -> None:
    assert _failing(FIGURES) == []


def test_each_limit_bounds_what_its_year_bounded() -> None:
    def failing(**changes: object) -> list[str]:
        return _failing(dataclasses.replace(FIGURES, **changes))

    assert failing(parameters=128_001) == ["dcase2022", "dcase2023"]
    assert failing(int8_weights=False) == ["dcase2022", "dcase2023"]
    assert failing(parameter_bytes=128_001) == ["dcase2024", "dcase2025"]
    assert failing(nonzero_bytes=128 * 1024 + 1) == ["dcase2021-1a"]
    assert failing(nonzero_bytes=500 * 1024 + 1) == ["dcase2020-1b", "dcase2021-1a"]
    assert failing(macs=30_000_001) == ["dcase2022", "dcase2023", "dcase2024", "dcase2025"]


def test_what_is_too_much_is_said() -> None:
    limit = by_name("dcase2022")
    assert limit is not None
    assert limit.exceeded(dataclasses.replace(FIGURES, parameters=130_000)) == (
        "130,000 parameters > 128,000",
    )


@pytest.mark.parametrize(
    ("name", "layers", "parameters", "macs"),
    [
        ("mlperf_tiny_kws_int8", 13, 22_604, 2_656_768),
        ("mlperf_tiny_ic_resnet8_int8", 16, 77_706, 12_501_632),
    ],
)
def test_published_models(ascmcu: Ascmcu, name: str, layers: int, parameters: int, macs: int) -> None:
    path = outside.model(f"{name}.tflite")
    outside.require(path)
    done = ascmcu("inspect", path, "--json")
    assert done.status == 0, done.stderr
    report = json.loads(done.stdout)
    assert (len(report["layers"]), report["parameters"], report["macs"]) == (layers, parameters, macs)
    assert sum(layer["macs"] for layer in report["layers"]) == macs
    assert sum(layer["parameters"] for layer in report["layers"]) == parameters
    assert report["ram_rows_bytes"] < report["ram_layers_bytes"]
    assert all(limit["passed"] for limit in report["limits"])
    assert {board["name"] for board in report["boards"]} >= {"nucleo-f446"}


def test_a_front_end_counts_for_the_boards(ascmcu: Ascmcu) -> None:
    path = outside.model("mlperf_tiny_kws_int8.tflite")
    outside.require(path)
    done = ascmcu("inspect", path, "--features", "mlperf_kws", "--json")
    assert done.status == 0, done.stderr
    report = json.loads(done.stdout)
    spec = specs.load("mlperf_kws")
    cost = frontend_cost(spec)
    assert report["frontend"] == {
        "shape": [49, 10, 1], "ram_bytes": cost.ram_bytes, "tables_bytes": cost.tables_bytes, "streams": False,
        "held_for": ["amplitude"],
        "streamed_ram_bytes": frontend_cost(spec.replace(amplitude="full_scale")).ram_bytes,
    }  # fmt: skip
    assert report["frontend"]["streamed_ram_bytes"] < cost.ram_bytes / 2
    shown = " ".join(ascmcu("inspect", path, "--features", "mlperf_kws").stdout.split())
    assert f"{cost.ram_bytes:,} bytes of RAM" in shown and "it holds the clip (amplitude)" in shown
    planned = ascmcu("plan", path, "--features", "mlperf_kws").stdout
    assert f"the front end takes {cost.ram_bytes:,} bytes of RAM" in planned


def test_the_front_end_of_the_model_itself_counts(ascmcu: Ascmcu, tmp_path: Path) -> None:
    """A microWakeWord file names its own; ``none`` leaves it out."""
    path = outside.model("microwakeword_v2_okay_nabu.tflite")
    outside.require(path)
    (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "nabu.json").write_text(
        json.dumps(
            {
                "type": "micro", "wake_word": "Okay Nabu", "model": path.name, "version": 2,
                "micro": {"probability_cutoff": 0.85, "sliding_window_size": 5, "feature_step_size": 10},
            }
        )
    )  # fmt: skip
    told = json.loads(ascmcu("inspect", tmp_path / "nabu.json", "--json").stdout)
    alone = json.loads(ascmcu("inspect", tmp_path / "nabu.json", "--features", "none", "--json").stdout)
    assert told["frontend"]["ram_bytes"] > 1000 and told["frontend"]["streams"] and alone["frontend"] is None
    assert told["layers"] == alone["layers"]


def test_zeros_count_where_the_year_counted_them(ascmcu: Ascmcu, tmp_path: Path) -> None:
    window = {"kernel": [1, 1], "stride": [1, 1], "same": True, "act": "none", "dilation": [1, 1]}
    steps = (Step("conv", (0,), {**window, "channels": 8, "groups": 1, "dead": 3}),)
    path = tmp_path / "dead.tflite"
    path.write_bytes(recipes_flat.make(Recipe((1, 4, 3, 5), "int8", 11, steps)))
    report = api.inspect(path)
    assert report.parameters == 8 * 5 + 8 and report.parameter_bytes == 8 * 5 + 8 * 4
    assert report.nonzero_bytes < report.parameter_bytes
    done = ascmcu("inspect", path)
    assert done.status == 0 and "dcase2020-1b" in done.stdout and "conv2d" in done.stdout


def test_model_that_cannot_be_exported(ascmcu: Ascmcu, tmp_path: Path) -> None:
    """What it holds, counted, with what is in the way; not an error of the command."""
    quant = {"scales": (0.05,), "zero_point": 3}
    tensors = [TensorSpec(name, (1, 4), **quant) for name in ("x", "a", "b")]
    operators = [OperatorSpec("ABS", [0], [1]), OperatorSpec("ROUND", [1], [2])]
    path = tmp_path / "net.tflite"
    path.write_bytes(build(tensors, operators, [0], [2]))
    done = ascmcu("inspect", path, "--json")
    found = json.loads(done.stdout)
    assert done.status == 0
    assert not found["exportable"] and found["why"].startswith("an operator is not supported\n")
    counted = {(o["name"], o["dtype"], o["count"], o["supported"]) for o in found["operators"]}
    assert counted == {("ABS", "int8", 1, True), ("ROUND", "int8", 1, False)}
    assert (found["inputs"], found["subgraphs"]) == (["x int8[1x4]"], 1)
    shown = ascmcu("inspect", path).stdout
    assert "ROUND" in shown and "cannot be exported" in shown


def _damaged(**changes: object) -> bytes:
    """One layer of which a tensor or the operator says what cannot be."""
    weights = np.ones((4, 16), np.int8)
    tensors = {
        "x": TensorSpec("x", (1, 16), scales=(0.1,)),
        "w": TensorSpec("w", (4, 16), scales=(0.01,), data=weights),
        "y": TensorSpec("y", (1, 4), scales=(0.5,)),
    }
    operators, outputs = [OperatorSpec("FULLY_CONNECTED", [0, 1, -1], [2])], [2]
    if "operators" in changes:
        operators = changes.pop("operators")  # type: ignore[assignment]
    if "outputs" in changes:
        outputs = changes.pop("outputs")  # type: ignore[assignment]
    for name, change in changes.items():
        tensors[name] = dataclasses.replace(tensors[name], **change)  # type: ignore[arg-type]
    return build(list(tensors.values()), operators, [0], outputs)


DAMAGED = {
    "truncated or corrupt": lambda: _damaged()[:200],
    "not a TensorFlow Lite model": lambda: b"no model, though it is long enough",
    "invalid quantization": lambda: _damaged(y={"scales": (1e-30,)}),
    "unusable zero points": lambda: _damaged(y={"zero_point": 1 << 40}),
    "does not have the tensor's size": lambda: _damaged(w={"data": np.ones((4, 15), np.int8)}),
    "dynamic or invalid shape": lambda: _damaged(x={"shape": (1, -16)}),
    "output does not fit input and weights": lambda: _damaged(y={"shape": (1, 5)}),
    "an output is never computed": lambda: _damaged(operators=[]),
    "is not a tensor of the file": lambda: _damaged(outputs=[7]),
    "shape or type that the operator computes": lambda: _damaged(
        operators=[OperatorSpec("LOGISTIC", [0], [2])]
    ),
}


@pytest.mark.parametrize("verb", ["inspect", "inspect --json", "export --board nucleo-f446", "try --no-open"])
@pytest.mark.parametrize("said", DAMAGED)
def test_a_damaged_file_is_an_error(said: str, verb: str, ascmcu: Ascmcu, tmp_path: Path) -> None:
    (tmp_path / "net.tflite").write_bytes(DAMAGED[said]())
    done = ascmcu(*verb.split(), "net.tflite")
    assert done.status == 2 and said in done.stderr and not done.stdout, done
    assert done.stderr.startswith("error: ") and [path.name for path in tmp_path.iterdir()] == ["net.tflite"]


def test_a_model_that_is_only_not_supported_is_shown(ascmcu: Ascmcu, tmp_path: Path) -> None:
    """Weights that are computed: TensorFlow Lite allows them."""
    tensors = [TensorSpec(name, (1, 16), scales=(0.1,)) for name in ("x", "v")]
    tensors.append(TensorSpec("y", (1, 1), scales=(0.5,)))
    operators = [OperatorSpec("LOGISTIC", [0], [1]), OperatorSpec("FULLY_CONNECTED", [0, 1, -1], [2])]
    (tmp_path / "net.tflite").write_bytes(build(tensors, operators, [0], [2]))
    done = ascmcu("inspect", "net.tflite")
    assert done.status == 0 and "cannot be exported:" in done.stdout, done
    assert ascmcu("export", "net.tflite", "--board", "nucleo-f446").status == 2
