# SPDX-License-Identifier: Apache-2.0
"""``tools/replay`` sees what a kernel computes and not what it is called."""

from __future__ import annotations

import importlib.machinery
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = """/* A kernel. */
static void conv_3(const int8_t *x)
{
    copy(x, 7); /* seven */
}
static void layer_0(int32_t step)
{
    conv_3(t1(step));
}
"""


def _replay() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("replay", str(ROOT / "tools" / "replay"))
    spec = importlib.util.spec_from_loader("replay", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [("conv_3", "gemm_3", True), ("seven", "7", True), ("    copy", "\tcopy", True), ("7)", "8)", False)],
)
def test_names_and_comments_do_not_count(old: str, new: str, same: bool) -> None:
    normalized = _replay().normalized
    assert (normalized(SOURCE.replace(old, new)) == normalized(SOURCE)) == same
