# SPDX-License-Identifier: Apache-2.0
"""Compiles trained audio classifiers to Cortex-M4 firmware and benchmarks it, bit for bit.

::

    import ascmcu

    compiled = ascmcu.compile("model.tflite")
    ascmcu.build(compiled, "nucleo-f446", "build")
    result = ascmcu.bench("build", on="sim", data="recordings", split="test")
    print(result.accuracy, result.counts)
    ascmcu.report("build")
    scores = ascmcu.predict("build", audio=clips)  # int16 (N, samples) in, (N, classes) out

Nothing is imported before it is used; what is raised on purpose is an ``ascmcu.errors.AscmcuError``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["bench", "build", "compare", "compile", "export", "inspect", "predict", "report", "result"]

if TYPE_CHECKING:
    from ascmcu.api import (
        bench,
        build,
        compare,
        export,
        inspect,
        predict,
        report,
        result,
    )
    from ascmcu.api import compile_model as compile


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'ascmcu' has no attribute {name!r}")
    return getattr(importlib.import_module("ascmcu.api"), {"compile": "compile_model"}.get(name, name))


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
