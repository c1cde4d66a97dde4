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
from ascmcu.schedule import Plan, make_plan
from ascmcu.toolchain.flags import WARNINGS
from tests.support.native_compilers import DEFAULT, Native

# Not flags.LANGUAGE: generated C has to be right in builds that do not know our flags.
FLAGS = ("-std=c11", "-ffp-contract=off", *WARNINGS, "-Werror")
_SANITIZE = ("-fsanitize=undefined", "-fno-sanitize-recover=all")


class HostModel:
    """One compiled network; call it with one array per input in the optimized graph's shape."""

    def __init__(
        self,
        graph: Graph,
        mode: str,
        *,
        sanitize: bool = False,
        native: Native = DEFAULT,
        plan: Plan | None = None,
    ) -> None:
        self.graph = graph
        self.plan = plan or make_plan(graph, mode)
        self.native = native
        with tempfile.TemporaryDirectory() as folder:
            self._c = self._built(Path(folder), sanitize)  # what is loaded needs no file
        self._several = len(graph.data_inputs) > 1
        name = "model_input_at" if self._several else "model_input"
        self._input = getattr(self._c, name)
        self._input.restype = ctypes.c_void_p
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

    def __call__(self, x: Array | Sequence[Array]) -> list[Array]:
        """Push the rows of ``x``, one array for each input, from the start of a clip and read every output."""
        self.reset()
        return self.step(x)

    def sequence(self, inputs: Sequence[Array]) -> list[list[Array]]:
        """Outputs for input after input: the steps of one clip where the network has states."""
        self.reset()
        return [self.step(x) if self.graph.states else self(x) for x in inputs]

    def reset(self) -> None:
        """Begin a clip."""
        self._c.model_reset()

    def step(self, x: Array | Sequence[Array]) -> list[Array]:
        """Push the rows of ``x``, behind those that are there where the network has states, and read every output."""
        sources = [self.graph.tensors[name] for name in self.graph.data_inputs]
        given = [x] if isinstance(x, np.ndarray) else x
        inputs = [
            np.ascontiguousarray(value).reshape(t.rows, -1) for value, t in zip(given, sources, strict=True)
        ]
        complete = False
        for push in range(max(map(len, inputs))):
            assert not complete
            self._push(push, inputs)
            complete = self._c.model_push()
        assert complete
        return self._outputs()

    def _push(self, push: int, inputs: Sequence[Array]) -> None:
        """Write the rows of one push."""
        for index, rows in enumerate(inputs):
            size = self._c.model_input_row_bytes(index) if self._several else rows[0].nbytes
            assert size == (rows[0].nbytes if push < len(rows) else 0)
            if size:
                ctypes.memmove(self._input(index), rows[push].tobytes(), size)

    def _outputs(self) -> list[Array]:
        outputs = []
        for index, name in enumerate(self.graph.data_outputs):
            t = self.graph.tensors[name]
            raw = ctypes.string_at(self._c.model_output(index), t.size_bytes)
            outputs.append(np.frombuffer(raw, t.dtype.numpy).reshape(t.shape))
        return outputs
