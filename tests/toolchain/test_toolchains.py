# SPDX-License-Identifier: Apache-2.0
"""A library's self-tests pass in QEMU, whoever builds them; ``tools/compilers`` builds all the rest."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ascmcu import api
from tests.support import recipes_flat, toolchains
from tests.support.recipes import Recipe, Step
from tests.support.toolchains import Compiler, Point

GCC, CLANG = Compiler("gcc", "gcc", toolchains.GCC), Compiler("clang", "clang", "clang")
POINTS = (
    Point(GCC, abi="soft"),
    Point(GCC, level="LTO", form="stack-protector"),
    Point(GCC, "M0+", "soft", "Os"),
    Point(GCC, "M33", "hard", "O3", "instrument"),
    Point(CLANG, abi="softfp", level="O0", form="C++"),
    Point(CLANG, abi="hard", level="O3", form="stack-protector"),
    Point(CLANG, abi="soft", level="LTO"),
    Point(CLANG, abi="hard", level="O2", form="armclang"),
)
_WINDOW = {"kernel": [3, 3], "stride": [2, 2], "same": True, "act": "relu", "dilation": [1, 1], "dead": 0}

pytestmark = pytest.mark.skipif(
    not (shutil.which(toolchains.GCC) and shutil.which(toolchains.QEMU)),
    reason="no cross compiler, or no QEMU",
)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of packed products, depthwise and dense layers, with a front end in integers."""
    steps = (
        Step("conv", (0,), {**_WINDOW, "channels": 8, "groups": 1}),
        Step("depthwise", (1,), {**_WINDOW, "stride": [1, 1], "multiplier": 1}),
        Step("conv", (2,), {**_WINDOW, "kernel": [1, 1], "stride": [1, 1], "channels": 10, "groups": 1}),
        Step("mean", (3,), {"axes": [1, 2], "keep": False}),
        Step("dense", (4,), {"units": 4, "flatten": False, "act": "none", "bias": True, "dead": 0}),
    )
    folder = tmp_path_factory.mktemp("library")
    (folder / "net.tflite").write_bytes(recipes_flat.make(Recipe((1, 49, 40, 1), "int8", 5, steps)))
    api.export(
        folder / "net.tflite",
        "nucleo-f446",
        folder / "net",
        output="library",
        features="micro_speech",
        selftest=True,
    )
    return folder / "net"


@pytest.mark.parametrize("point", POINTS, ids=str)
def test_self_tests_pass(point: Point, library: Path, tmp_path: Path) -> None:
    needed = [point.compiler.program, *(["ld.lld-14"] if point.compiler is CLANG else [])]
    for program in needed:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: apt-get install clang lld-14")
    assert toolchains.check(library, point, tmp_path) == "passed"


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace(") >> 32) + ", ") >> 32) + 4096 + "),
        lambda text: text.replace(
            "return model_selftest_hash() == 0x", "return model_selftest_hash() == 0x1"
        ),
    ],
    ids=["a kernel", "a hash"],
)
def test_a_self_test_can_fail(damage: Callable[[str], str], library: Path, tmp_path: Path) -> None:
    shutil.copytree(library, tmp_path / "net")
    changed = 0
    for name in ("model.c", "selftest.c"):
        path = tmp_path / "net" / name
        text = path.read_text()
        path.write_text(damage(text))
        changed += path.read_text() != text
    assert changed
    (tmp_path / "build").mkdir()
    found = toolchains.check(tmp_path / "net", Point(GCC, abi="soft"), tmp_path / "build")
    assert found.endswith("passed 0")
