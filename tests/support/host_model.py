# SPDX-License-Identifier: Apache-2.0
"""Generated C compiled into a shared library and called from Python: the fast host end of the differential chain."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ascmcu import paths
from ascmcu.codegen.model import render_model
from ascmcu.ir.graph import Graph
from ascmcu.ir.types import Array
from ascmcu.schedule import make_plan
from ascmcu.toolchain.flags import WARNINGS
from tests.support.native_compilers import DEFAULT, Native

# Not flags.LANGUAGE: generated C has to be right in builds that do not know our flags.
FLAGS = ("-std=c11", "-ffp-contract=off", *WARNINGS, "-Werror")
_SANITIZE = ("-fsanitize=undefined", "-fno-sanitize-recover=all")


class HostModel:
    """One compiled network; call it with one array per input in the optimized graph's shape."""

    def __init__(self, graph: Graph, mode: str, *, sanitize: bool = False, native: Native = DEFAULT) -> None:
        self.graph = graph
        self.plan = make_plan(graph, mode)
        self.native = native
        with tempfile.TemporaryDirectory() as folder:
            self._c = self._built(Path(folder), sanitize)  # what is loaded needs no file
        self._c.model_input.restype = ctypes.c_void_p
        self._c.model_output.restype = ctypes.c_void_p
        self._c.model_push.restype = ctypes.c_bool

    def _built(self, folder: Path, sanitize: bool) -> ctypes.CDLL:
        native = self.native
        for name, text in render_model(self.plan, name="case", sha256="0" * 64).files.items():
            (folder / name).write_text(text)
        library, dump = folder / "model.so", folder / "dump"
        command = [*native.command(dump), *FLAGS, *(_SANITIZE if sanitize else ()), "-shared", "-fPIC"]
        command += [f"-I{paths.firmware() / 'kernels'}", str(folder / "model.c"), "-o", str(library)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        misread = native.misread(dump)
        assert not misread, f"{native} takes these for functions without effect: {', '.join(misread)}"
        return ctypes.CDLL(str(library))

    def __str__(self) -> str:
        return f"host C, {self.native}, {self.plan.mode}"

    def __call__(self, x: Array) -> list[Array]:
        """Push the rows of ``x`` from the start of a clip and read every output."""
        self.reset()
        return self.step(x)

    def sequence(self, inputs: Sequence[Array]) -> list[list[Array]]:
        """Outputs for input after input: the steps of one clip where the network has states."""
        self.reset()
        return [self.step(x) if self.graph.states else self(x) for x in inputs]

    def reset(self) -> None:
        """Begin a clip."""
        self._c.model_reset()

    def step(self, x: Array) -> list[Array]:
        """Push the rows of ``x``, behind those that are there where the network has states, and read every output."""
        source = self.graph.tensors[self.graph.inputs[0]]
        rows = np.ascontiguousarray(x).reshape(source.rows, -1)
        complete = False
        for row in rows:
            assert not complete
            ctypes.memmove(self._c.model_input(), row.tobytes(), source.row_bytes)
            complete = self._c.model_push()
        assert complete
        outputs = []
        for index, name in enumerate(self.graph.data_outputs):
            t = self.graph.tensors[name]
            raw = ctypes.string_at(self._c.model_output(index), t.size_bytes)
            outputs.append(np.frombuffer(raw, t.dtype.numpy).reshape(t.shape))
        return outputs
