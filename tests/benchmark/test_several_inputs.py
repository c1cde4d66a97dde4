# SPDX-License-Identifier: Apache-2.0
"""Networks of several inputs: the integers of LiteRT by every way to run them, the API, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ascmcu
from ascmcu import api, passes
from ascmcu.api.compiling import compile_model
from ascmcu.benchmark import pushes
from ascmcu.errors import DataError, FeatureError
from ascmcu.frontends import tflite
from ascmcu.ir import interp
from ascmcu.ir.types import Array
from ascmcu.toolchain.manifest import Manifest, TensorSpec
from tests.support import chain, several
from tests.support.host_model import HostModel
from tests.support.litert import Reference

SEED, COUNT = 4, 5


@pytest.mark.parametrize("seed", range(8))
def test_generated_code(seed: int) -> None:
    """Rows of all inputs come in step, until an input has no more of them."""
    data = several.network(seed)
    reference, graph = Reference(data), tflite.parse(data, "net")
    last = passes.optimize(graph)
    hosts = [HostModel(last, mode, sanitize=True) for mode in ("layers", "rows")]
    inputs = list(chain.input_sets(graph, 4, np.random.default_rng(seed)))
    assert inputs
    for x in inputs:
        expected = reference(x)
        assert chain.difference(expected, interp.run(graph, x)) is None
        for host in hosts:
            assert chain.difference(expected, host(chain.shaped(last, x))) is None, host


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("several")
    (folder / "net.tflite").write_bytes(several.network(SEED))
    api.export(folder / "net.tflite", "nucleo-f446", folder / "build")
    return folder / "build"


def _inputs(count: int = COUNT) -> dict[str, Array]:
    graph, rng = tflite.parse(several.network(SEED), "net"), np.random.default_rng(7)
    return {
        name: rng.integers(-128, 128, (count, *graph.tensors[name].shape), np.int8)
        for name in graph.data_inputs
    }


def _expected(arrays: dict[str, Array]) -> list[list[Array]]:
    reference = Reference(several.network(SEED))
    return [reference(list(values)) for values in zip(*arrays.values(), strict=True)]


@pytest.mark.parametrize("runner", ["host", "sim", "qemu"])
def test_bench(runner: str, export: Path, tmp_path: Path) -> None:
    arrays = _inputs()
    np.savez(tmp_path / "in.npz", **arrays)
    found = api.bench(export, on=runner, tensors=tmp_path / "in.npz", save_outputs=tmp_path / "out.npy")
    assert np.array_equal(
        np.load(tmp_path / "out.npy"), np.stack([outputs[0] for outputs in _expected(arrays)])
    )
    assert found.clips == COUNT and "held against the integer interpreter" in found.runner_detail


def test_made_inputs(export: Path) -> None:
    assert "held against the integer interpreter" in api.bench(export, on="host", limit=6).runner_detail


@pytest.mark.parametrize("on", ["model", "export"])
def test_predict(on: str, export: Path) -> None:
    arrays = _inputs(3)
    network = export.parent / "net.tflite" if on == "model" else export
    found = ascmcu.predict(network, tuple(arrays.values()))
    outputs = found if isinstance(found, tuple) else (found,)
    assert outputs
    for number, output in enumerate(outputs):
        assert np.array_equal(output, np.stack([each[number] for each in _expected(arrays)]))


def test_try(export: Path, tmp_path: Path) -> None:
    found = api.try_model(export.parent / "net.tflite", "nucleo-f446", tmp_path / "build")
    assert found.agreement.inputs > 0 and found.agreement.worst == 0


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ({"a": "a", "b": "b"}, "an array for each"),
        ({"a": "a", "b": "b", "gate": "gate", "wide": "a"}, "does not hold inputs of this network"),
    ],
)
def test_arrays_that_do_not_fit(names: dict[str, str], says: str, export: Path, tmp_path: Path) -> None:
    arrays = _inputs()
    np.savez(tmp_path / "in.npz", **{name: arrays[source] for name, source in names.items()})
    with pytest.raises(DataError, match=says):
        api.bench(export, on="host", tensors=tmp_path / "in.npz")


def test_arrays_of_different_numbers(export: Path, tmp_path: Path) -> None:
    arrays = _inputs()
    np.savez(tmp_path / "in.npz", **{**arrays, "gate": arrays["gate"][:2]})
    with pytest.raises(DataError, match="of different numbers"):
        api.bench(export, on="host", tensors=tmp_path / "in.npz")
    with pytest.raises(DataError, match="not of one length"):
        ascmcu.predict(
            export.parent / "net.tflite", tuple(a[: 1 + i % 2] for i, a in enumerate(arrays.values()))
        )
    np.save(tmp_path / "in.npy", arrays["a"])
    with pytest.raises(DataError, match="an array for each"):
        api.bench(export, on="host", tensors=tmp_path / "in.npy")


def test_audio_is_refused(export: Path) -> None:
    with pytest.raises(FeatureError, match="several inputs takes tensors, not audio"):
        compile_model(export.parent / "net.tflite", features="default")


def test_bytes_of_the_pushes() -> None:
    """Push after push the rows of all inputs that have one; the inputs come back of the bytes."""
    specs = [
        TensorSpec(name, shape, "int16", 1.0, 0, rows, row_bytes, permutation)
        for name, shape, rows, row_bytes, permutation in (
            ("a", (1, 3, 2), 3, 4, (0, 1, 2)), ("b", (1, 2), 1, 4, (0, 1)), ("c", (1, 3, 2, 1), 2, 6, (0, 2, 1, 3)),
        )
    ]  # fmt: skip
    values: list[Array] = [
        np.arange(6).reshape(1, 3, 2),
        np.array([[10, 11]]),
        np.arange(20, 26).reshape(1, 3, 2, 1),
    ]
    values = [value.astype(np.int16) for value in values]
    data = pushes.pushed(values, specs)
    assert np.frombuffer(data, "<i2").tolist() == [0, 1, 10, 11, 20, 22, 24, 2, 3, 21, 23, 25, 4, 5]
    assert len(data) == pushes.total_bytes(specs) and pushes.pushes(specs) == 3
    for value, found in zip(values, pushes.taken(data, specs), strict=True):
        assert np.array_equal(value, found)


def test_manifest(export: Path) -> None:
    manifest = Manifest.load(export)
    graph = tflite.parse(several.network(SEED), "net")
    assert [spec.name for spec in manifest.inputs] == list(graph.data_inputs)
    assert [spec.rows * spec.row_bytes for spec in manifest.inputs] == [
        graph.tensors[name].size_bytes for name in graph.data_inputs
    ]


def test_library(export: Path, tmp_path: Path) -> None:
    """The self-test fills all inputs and passes; macros and README name each; a prefix renames the functions."""
    network = export.parent / "net.tflite"
    made = api.export(network, "nucleo-f446", tmp_path / "lib", output="library", prefix="duo", selftest=True)
    header, readme = ((made.folder / name).read_text() for name in ("duo.h", "README.md"))
    assert "duo_input_row_bytes(unsigned index)" in header and "DUO_INPUTS 4" in header
    assert "duo_input_at(i)" in readme and "| input 3 |" in readme
    for number, spec in enumerate(Manifest.load(made.folder).inputs):
        assert f"#define DUO_INPUT_{number}_ELEMENTS {np.prod(spec.shape)}\n" in header


def test_inspect_names_all_inputs(export: Path) -> None:
    found = api.inspect(export.parent / "net.tflite")
    graph = tflite.parse(several.network(SEED), "net")
    assert [(x.name, x.shape) for x in found.inputs] == [
        (n, graph.tensors[n].shape) for n in graph.data_inputs
    ]
