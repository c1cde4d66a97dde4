# SPDX-License-Identifier: Apache-2.0
"""Every compiler and level gives the same bits, whether or not it knows our flags."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from ascmcu import passes
from ascmcu.frontends import tflite
from ascmcu.toolchain.flags import LANGUAGE
from tests.support import chain, native_compilers, outside
from tests.support.host_model import HostModel
from tests.support.litert import Reference
from tests.support.native_compilers import Native

LEVELS = ("-O0", "-O1", "-O2", "-O3", "-Os", "-O1 -fno-tree-vectorize", "-O2 -fno-tree-vectorize")


@pytest.mark.parametrize("name", ["gcc", "clang"])
def test_our_flags_keep_calls_that_have_an_effect(name: str, tmp_path: Path) -> None:
    native_compilers.needed(Native(name, ""))
    source, program = Path(__file__).with_name("null_base.c"), tmp_path / "program"
    wrong = {}
    for level in LEVELS:
        command = [name, *level.split(), *LANGUAGE, str(source), "-o", str(program)]
        subprocess.run(command, check=True, capture_output=True)
        wrong[level] = subprocess.run([program]).returncode
    assert wrong == dict.fromkeys(LEVELS, 0)


def test_the_network_that_was_wrong_on_the_laptop() -> None:
    """The levels at which it was right are the tool's: tools/ecosystem --on all."""
    native = Native("gcc", "-O2")
    native_compilers.needed(native)
    inputs, model = outside.case("bits/tmsic_teacher.x.npy"), outside.model("tmsic_teacher_int8.tflite")
    outside.require(inputs, model)
    graph = passes.optimize(tflite.parse(model.read_bytes(), "tmsic_teacher"))
    reference, compiled = Reference(model.read_bytes()), HostModel(graph, "layers", native=native)
    for x in np.load(inputs)[:2, np.newaxis]:
        problem = chain.difference(reference([x]), compiled(chain.shaped(graph, [x])[0]))
        assert problem is None, problem
