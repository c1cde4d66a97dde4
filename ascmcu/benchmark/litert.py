# SPDX-License-Identifier: Apache-2.0
"""What LiteRT answers, where it is installed: its reference kernels, which define the integers."""

from __future__ import annotations

import contextlib
import importlib
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ascmcu import extras
from ascmcu.errors import ToolError

Outputs = list[npt.NDArray[Any]]
# Where the interpreter is, in order of preference: the small package, then all of TensorFlow.
_HOMES = ("ai_edge_litert.interpreter", "tensorflow.lite.python.interpreter")


def answers(model: bytes, inputs: Iterable[Sequence[npt.NDArray[Any]]]) -> Iterator[Outputs]:
    """All outputs of a ``.tflite`` for each input, with ``BUILTIN_REF``.

    Args:
        model: the file's bytes.
        inputs: for each inference an array for each input, of its size and dtype.

    Raises:
        ToolError: LiteRT is not installed, or refuses the model.
    """
    home = _home()
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            interpreter = home.Interpreter(
                model_content=bytes(model), experimental_op_resolver_type=home.OpResolverType.BUILTIN_REF
            )
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise ToolError("LiteRT refuses the model", found=_first(str(error))) from error
    sources = interpreter.get_input_details()
    results = interpreter.get_output_details()
    for values in inputs:
        for source, x in zip(sources, values, strict=True):
            interpreter.set_tensor(source["index"], np.ascontiguousarray(x).reshape(source["shape"]))
        interpreter.invoke()
        yield [interpreter.get_tensor(result["index"]) for result in results]


def _first(told: str) -> str:
    """LiteRT says the same of every tensor, without a space between: the first sentence is enough."""
    line = told.strip().partition("\n")[0]
    first, more, _ = re.sub(r"\.(?=[A-Z][a-z])", ".\n", line).partition("\n")
    return f"{first.removesuffix('.')} …" if more else first


def _home() -> Any:
    for name in _HOMES:
        with contextlib.suppress(ImportError):
            return importlib.import_module(name)
    raise ToolError("LiteRT is not installed", hint=extras.install("litert"))
