# SPDX-License-Identifier: Apache-2.0
"""The public functions: all of them, documented, typed, importing nothing before they are used, working end to end."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import pkgutil
import re
import shutil
import subprocess
import sys
import textwrap
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ascmcu
import ascmcu.api
from ascmcu import api, errors, features
from ascmcu.cards import Card, Row
from ascmcu.errors import DataError, InputError
from ascmcu.features.spec import load_log_mel
from ascmcu.frontends.survey import Survey
from ascmcu.results.comparison import Comparison
from ascmcu.results.inspection import Inspection
from ascmcu.results.schema import Benchmark
from ascmcu.schedule import Plan
from ascmcu.toolchain.manifest import Manifest
from tests.cli.conftest import dense
from tests.support import audio

ROOT = Path(__file__).resolve().parents[2]
needs_cross = pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no cross compiler")


def test_exactly_these_are_public() -> None:
    assert ascmcu.__all__ == [
        "bench", "build", "compare", "compile", "export", "inspect", "predict", "report", "result",
    ]  # fmt: skip
    assert set(ascmcu.__all__) <= set(dir(ascmcu))
    with pytest.raises(AttributeError, match="no attribute 'bend'"):
        _ = ascmcu.bend  # type: ignore[attr-defined]


def test_each_says_what_it_takes_and_raises() -> None:
    import ascmcu.api

    for name in ascmcu.__all__:
        function = getattr(ascmcu.api, "compile_model" if name == "compile" else name)
        text = inspect.getdoc(function) or ""
        assert "Raises:" in text or "Arguments and errors are those of" in text, name
        if "Args:" in text:
            told = re.findall(
                r"^    (\w+): ", text.partition("Args:")[2].partition("Raises:")[0], re.MULTILINE
            )
            assert told == list(inspect.signature(function).parameters), name


ERRORS = {
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)
}


def _public() -> dict[str, Any]:
    """What ``ascmcu.api`` and ``ascmcu.features`` export, and what their functions return."""
    found = {name: getattr(api, name) for name in api.__all__}
    found |= {name: getattr(features, name) for name in features.__all__ if name != "Spec"}
    return found | {kind.__name__: kind for kind in (Benchmark, Comparison, Inspection, Survey)}


def _untold(function: Any) -> list[str]:
    """What a function's docstring lacks: a parameter where there are several, an error that it raises itself."""
    text = inspect.getdoc(function) or ""
    if "Arguments and errors are those of" in text:
        return []
    taken = [name for name in inspect.signature(function).parameters if name not in ("self", "cls")]
    told = re.findall(
        r"^    (\w+(?:, \w+)*): ", text.partition("Args:")[2].partition("Raises:")[0], re.MULTILINE
    )
    named = {name for line in told for name in line.split(", ")}
    lacks = [name for name in taken if name not in named] if len(taken) > 1 else []
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    raised = [
        ast.unparse(n.exc.func)
        for n in ast.walk(tree)
        if isinstance(n, ast.Raise) and isinstance(n.exc, ast.Call)
    ]
    told_errors = text.partition("Raises:")[2]
    return (
        lacks
        + [name for name in raised if name in ERRORS and name not in told_errors]
        + ([] if text else ["a text"])
    )


@pytest.mark.parametrize("name", _public())
def test_public_names_are_documented(name: str) -> None:
    """Every parameter, every error raised, every field of what is returned."""
    public = _public()[name]
    if inspect.isfunction(public):
        assert not _untold(public)
        return
    text = inspect.getdoc(public) or ""
    if "describes every field" in text:
        text = (ROOT / "ascmcu" / "results" / "bench.schema.json").read_text() + " counts count_kind"
    fields = [field.name for field in dataclasses.fields(public)] if dataclasses.is_dataclass(public) else []
    assert not [field for field in fields if not re.search(rf"\b{field}\b", text)]
    members = {
        n: getattr(m, "__func__", getattr(m, "fget", m)) for n, m in vars(public).items() if n[0] != "_"
    }
    lacks = {n: _untold(m) for n, m in members.items() if inspect.isfunction(m)}
    assert not {n: what for n, what in lacks.items() if what}


def test_importing_the_package_imports_nothing_else() -> None:
    program = (
        "import sys, ascmcu; print(*(m for m in sys.modules if m == 'numpy' or m.startswith('ascmcu.')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


_NOT_FOR_AN_EXPORT = (
    "ascmcu.benchmark", "ascmcu.results", "ascmcu.runners", "ascmcu.sim", "ascmcu.train", "ascmcu.tune", "ascmcu.zoo",
    "capstone", "librosa", "numba", "scipy", "soundfile", "ssl", "tensorflow", "unicorn", "urllib.request",
)  # fmt: skip


@needs_cross
def test_an_export_imports_what_it_needs(tmp_path: Path) -> None:
    """Its seconds are those of its work: a simulator's or a training's libraries take as long as a small export."""
    (tmp_path / "small.tflite").write_bytes(dense(16, 4))
    program = f"""
import sys
from ascmcu.cli import main
try:
    sys.argv[1:] = ["export", "small.tflite", "--board", "nucleo-f446", "--features", "none"]
    main()
except SystemExit as end:
    assert not end.code, end.code
from ascmcu.features import spec, tables
tables.mel_segments(spec.load("dsmn"))
print("imported:", *(name for name in {_NOT_FOR_AN_EXPORT} if name in sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.splitlines()[-1] == "imported:"


def test_every_public_function_of_a_stage_is_there() -> None:
    """The stages are imported when they are used: names, homes and annotations cannot drift apart unseen."""
    import ascmcu.api

    assert sorted(ascmcu.api._MODULE_OF) == sorted(ascmcu.api.__all__)
    for name in ascmcu.api.__all__:
        found = getattr(ascmcu.api, name)
        home = getattr(found, "__module__", "")
        assert home == f"ascmcu.api.{ascmcu.api._MODULE_OF[name]}" or home == "typing", name
    with pytest.raises(AttributeError, match="no attribute 'bend'"):
        _ = ascmcu.api.bend


def test_no_public_name_is_a_module_too() -> None:
    modules = {module.name for module in pkgutil.iter_modules(ascmcu.__path__)}
    assert not modules & set(ascmcu.__all__)
    program = """
import importlib, pkgutil, ascmcu
for module in pkgutil.iter_modules(ascmcu.__path__):
    if module.name != "__main__":  # that one is the command line
        importlib.import_module(f"ascmcu.{module.name}")
print(*(name for name in ascmcu.__all__ if not callable(getattr(ascmcu, name))))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_no_module_of_the_api_hides_behind_a_function() -> None:
    import ascmcu.api

    modules = {module.name for module in pkgutil.iter_modules(ascmcu.api.__path__)}
    assert not modules & set(ascmcu.api.__all__)
    assert all(inspect.ismodule(importlib.import_module(f"ascmcu.api.{name}")) for name in modules)


@needs_cross
def test_the_boards_own_wait_states_are_the_default(tmp_path: Path) -> None:
    (tmp_path / "small.tflite").write_bytes(dense(16, 4))
    np.save(tmp_path / "in.npy", np.zeros((1, 1, 16), np.int8))
    ascmcu.build(ascmcu.compile(tmp_path / "small.tflite"), "nucleo-f446", tmp_path / "build")
    waited = ascmcu.bench(tmp_path / "build", on="sim", tensors=tmp_path / "in.npy")
    ideal = ascmcu.bench(tmp_path / "build", on="sim", tensors=tmp_path / "in.npy", wait_states=0)
    assert waited.counts is not None and ideal.counts is not None
    assert (waited.wait_states, ideal.wait_states) == (5, 0)
    assert waited.counts.network > ideal.counts.network
    assert "5 wait states (at 180 MHz)" in waited.runner_detail
    assert "0 wait states (asked for, where 5 are needed at 180 MHz)" in ideal.runner_detail
    assert (tmp_path / "build" / "bench-sim-0ws.json").is_file()
    with pytest.raises(InputError, match="only the simulator"):
        ascmcu.bench(tmp_path / "build", on="host", tensors=tmp_path / "in.npy", wait_states=0)


def test_types_are_those_of_the_functions(tmp_path: Path) -> None:
    (tmp_path / "user.py").write_text(
        "import ascmcu\n"
        "result = ascmcu.bench('build', on='sim', tensors='in.npy')\n"
        "seconds: float | None = result.seconds\n"
        "ascmcu.build(ascmcu.compile('x.tflite'), 'nucleo-f446', 'build')\n"
        "ascmcu.report('build', 'page.html')\n"
        "ascmcu.bench('build', on=3)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "user.py"],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "MYPYPATH": str(ROOT), "PATH": ""}, capture_output=True, text=True,
    )  # fmt: skip
    errors = [line for line in done.stdout.splitlines() if line.startswith("user.py") and ": error:" in line]
    assert len(errors) == 1 and errors[0].startswith("user.py:6"), done.stdout


@needs_cross
def test_from_a_model_to_a_page(tmp_path: Path) -> None:
    (tmp_path / "small.tflite").write_bytes(dense(16, 4))
    np.save(tmp_path / "in.npy", np.arange(-16, 16, dtype=np.int8).reshape(2, 1, 16))
    folder = tmp_path / "build"
    compiled = ascmcu.compile(tmp_path / "small.tflite")
    built = ascmcu.build(compiled, "nucleo-f446", folder)
    assert (built.manifest.fits, built.folder) == (True, folder)
    seen: list[tuple[int, int]] = []
    outputs = tmp_path / "out.npy"
    first = ascmcu.bench(
        folder, on="host", tensors=tmp_path / "in.npy", save_outputs=outputs,
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert seen == [(0, 2), (1, 2), (2, 2)] and np.load(outputs).shape == (2, 1, 4)
    assert ascmcu.result(folder) == first
    (same,) = ascmcu.compare(folder, folder / "bench-host.json", budget=["ram=+0", "flash=524288"])
    assert same.kept and not same.figures
    page = ascmcu.report(folder)
    assert page == folder / "report.html" and "small" in page.read_text()
    assert ascmcu.inspect(tmp_path / "small.tflite").parameters == 16 * 4 + 4
    assert ascmcu.export(tmp_path / "small.tflite", "nucleo-f411", folder).manifest.board == "nucleo-f411"
    with pytest.raises(InputError, match="no benchmark result"):
        ascmcu.result(folder)
    with pytest.raises(InputError, match="recordings or tensors"):
        ascmcu.bench(folder, data="recordings", tensors="inputs.npy")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, its export, and nothing else."""
    folder = tmp_path_factory.mktemp("arrays")
    (folder / "small.tflite").write_bytes(dense(16, 4))
    ascmcu.export(folder / "small.tflite", "nucleo-f446", folder / "build")
    return folder


def _inputs(count: int) -> np.ndarray[Any, np.dtype[np.int8]]:
    return np.random.default_rng(5).integers(-128, 128, (count, 1, 16), np.int8)


@needs_cross
def test_arrays_go_in_and_come_out_equal_everywhere(place: Path) -> None:
    inputs = _inputs(3)
    compiled = ascmcu.compile(place / "small.tflite")
    expected = ascmcu.predict(compiled, inputs)
    assert isinstance(expected, np.ndarray) and expected.shape == (3, 1, 4) and expected.dtype == np.int8
    built = ascmcu.api.Export(place / "build", Manifest.load(place / "build"), _plan(compiled))
    for model, on in ((place / "small.tflite", "host"), (place / "build", "host"), (built, "sim")):
        assert np.array_equal(ascmcu.predict(model, inputs, on=on), expected), (model, on)
    # Without the batch of one, as ``bench`` takes them too.
    assert np.array_equal(ascmcu.predict(compiled, inputs[:, 0]), expected)


@needs_cross
def test_real_numbers_are_quantized_as_the_network_says(place: Path) -> None:
    compiled = ascmcu.compile(place / "small.tflite")
    x = compiled.source.tensors[compiled.source.inputs[0]]
    y = compiled.source.tensors[compiled.source.outputs[0]]
    inputs = _inputs(4)
    reals = (inputs.astype(np.float32) - np.float32(x.zero_point)) * np.float32(x.scale)
    expected = np.float32(y.scale) * (
        np.asarray(ascmcu.predict(compiled, inputs)).astype(np.float32) - np.float32(y.zero_point)
    )
    for model in (compiled, place / "build"):
        found = ascmcu.predict(model, reals, real=True)
        assert isinstance(found, np.ndarray) and found.dtype == np.float32
        assert np.array_equal(found, expected)


@needs_cross
def test_what_does_not_fit_is_refused_alike(place: Path) -> None:
    compiled = ascmcu.compile(place / "small.tflite")
    for model in (compiled, place / "build"):
        for wrong in (
            np.zeros((2, 1, 15), np.int8),
            np.zeros((2, 1, 16), np.float32),
            np.zeros((0, 1, 16), np.int8),
        ):
            with pytest.raises(DataError, match="does not hold inputs of this network") as caught:
                ascmcu.predict(model, wrong)
            assert "int8 (N, 1, 16)" in str(caught.value)
        with pytest.raises(InputError, match="takes tensors, not audio"):
            ascmcu.predict(model, audio=np.zeros((1, 16), np.int16))
        with pytest.raises(InputError, match="either inputs or audio"):
            ascmcu.predict(model)


@needs_cross
def test_a_benchmark_takes_arrays(place: Path) -> None:
    inputs = _inputs(5)
    classes = np.asarray(ascmcu.predict(place / "small.tflite", inputs)).reshape(5, 4).argmax(1)
    np.save(place / "in.npy", inputs)
    np.save(place / "classes.npy", classes)
    here = ascmcu.bench(place / "build", on="host", tensors=inputs, labels=[classes])
    file = ascmcu.bench(place / "build", on="host", tensors=place / "in.npy", labels=[place / "classes.npy"])
    assert here.accuracy == file.accuracy == 1.0 and here.confusion == file.confusion
    assert here.provenance.inputs_sha256 == file.provenance.inputs_sha256
    wrong = ascmcu.bench(place / "build", on="host", tensors=inputs, labels=[(classes + 1) % 4])
    assert wrong.accuracy == 0.0
    with pytest.raises(InputError, match=r"needs --tensors"):
        ascmcu.bench(place / "build", on="host", labels=[classes])


@needs_cross
def test_samples_go_in_as_an_array(tmp_path: Path) -> None:
    (tmp_path / "spec.toml").write_text(audio.specification(0.5))
    spec = load_log_mel(tmp_path / "spec.toml")
    (tmp_path / "heard.tflite").write_bytes(audio.network(spec))
    compiled = ascmcu.compile(tmp_path / "heard.tflite", features=tmp_path / "spec.toml")
    ascmcu.build(compiled, "nucleo-f446", tmp_path / "build")
    samples = np.random.default_rng(3).integers(-3000, 3000, (2, spec.clip_samples), np.int16)
    expected = ascmcu.predict(compiled, audio=samples)
    with pytest.raises(InputError, match="takes tensors, not audio"):
        ascmcu.predict(tmp_path / "heard.tflite", audio=samples)
    assert np.asarray(expected).shape[0] == 2 and not np.array_equal(expected[0], expected[1])
    assert np.array_equal(ascmcu.predict(tmp_path / "build", audio=samples), expected)
    assert np.array_equal(ascmcu.predict(tmp_path / "build", audio=samples[:1], on="sim"), expected[:1])
    for wrong in (samples[:, 1:], samples.astype(np.float32), samples[0]):
        with pytest.raises(DataError, match="does not hold clips of this network"):
            ascmcu.predict(tmp_path / "build", audio=wrong)


@needs_cross
def test_objects_show_themselves_in_a_line_and_in_a_notebook(place: Path) -> None:
    compiled = ascmcu.compile(place / "small.tflite")
    built = ascmcu.build(compiled, "nucleo-f446", place / "shown")
    result = ascmcu.bench(place / "shown", on="sim", tensors=_inputs(2))
    (same,) = ascmcu.compare(place / "shown", place / "shown", budget=["ram=+0"])
    inspection = ascmcu.inspect(place / "small.tflite")
    shown = (compiled, built, built.plan, built.manifest, result, same, inspection, compiled.graph)
    for thing in shown:
        line = repr(thing)
        assert line.startswith(f"{type(thing).__name__}(") and "\n" not in line and len(line) < 200, line
        assert "small" in line
    assert result.counts is not None and f"{result.counts.network:,} cycles" in repr(result)
    assert "wait states" in built.plan._repr_html_() and "<svg" in built._repr_html_()
    for thing in (built, built.plan, result, same):
        page = thing._repr_html_()
        parser = _Closed()
        parser.feed(page)
        assert not parser.open, thing
        assert "<script" not in page and "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert all(layer.kernel in result._repr_html_() for layer in result.layers)


def test_names_in_a_notebook_are_escaped() -> None:
    card = Card("<b>", (("<i>", "&"),), ("<u>",), (Row(("<script>",), 50.0),), "<p>")
    assert not re.findall(r"<(?:b>|i>|u>|p>|script)", card.html().replace("<b>&amp;</b>", ""))


class _Closed(HTMLParser):
    """The tags that are still open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _plan(compiled: ascmcu.api.Compiled) -> Plan:
    return ascmcu.api.candidates(compiled, "layers")[0].plan
