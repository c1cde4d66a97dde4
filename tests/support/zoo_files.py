# SPDX-License-Identifier: Apache-2.0
"""The .tflites of the published networks, as ``tools/make_zoo_tflite`` makes them, kept between test runs.

A file's name holds a hash of what it is made from: the network, its recipe, the tool and the quantizer.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

from ascmcu import paths

ROOT = Path(__file__).resolve().parents[2]


def zoo_file(recipe: str, classes: int) -> Path:
    """The network of a shipped recipe, int8, with random weights."""
    target = paths.cache() / "zoo" / f"{recipe}-{classes}-{_sources(recipe)}.tflite"
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(".part")
        part.write_bytes(_tool().make(recipe, classes))
        part.replace(target)
    return target


@functools.cache
def _tool() -> ModuleType:
    loader = SourceFileLoader("make_zoo_tflite", str(ROOT / "tools" / "make_zoo_tflite"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def _sources(recipe: str) -> str:
    files = [paths.recipes() / f"{recipe}.toml", ROOT / "tools" / "make_zoo_tflite"]
    files += sorted((ROOT / "ascmcu" / "zoo").glob("*.py")) + sorted(
        (ROOT / "ascmcu" / "quantize").glob("*.py")
    )
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]
