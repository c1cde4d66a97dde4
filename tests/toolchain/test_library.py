# SPDX-License-Identifier: Apache-2.0
"""``--format library``: what comes out builds with CMake, strictly, without our firmware, and gives the bits."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from ascmcu import api, paths
from ascmcu.features import spec as feature_specs
from ascmcu.frontends import tflite
from ascmcu.ir import interp
from ascmcu.toolchain import cmsis_dsp
from ascmcu.toolchain.flags import LANGUAGE, WARNINGS
from tests.support import recipes_flat
from tests.support.recipes import Recipe, Step

needs_cmake = pytest.mark.skipif(not shutil.which("cmake"), reason="no CMake")
STRICT = "-Wall -Wextra -Werror -Wconversion -Wno-sign-conversion"

MAIN = r"""
#include <stdio.h>
#include <string.h>
#include "model.h"

int main(void)
{
    static unsigned char row[MODEL_INPUT_ROW_BYTES];
    bool complete = false;
    model_reset();
    while (fread(row, 1, sizeof row, stdin) == sizeof row) {
        memcpy(model_input(), row, sizeof row);
        complete = model_push();
    }
    if (!complete) {
        return 1;
    }
    for (unsigned i = 0; i < MODEL_OUTPUTS; ++i) {
        fwrite(model_output(i), 1, model_output_bytes(i), stdout);
    }
    return 0;
}
"""


def _model(folder: Path, shape: tuple[int, ...], units: int = 4) -> Path:
    window = {"kernel": [3, 3], "stride": [2, 1], "same": True, "act": "relu", "dilation": [1, 1]}
    steps = (
        Step("conv", (0,), {**window, "channels": 6, "groups": 1, "dead": 0}),
        Step("depthwise", (1,), {**window, "stride": [1, 1], "multiplier": 1, "dead": 0}),
        Step("mean", (2,), {"axes": [1, 2], "keep": False}),
        Step("dense", (3,), {"units": units, "flatten": False, "act": "none", "bias": True, "dead": 0}),
        Step("softmax", (4,)),
    )
    path = folder / "small-net.tflite"
    path.write_bytes(recipes_flat.make(Recipe(shape, "int8", 5, steps)))
    return path


def _configured(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = ["cmake", "-S", str(folder), "-B", str(folder / "out"), f"-DCMAKE_C_FLAGS={STRICT}", *options]
    return subprocess.run(command, capture_output=True, text=True)


def _built(folder: Path, *options: str) -> None:
    done = _configured(folder, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    done = subprocess.run(["cmake", "--build", str(folder / "out")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_cmake
def test_a_program_around_the_library_gives_the_interpreters_bits(tmp_path: Path) -> None:
    model = _model(tmp_path, (1, 9, 8, 3))
    made = api.export(model, "nucleo-f446", tmp_path / "app" / "net", output="library", schedule="rows")
    axes = made.manifest.inputs[0].permutation
    (tmp_path / "app" / "main.c").write_text(MAIN)
    (tmp_path / "app" / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16)\nproject(app C)\nadd_subdirectory(net)\n"
        "add_executable(app main.c)\ntarget_link_libraries(app PRIVATE small_net)\n"
    )
    _built(tmp_path / "app")
    graph = tflite.load(model).graph
    rng = np.random.default_rng(3)
    for _ in range(5):
        x = rng.integers(-128, 128, (1, 9, 8, 3)).astype(np.int8)
        done = subprocess.run(
            [tmp_path / "app" / "out" / "app"],
            input=x.transpose(axes).tobytes(),
            capture_output=True,
            check=True,
        )
        assert done.stdout == b"".join(y.tobytes() for y in interp.run(graph, [x]))


def test_the_library_stands_alone_and_says_how_to_use_it(tmp_path: Path) -> None:
    model = _model(tmp_path, (1, 9, 8, 3))
    api.export(model, "nucleo-f446", tmp_path / "net", output="library")
    names = {path.name for path in (tmp_path / "net").iterdir()}
    assert names == {
        "model.c", "model.h", "quant.h", "simd.h", "packed_gemm.h", "CMakeLists.txt", "README.md", "LICENSE", "NOTICE",
        "plan.txt", "memory.svg", "manifest.json", "dumps",
    }  # fmt: skip
    assert (tmp_path / "net" / "LICENSE").read_text() == paths.licence().read_text()
    for source in (tmp_path / "net").glob("*.[ch]"):
        assert "SPDX-License-Identifier: Apache-2.0" in source.read_text().splitlines()[0], source.name
    notice = (tmp_path / "net" / "NOTICE").read_text()
    assert "CMSIS" not in notice and "newlib" not in notice and api.compile_model(model).sha256 in notice
    for source in (tmp_path / "net").glob("*.[ch]"):
        for line in source.read_text().splitlines():
            if line.startswith('#include "'):
                assert line.split('"')[1] in names, f"{source.name}: {line}"
    readme = (tmp_path / "net" / "README.md").read_text()
    assert "target" not in readme and "small_net" in readme and "int8_t *scores" in readme
    assert "frontend.c" not in readme


TWO = r"""
#include <stdio.h>
#include "one.h"
#include "one_frontend.h"
#include "one_selftest.h"
#include "two.h"
#include "two_frontend.h"
#include "two_selftest.h"

_Alignas(8) unsigned char shared[ONE_ARENA_BYTES > TWO_ARENA_BYTES ? ONE_ARENA_BYTES : TWO_ARENA_BYTES];

int main(void)
{
    const ONE_INPUT_TYPE shape[ONE_INPUT_RANK] = ONE_INPUT_SHAPE;
    const bool passed = one_selftest() && two_selftest() && one_frontend_selftest() && two_frontend_selftest()
        && one_selftest();
    printf("%d %d %d\n", passed, shape[1], ONE_INPUT_ZERO_POINT);
    return one_selftest_hash() != two_selftest_hash() ? 0 : 1;
}
"""


@needs_cmake
@pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no cross compiler")
@pytest.mark.parametrize("shared", [False, True])
def test_two_with_front_ends_in_one_program(tmp_path: Path, shared: bool) -> None:
    """Their names are their own, and so are their arenas, or one is enough for both."""
    model = _model(tmp_path, (1, 49, 40, 1))
    app, exports = tmp_path / "app", {}
    for prefix, board in (("one", "nucleo-f446"), ("two", "nucleo-l476")):
        exports[prefix] = api.export(
            model, board, app / prefix, output="library", features="micro_speech", prefix=prefix, selftest=True,
            schedule="rows" if prefix == "one" else "layers",
        )  # fmt: skip
        model = _model(tmp_path, (1, 49, 40, 1), units=3)
        for path in (app / prefix).glob("*.[ch]"):
            assert path.name.startswith(prefix)
    lines = [f"target_compile_definitions({p} PRIVATE {p.upper()}_ARENA=shared)" for p in exports if shared]
    (app / "main.c").write_text(TWO)
    (app / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16)\nproject(app C)\nadd_subdirectory(one)\nadd_subdirectory(two)\n"
        "add_executable(app main.c)\ntarget_link_libraries(app PRIVATE one two)\n" + "\n".join(lines)
    )
    _built(app)
    done = subprocess.run([app / "out" / "app"], capture_output=True, text=True)
    zero_point = exports["one"].manifest.inputs[0].zero_point
    assert (done.returncode, done.stdout) == (0, f"1 49 {zero_point}\n")


@pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no cross compiler")
def test_the_self_test_fails_where_a_weight_differs(tmp_path: Path) -> None:
    """And the header tells what was measured."""
    model, net = _model(tmp_path, (1, 9, 8, 3)), tmp_path / "net"
    api.export(model, "nucleo-f446", net, output="library", selftest=True)
    header = (net / "model.h").read_text()
    figures = dict(re.findall(r"#define (MODEL_\w+) (\d+)$", header, re.MULTILINE))
    assert 0 < int(figures["MODEL_STACK_BYTES"]) < 2048 and int(figures["MODEL_PUSH_CYCLES"]) > 1000
    assert figures["MODEL_MASKS_INTERRUPTS"] == "0" and figures["MODEL_INPUT_ELEMENTS"] == "216"
    (net / "main.c").write_text(
        '#include "selftest.h"\nint main(void) { return model_selftest() ? 0 : 1; }\n'
    )
    built = ["gcc", *LANGUAGE, *WARNINGS, "-Werror", "-o", str(net / "app")]
    sources = [str(net / name) for name in ("main.c", "model.c", "selftest.c")]
    subprocess.run([*built, *sources], check=True)
    assert subprocess.run([net / "app"]).returncode == 0
    code = (net / "model.c").read_text()
    weights = re.search(r"MODEL_SECTION\(\"\.rodata\.weights\.weights_\d+\"\) = \{\n\s+(-?\d+)", code)
    assert weights is not None
    (net / "model.c").write_text(
        f"{code[: weights.start(1)]}{int(weights[1]) + (1 << 20)}{code[weights.end(1) :]}"
    )
    subprocess.run([*built, *sources], check=True)
    assert subprocess.run([net / "app"]).returncode == 1


@needs_cmake
@pytest.mark.skipif(cmsis_dsp.available() is None, reason="CMSIS-DSP was not fetched")
def test_with_a_front_end(tmp_path: Path) -> None:
    spec = feature_specs.load("dcase2022_baseline")
    model = _model(tmp_path, (1, spec.bands, spec.rows, spec.output_channels))
    api.export(model, "nucleo-f446", tmp_path / "net", output="library", features="dcase2022_baseline")
    found = cmsis_dsp.available()
    assert found is not None
    root = found.c_files[0].parents[2]
    # CMSIS-DSP's own files are not ours to hold to our warnings.
    done = subprocess.run(
        ["cmake", "-S", str(tmp_path / "net"), "-B", str(tmp_path / "out"), f"-DCMSIS_DSP={root}"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    done = subprocess.run(["cmake", "--build", str(tmp_path / "out")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    readme = (tmp_path / "net" / "README.md").read_text()
    assert "CMSIS-DSP is copyright Arm Limited" in (tmp_path / "net" / "NOTICE").read_text()
    assert "frontend_next(model_input())" in readme and f"{spec.sample_rate_hz} Hz" in readme


@needs_cmake
def test_with_the_integer_front_end_and_no_other_library(tmp_path: Path) -> None:
    model = _model(tmp_path, (1, 49, 40, 1))
    net = tmp_path / "net"
    api.export(model, "nucleo-f446", net, output="library", features="micro_speech")
    for command in (["-S", str(net), "-B", str(tmp_path / "out")], ["--build", str(tmp_path / "out")]):
        done = subprocess.run(["cmake", *command], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    readme = (net / "README.md").read_text()
    assert "frontend_next(model_input())" in readme and "`micro.h`" in readme
    assert "CMSIS" not in readme + "".join((net / name).read_text() for name in ("CMakeLists.txt", "NOTICE"))
    assert not (net / "cmsis").exists()


@pytest.mark.skipif(not shutil.which("gcc"), reason="no gcc")
@pytest.mark.parametrize("prefix", ["", "wake_word"])
def test_its_network_can_be_benched_on_this_machine(tmp_path: Path, prefix: str) -> None:
    """The application asks for a board's name, which a library's folder does not hold, and knows no prefix."""
    model = _model(tmp_path, (1, 9, 8, 3))
    api.export(model, "nucleo-f446", tmp_path / "net", output="library", prefix=prefix)
    x = np.random.default_rng(4).integers(-128, 128, (2, 1, 9, 8, 3)).astype(np.int8)
    np.save(tmp_path / "x.npy", x)
    result = api.bench(
        tmp_path / "net", on="host", tensors=tmp_path / "x.npy", save_outputs=tmp_path / "y.npy"
    )
    assert result.clips == 2
    graph = tflite.load(model).graph
    for given, found in zip(x, np.load(tmp_path / "y.npy"), strict=True):
        assert np.array_equal(interp.run(graph, [given])[0], found)
