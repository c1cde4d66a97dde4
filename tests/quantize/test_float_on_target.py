# SPDX-License-Identifier: Apache-2.0
"""Float formats as Cortex-M4 code: the host's bits on QEMU and on the cycle model, LiteRT's within the tolerance."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from ascmcu import passes
from ascmcu.frontends import tflite
from ascmcu.ops._float import TOLERANCE
from ascmcu.schedule import LAYERS, ROWS
from tests.quantize.conftest import GROUPED, clips, network
from tests.support import on_target
from tests.support.host_model import HostModel
from tests.support.on_target import Network

NETWORKS = ("dscnn", "tmsic", "mobnet", "dsmn", GROUPED)
CLIPS = 2
pytestmark = pytest.mark.skipif(
    not (shutil.which(on_target.GCC) and shutil.which(on_target.QEMU)), reason="no cross compiler or no QEMU"
)


@dataclass(frozen=True)
class Program:
    """All formats of all networks in one program, and for each: its name, the host's bits, LiteRT's answers."""

    elf: Path
    networks: list[Network]
    expected: list[tuple[str, list[bytes], np.ndarray]]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    from ascmcu.quantize import flatbuffer, formats, run, source

    networks, expected = [], []
    for name in NETWORKS:
        plain = source.to_float_tflite(network(name))
        for format, model in (
            ("float", plain),
            ("fp16", formats.fp16(plain)),
            ("dynamic", formats.dynamic(plain)),
        ):
            graph = passes.optimize(tflite.parse(model, name))
            mode = (LAYERS, ROWS)[len(networks) % 2]
            shape = graph.tensors[graph.inputs[0]].shape
            inputs = [x.reshape(shape) for x in clips(name, CLIPS)]
            host = HostModel(graph, mode)
            bits = [host(x)[0].tobytes() for x in inputs]
            real = run.probabilities(flatbuffer.to_float(model, name)[0], clips(name, CLIPS))
            networks.append(Network(graph, mode, inputs))
            expected.append((f"{name}, {format}", bits, real))
    return Program(on_target.build(tmp_path_factory.mktemp("float"), networks), networks, expected)


@pytest.mark.parametrize("machine", ["qemu", "sim"])
def test_formats_on_target(machine: str, program: Program) -> None:
    run = {"qemu": on_target.on_qemu, "sim": on_target.on_sim}[machine]
    assert program.expected
    for (what, on_host, real), found in zip(
        program.expected, run(program.elf, program.networks), strict=True
    ):
        assert found == on_host, f"{what}: other bits than on the host"
        answers = np.array([np.frombuffer(one, np.float32) for one in found])
        assert np.abs(answers - real).max() <= TOLERANCE * np.abs(real).max(), what
