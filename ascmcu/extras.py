# SPDX-License-Identifier: Apache-2.0
"""Libraries that the base install leaves out: pyproject.toml's extras, and how to install what is missing."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
import shlex
import sys
from types import ModuleType

from ascmcu.errors import ToolError

PIP = f"{sys.executable} -m pip install "


def requirements(extra: str = "") -> list[str]:
    """What the package depends on, or an extra of it, as pip takes it; an extra that names others holds theirs.

    None where the package is a checkout that is not installed.
    """
    try:
        named = importlib.metadata.requires("ascmcu") or []
    except importlib.metadata.PackageNotFoundError:
        return []
    found: list[str] = []
    for line, _, marker in (line.partition(";") for line in named):
        if extra == _extra_in(marker):
            inner = re.fullmatch(r"ascmcu\[([\w,-]+)\]", line.strip())
            below = [requirements(name) for name in inner[1].split(",")] if inner else [[line.strip()]]
            found += [each for group in below for each in group if each not in found]
    return found


def _extra_in(marker: str) -> str:
    found = re.search(r"extra == ['\"]([\w-]+)", marker)
    return found[1] if found else ""


def install(extra: str) -> str:
    """The command that installs an extra's libraries beside this package, wherever that came from."""
    return PIP + (" ".join(shlex.quote(line) for line in requirements(extra)) or f"'ascmcu[{extra}]'")


def missing(extra: str, need: str, error: ImportError) -> ToolError:
    """The error of a step that needs an extra; ``need`` is a sentence such as ``a search needs Optuna``."""
    return ToolError(need, found=str(error).partition("\n")[0], hint=f"run `{install(extra)}`")


def load(module: str, extra: str, need: str) -> ModuleType:
    """Import a module of an extra.

    Args:
        module: its full name.
        extra: the extra in pyproject.toml.
        need: what needs it, as a sentence.

    Raises:
        ToolError: it is not installed; the hint is the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise missing(extra, need, error) from error
