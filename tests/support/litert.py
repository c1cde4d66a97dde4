# SPDX-License-Identifier: Apache-2.0
"""The oracle: LiteRT's interpreter with the reference kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ascmcu.ir.types import Array


class Reference:
    """One model in LiteRT 2.3.0 with ``OpResolverType.BUILTIN_REF``, or another resolver where a row says why."""

    def __init__(self, data: bytes, resolver: str = "BUILTIN_REF") -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        self._interpreter: Any = Interpreter(
            model_content=data,
            experimental_op_resolver_type=OpResolverType[resolver],
            experimental_preserve_all_tensors=True,
        )
        self._interpreter.allocate_tensors()

    @property
    def input_quantization(self) -> tuple[float, int]:
        """Scale and zero point of the first input."""
        scale, zero_point = self._interpreter.get_input_details()[0]["quantization"]
        return float(scale), int(zero_point)

    def __call__(self, inputs: Sequence[Array]) -> list[Array]:
        """Outputs for one set of inputs."""
        for detail, array in zip(self._interpreter.get_input_details(), inputs, strict=True):
            self._interpreter.set_tensor(detail["index"], array)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(d["index"]) for d in self._interpreter.get_output_details()]

    def tensor(self, index: int) -> Array:
        """Any tensor after the last call."""
        return self._interpreter.get_tensor(index)
