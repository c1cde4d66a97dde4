# SPDX-License-Identifier: Apache-2.0
"""The interface through which an op reads the source file at import; the front end implements it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from ascmcu.errors import ModelError
from ascmcu.ir.op import Op
from ascmcu.ir.types import Array, DType, Quantization, Tensor


class ImportContext(Protocol):
    """One operator of the source file, and the graph under construction."""

    @property
    def builtin(self) -> str:
        """The operator's name in the source format."""

    @property
    def inputs(self) -> Sequence[Tensor | None]:
        """Input tensors; ``None`` for absent optional ones."""

    @property
    def outputs(self) -> Sequence[Tensor]:
        """Output tensors with the shapes that the source file states."""

    @property
    def intermediates(self) -> Sequence[Quantization | None]:
        """The quantizations of what the operator computes in between, as far as the source states them."""

    def option(self, name: str, default: Any = None) -> Any:
        """A builtin option by its schema name (``StrideH``), or ``default`` when the operator has no options."""

    def needed(self, index: int) -> Tensor:
        """Input ``index``, which must not be absent.

        Raises:
            ModelError: it is.
        """

    def known(self, index: int) -> Array | None:
        """The value of input ``index``, ``None`` where it is absent or computed at run time."""

    def const(self, index: int) -> Array:
        """The value of input ``index``, which must be constant.

        Raises:
            ModelError: it is computed at run time.
        """

    def emit(self, op: Op, inputs: Sequence[Tensor | None], output: Tensor) -> None:
        """Append a node that computes ``output``."""

    def define(self, output: Tensor, value: Array) -> None:
        """State that ``output`` is the constant ``value``."""

    def temporary(self, like: Tensor, shape: tuple[int, ...], stem: str) -> Tensor:
        """A new tensor of ``like``'s type and quantization with another shape."""

    def constant(self, stem: str, value: Array, like: Tensor | None = None) -> Tensor:
        """A new constant tensor; type and quantization from ``like`` when given."""

    def carry(self, entry: Tensor, exit_: Tensor, initial: Array) -> None:
        """State of the operator's own: ``exit_`` of a step is ``entry`` of the next one, ``initial`` that of the first.

        ``entry`` is a temporary that nothing computes.
        """

    def error(self, what: str, tensor: Tensor | None = None, **context: Any) -> ModelError:
        """A ModelError that names this operator, its index and ``tensor``."""

    def damage(self, what: str, tensor: Tensor | None = None, **context: Any) -> ModelError:
        """The same, where no converter writes such an operator."""

    def require_dtype(self, tensor: Tensor, *allowed: DType) -> None:
        """Raise a ModelError unless the tensor has one of the types."""
