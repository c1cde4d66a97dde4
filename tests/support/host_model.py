"""Generated C compiled into a shared library and called from Python: the fast host end of the differential chain."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from ascmcu import paths
from ascmcu.codegen.model import render_model
from ascmcu.ir.graph import Graph
from ascmcu.ir.types import Array
from ascmcu.schedule import make_plan

FLAGS = ["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off"]


class HostModel:
    """One compiled network; call it with one array per input in the optimized graph's shape."""

    def __init__(self, graph: Graph, mode: str, *, sanitize: bool = False, quick: bool = False) -> None:
        self.graph = graph
        self.plan = make_plan(graph, mode)
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        for name, text in render_model(self.plan, name="case", sha256="0" * 64).files.items():
            (folder / name).write_text(text)
        library = folder / "model.so"
        extra = ["-fsanitize=undefined", "-fno-sanitize-recover=all"] if sanitize else []
        command = [
            "gcc",
            *FLAGS,
            *extra,
            *(["-O0"] if quick else []),
            "-shared",
            "-fPIC",
            f"-I{paths.firmware() / 'kernels'}",
            "-o",
            str(library),
        ]
        done = subprocess.run([*command, str(folder / "model.c")], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        self._c = ctypes.CDLL(str(library))
        self._c.model_input.restype = ctypes.c_void_p
        self._c.model_output.restype = ctypes.c_void_p
        self._c.model_push.restype = ctypes.c_bool

    def __call__(self, x: Array) -> list[Array]:
        """Push the rows of ``x`` and read every output."""
        source = self.graph.tensors[self.graph.inputs[0]]
        rows = np.ascontiguousarray(x).reshape(source.rows, -1)
        self._c.model_reset()
        complete = False
        for row in rows:
            ctypes.memmove(self._c.model_input(), row.tobytes(), source.row_bytes)
            complete = self._c.model_push()
        assert complete
        outputs = []
        for index, name in enumerate(self.graph.outputs):
            t = self.graph.tensors[name]
            raw = ctypes.string_at(self._c.model_output(index), t.size_bytes)
            outputs.append(np.frombuffer(raw, t.dtype.numpy).reshape(t.shape))
        return outputs
