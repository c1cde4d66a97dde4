# SPDX-License-Identifier: Apache-2.0
"""Which axes may be exchanged: those that the caller's array has."""

from __future__ import annotations

from pathlib import Path

import pytest

from ascmcu import api
from tests.support import recipes_flat
from tests.support.recipes import Recipe, Step


@pytest.mark.parametrize(
    ("first", "names"),
    [
        (Step("relu", (0,)), ["as-is", "swap-axes"]),
        (Step("reshape", (0,), {"shape": [1, 42, 3, 1]}), ["as-is"]),
    ],
)
def test_an_input_that_is_reshaped_keeps_its_axes(tmp_path: Path, first: Step, names: list[str]) -> None:
    pool = {"kernel": [2, 1], "stride": [1, 1], "same": True, "act": "none"}
    path = tmp_path / "net.tflite"
    path.write_bytes(
        recipes_flat.make(Recipe((1, 7, 6, 3), "int8", 3, (first, Step("max_pool", (1,), pool))))
    )
    assert [v.name for v in api.variants(api.compile_model(path))] == names
