# SPDX-License-Identifier: Apache-2.0
"""The registry of ops. A file in ``ascmcu/ops/`` registers itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ascmcu.errors import VerifyError
from ascmcu.ir.op import Op

_KINDS: dict[str, type[Op]] = {}
_IMPORTERS: dict[str, type[Op]] = {}
# The importers of operators whose result is float32.
_FLOAT_IMPORTERS: dict[str, type[Op]] = {}
# Those of operators whose result is int16.
_WIDE_IMPORTERS: dict[str, type[Op]] = {}
# Those of operators whose result are plain integers: int32 or int64 without a scale.
_INTEGER_IMPORTERS: dict[str, type[Op]] = {}

T = TypeVar("T", bound=type[Op])


def register(*tflite_builtins: str, floats: bool = False) -> Callable[[T], T]:
    """Class decorator: make an op known by its kind, and as the importer of TFLite builtin operators; with ``floats``
    also of those whose result is float32."""

    def both(op: T) -> T:
        _registered(op, tflite_builtins, _IMPORTERS)
        if floats:
            _FLOAT_IMPORTERS.update(dict.fromkeys(tflite_builtins, op))
        return op

    return both


def register_float(*tflite_builtins: str) -> Callable[[T], T]:
    """Class decorator: the same, for operators whose result is float32."""
    return lambda op: _registered(op, tflite_builtins, _FLOAT_IMPORTERS)


def register_wide(*tflite_builtins: str) -> Callable[[T], T]:
    """Class decorator: the same, for operators whose result is int16."""
    return lambda op: _registered(op, tflite_builtins, _WIDE_IMPORTERS)


def register_integers(*tflite_builtins: str) -> Callable[[T], T]:
    """Class decorator: the same, for operators whose result is int32 or int64 without a scale."""
    return lambda op: _registered(op, tflite_builtins, _INTEGER_IMPORTERS)


def _registered(op: T, builtins: tuple[str, ...], importers: dict[str, type[Op]]) -> T:
    if not op.KIND or _KINDS.get(op.KIND, op) is not op:
        raise VerifyError(f"op kind '{op.KIND}' is empty or registered twice", where=op.__name__)
    _KINDS[op.KIND] = op
    for builtin in builtins:
        if builtin in importers:
            raise VerifyError(
                f"{builtin} is imported by two ops", where=f"{op.KIND}, {importers[builtin].KIND}"
            )
        importers[builtin] = op
    return op


def kinds() -> dict[str, type[Op]]:
    """All registered ops by kind (import ``ascmcu.ops`` first)."""
    return dict(_KINDS)


def by_kind(kind: str) -> type[Op] | None:
    """The op of that kind."""
    return _KINDS.get(kind)


def importer(
    builtin: str, *, floats: bool = False, wide: bool = False, integers: bool = False
) -> type[Op] | None:
    """The op that imports the TFLite builtin of that name; ``floats`` says that its result is float32, ``wide``
    that it is int16, ``integers`` that it is int32 or int64 without a scale."""
    forms = ((floats, _FLOAT_IMPORTERS), (wide, _WIDE_IMPORTERS), (integers, _INTEGER_IMPORTERS))
    found = next((known.get(builtin) for asked, known in forms if asked), None)
    return found or _IMPORTERS.get(builtin)


def wide_builtins() -> tuple[str, ...]:
    """Names of all TFLite operators with an op of their own for int16 results."""
    return tuple(sorted(_WIDE_IMPORTERS))


def integer_builtins() -> tuple[str, ...]:
    """Names of all TFLite operators with an op of their own for plain integers."""
    return tuple(sorted(_INTEGER_IMPORTERS))


def supported_builtins(*, floats: bool = False) -> tuple[str, ...]:
    """Names of all TFLite operators that can be imported; with ``floats``, of those with an op for float32 results."""
    return tuple(sorted(_FLOAT_IMPORTERS if floats else _IMPORTERS))
