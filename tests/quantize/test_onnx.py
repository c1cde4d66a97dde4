# SPDX-License-Identifier: Apache-2.0
"""The ONNX door without its converter: what is prepared for it, how it is called, and what is said where it is missing.

The packages of ``ascmcu[onnx]`` are not those of the tests; ``tools/onnx_door`` converts networks with them.
"""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ascmcu.api.compiling import compile_model
from ascmcu.errors import ModelError, ToolError
from ascmcu.quantize import onnx, source
from tests.support.tflite_builder import OperatorSpec, TensorSpec, build


@dataclass
class Dim:
    dim_value: int = 0
    dim_param: str = ""


@dataclass
class Named:
    """A node, an initializer or an input, as onnx's protobuf classes are seen here."""

    name: str = ""
    op_type: str = ""
    dims: list[int] = field(default_factory=list)
    input: list[str] = field(default_factory=list)
    type: Any = None


def _input(name: str, *dims: int) -> Named:
    shape = types.SimpleNamespace(dim=[Dim(d) for d in dims])
    return Named(name, type=types.SimpleNamespace(tensor_type=types.SimpleNamespace(shape=shape)))


def _model(nodes: list[Named], initializers: list[Named], *inputs: Named) -> Any:
    return types.SimpleNamespace(
        graph=types.SimpleNamespace(node=nodes, initializer=initializers, input=list(inputs))
    )


PLAIN = build(
    [TensorSpec("x", (1, 4), "float32"), TensorSpec("y", (1, 4), "float32")],
    [OperatorSpec("RELU", [0], [1])],
    [0],
    [1],
)


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Stand-ins of onnx and onnx2tf: the model as the test has it, and a converter that writes what the test says."""
    helper = types.SimpleNamespace(make_tensor=lambda name, kind, dims, values: Named(name, dims=dims))
    stand_in: Any = types.ModuleType("onnx")
    stand_in.model = _model([], [], _input("x", 1, 4))
    stand_in.load = lambda path: stand_in.model
    stand_in.save = lambda model, path: Path(path).write_bytes(b"onnx")
    stand_in.checker = types.SimpleNamespace(check_model=lambda model: None)
    stand_in.helper, stand_in.TensorProto = helper, types.SimpleNamespace(FLOAT=1)
    monkeypatch.setitem(sys.modules, "onnx", stand_in)
    monkeypatch.setitem(sys.modules, "onnx2tf", types.ModuleType("onnx2tf"))
    (tmp_path / "packages").mkdir()
    (tmp_path / "plain.tflite").write_bytes(PLAIN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "packages"), prepend=":")
    stand_in.converter = tmp_path / "packages" / "onnx2tf.py"
    stand_in.converter.write_text(
        "import pathlib, shutil, sys\n"
        "pathlib.Path('out').mkdir()\n"
        f"pathlib.Path({str(tmp_path / 'called')!r}).write_text(' '.join(sys.argv[1:]))\n"
        f"shutil.copy({str(tmp_path / 'plain.tflite')!r}, 'out/model_float32.tflite')\n"
    )
    stand_in.called = tmp_path / "called"
    (tmp_path / "net.onnx").write_bytes(b"onnx")
    stand_in.path = tmp_path / "net.onnx"
    return stand_in


def test_what_it_makes_is_the_source(packages: Any) -> None:
    found = source.load(packages.path)
    assert (found.format, found.tflite, found.input_shape) == ("onnx", PLAIN, (4,))
    assert packages.called.read_text() == "-i model.onnx -o out -n -eru"


def test_sequences_of_a_recurrent_layer_keep_their_axes(packages: Any) -> None:
    packages.model = _model([Named(op_type="GRU", input=["x", "w", "r"])], [], _input("x", 1, 10, 6))
    onnx.to_tflite(packages.path)
    assert packages.called.read_text().endswith(" -kat x")
    nodes = [Named(op_type="Conv", input=["x", "k"]), Named(op_type="GRU", input=["c", "w", "r"])]
    packages.model = _model(nodes, [Named("k", dims=[8, 6, 3])], _input("x", 1, 6, 10))
    onnx.to_tflite(packages.path)
    assert packages.called.read_text().endswith(" -eru")


def test_lstm_gets_its_zeros(packages: Any) -> None:
    node = Named(op_type="LSTM", input=["x", "w", "r", "b"])
    packages.model = _model([node], [Named("r", dims=[2, 32, 8])], _input("x", 1, 10, 6))
    onnx.to_tflite(packages.path)
    zeros = packages.model.graph.initializer[1:]
    assert [z.dims for z in zeros] == [[2, 1, 8], [2, 1, 8]]
    assert node.input == ["x", "w", "r", "b", "", zeros[0].name, zeros[1].name]


def test_open_batch_is_one_and_other_extents_are_not_guessed(packages: Any) -> None:
    packages.model = _model([], [], _input("x", 0, 4))
    onnx.to_tflite(packages.path)
    assert packages.model.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1
    for dims in ((1, 0, 4), (8, 4)):
        packages.model = _model([], [], _input("x", *dims))
        with pytest.raises(ModelError, match="fixed shape and a batch of one"):
            onnx.to_tflite(packages.path)


def test_converter_that_fails(packages: Any) -> None:
    packages.converter.write_text(
        "import sys\nprint('\\x1b[31mERROR: ONNX OP name: /stft\\x1b[0m')\nraise SystemExit(3)\n"
    )
    with pytest.raises(ModelError) as caught:
        onnx.to_tflite(packages.path)
    assert caught.value.found == "ERROR: ONNX OP name: /stft"


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    (tmp_path / "net.onnx").write_bytes(b"onnx")
    with pytest.raises(ToolError) as caught:
        source.load(tmp_path / "net.onnx")
    assert caught.value.what == "an ONNX model needs onnx2tf"
    # An installed package lists what to install, a checkout names the extra.
    assert (
        caught.value.hint is not None and "onnx" in caught.value.hint and "pip install" in caught.value.hint
    )


@pytest.mark.parametrize("name", ["net.pt", "net.pth", "net.pt2"])
def test_pytorch_files_are_told_the_way(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"PK")
    for read in (source.load, compile_model):
        with pytest.raises(ModelError, match="a PyTorch file must be exported first") as caught:
            read(tmp_path / name)
        assert caught.value.hint is not None and "torch.onnx.export" in caught.value.hint


def test_compiler_says_what_makes_a_tflite_of_an_onnx(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"onnx")
    with pytest.raises(ModelError) as caught:
        compile_model(tmp_path / "net.onnx")
    assert caught.value.hint is not None and "ascmcu quantize" in caught.value.hint
