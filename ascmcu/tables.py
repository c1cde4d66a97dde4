# SPDX-License-Identifier: Apache-2.0
"""TOML and JSON tables as frozen dataclasses: one reader for boards, recipes, studies, features and manifests.

A dataclass says everything that a table may hold: its fields are the keys, their annotations the types, their
defaults what may be left out, and ``Annotated[int, Range(1)]`` what a number must be. ``error`` is the exception
that a wrong table raises; its ``where`` is the file and the key.
"""

from __future__ import annotations

import dataclasses
import json
import math
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from ascmcu.errors import InputError, near, why

T = TypeVar("T")
Error = type[InputError]

_WORDS = {int: "an integer", float: "a number", str: "a string", bool: "true or false"}


@dataclass(frozen=True)
class Range:
    """What a number may be, both ends included; ``None`` leaves that side open."""

    low: float
    high: float | None = None

    def __str__(self) -> str:
        return f"{self.low} or more" if self.high is None else f"{self.low} to {self.high}"

    def holds(self, number: float) -> bool:
        """Whether the number lies in it."""
        return self.low <= number and (self.high is None or number <= self.high)


def read(path: Path, kind: type[T], error: Error = InputError) -> T:
    """A file's whole table as the dataclass ``kind``.

    Raises:
        error: no such file, not TOML, or a table that ``kind`` does not describe.
    """
    return build(kind, load(path, error), str(path), error)


def load(path: Path, error: Error = InputError) -> dict[str, Any]:
    """A file's table as TOML has it, unchecked.

    Raises:
        error: no such file, or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (
        OSError,
        ValueError,
    ) as cause:  # a TOML error is a ValueError, as are bad UTF-8 and a NUL in a path
        raise error("not a readable TOML file", where=str(path), found=why(cause)) from cause
    except RecursionError as cause:
        raise error("not a readable TOML file", where=str(path), found="tables nested too deep") from cause


def load_json(path: Path, error: Error = InputError) -> Any:
    """What a JSON file holds, unchecked.

    Raises:
        error: no such file, or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as cause:
        raise error("not a readable JSON file", where=str(path), found=why(cause)) from cause
    except RecursionError as cause:
        raise error("not a readable JSON file", where=str(path), found="lists nested too deep") from cause


def build(kind: type[T], raw: object, where: str, error: Error = InputError) -> T:
    """The dataclass ``kind`` from plain values; every key must be known, every value of its field's type.

    Raises:
        error: they are not.
    """
    return kind(**checked(kind, raw, where, error))


def checked(kind: type[Any], raw: object, where: str, error: Error = InputError) -> dict[str, Any]:
    """The keyword arguments that ``build`` gives to ``kind``.

    Raises:
        error: a key is unknown or missing, or a value is not of its field's type.
    """
    if not isinstance(raw, Mapping):
        raise error("expected a table", where=where or None, found=repr(raw))
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    only(raw, fields, where, error)
    missing = [name for name, field in fields.items() if name not in raw and _required(field)]
    if missing:
        raise error("missing key", where=where or None, expected=", ".join(missing))
    hints = typing.get_type_hints(kind, include_extras=True)
    return {key: convert(hints[key], value, _at(where, key), error) for key, value in raw.items()}


def only(raw: Mapping[str, Any], known: typing.Iterable[str], where: str, error: Error = InputError) -> None:
    """Refuse a table with other keys than the known ones.

    Raises:
        error: it has one; a near match is suggested.
    """
    names = list(known)
    for key in raw:
        if key not in names:
            raise error(
                "unknown key",
                where=where or None,
                found=key,
                expected=", ".join(names),
                hint=near(str(key), names),
            )


def one_of(value: object, allowed: typing.Sequence[Any], where: str, error: Error = InputError) -> None:
    """Refuse what is not among the allowed values.

    Raises:
        error: it is not; a near match is suggested.
    """
    if value not in allowed:
        names = [str(name) for name in allowed]
        raise error(
            "unknown value", where=where, found=value, expected=", ".join(names), hint=near(str(value), names)
        )


def convert(hint: Any, value: Any, where: str, error: Error = InputError) -> Any:
    """A plain value as its annotation wants it: lists become tuples, tables dataclasses, integers floats.

    Raises:
        error: it is of another type, or outside its ``Range``.
    """
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin is typing.Annotated:
        number = convert(args[0], value, where, error)
        for limit in args[1:]:
            if number is not None and not limit.holds(number):
                raise error("a value is out of range", where=where, expected=limit, found=value)
        return number
    if origin is Literal:
        one_of(value, args, where, error)
        return value
    if origin is tuple:
        return _list(args, value, where, error)
    if origin in (dict, Mapping):
        if not isinstance(value, Mapping):
            raise error("expected a table", where=where, found=repr(value))
        return {key: convert(args[1], item, _at(where, key), error) for key, item in value.items()}
    if origin in (types.UnionType, typing.Union):  # a value that may be absent, or of either of two types
        return None if value is None else _either(args, value, where, error)
    if dataclasses.is_dataclass(hint):
        kind = typing.cast(type[Any], hint)
        return value if isinstance(value, kind) else build(kind, value, where, error)
    return _plain(hint, value, where, error)


def _either(args: tuple[Any, ...], value: Any, where: str, error: Error) -> Any:
    kinds = [a for a in args if a is not types.NoneType]
    if len(kinds) > 1 and type(value) not in kinds:
        expected = " or ".join(_WORDS[kind] for kind in kinds)
        raise error("a value has the wrong type", where=where, expected=expected, found=repr(value))
    return convert(kinds[0] if len(kinds) == 1 else type(value), value, where, error)


def _at(where: str, key: str) -> str:
    return f"{where}, {key}" if where else key


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _list(args: tuple[Any, ...], value: Any, where: str, error: Error) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise error("expected a list", where=where, found=repr(value))
    if args[-1] is Ellipsis:
        args = args[:1] * len(value)
    elif len(args) != len(value):
        raise error(f"expected a list of {len(args)} values", where=where, found=value)
    return tuple(
        convert(hint, item, f"{where}[{i}]", error)
        for i, (hint, item) in enumerate(zip(args, value, strict=True))
    )


def _plain(hint: Any, value: Any, where: str, error: Error) -> Any:
    """An integer, number, string or truth. A truth is no integer: ``usart = true`` is a mistake."""
    if hint is float and type(value) is int and abs(value) < 1 << 53:
        return float(value)
    if type(value) is not hint:
        raise error("a value has the wrong type", where=where, expected=_WORDS[hint], found=repr(value))
    if hint is float and not math.isfinite(value):
        raise error("a number must be finite", where=where, found=value)
    return value
