# SPDX-License-Identifier: Apache-2.0
"""Nothing is worked out twice while plans are compared: counted, since seconds depend on the machine."""

from __future__ import annotations

import collections
import dataclasses
import random
from pathlib import Path

import pytest

from ascmcu import api
from ascmcu.api import Compiled
from ascmcu.ir.op import Inputs, Op
from ascmcu.ir.types import Tensor
from ascmcu.kernels import Lowered, Tuning, _packed_gemm, _registry, _requant, _select
from ascmcu.kernels._registry import Kernel
from ascmcu.schedule.simulate import _run as simulated
from tests.support import recipes, recipes_flat

Done = collections.Counter[object]


@pytest.fixture
def lowerings(monkeypatch: pytest.MonkeyPatch) -> Done:
    """How often each kernel was made for the same layer."""
    _select._lowered.cache_clear()
    simulated.cache_clear()
    for proven in (_requant._found_steps, _requant._exact_multipliers, _packed_gemm._channel_constants):
        proven.cache_clear()
    done: Done = collections.Counter()

    def counted(kernel: Kernel) -> Kernel:
        def lower(op: Op, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered | None:
            operands = tuple(t and t.content for t in (*inputs, output))
            done[kernel.name, op, operands, tuning] += 1
            return kernel.lower(op, inputs, output, tuning)

        return dataclasses.replace(kernel, lower=lower)

    known = {op: [counted(kernel) for kernel in kernels] for op, kernels in _registry._KERNELS.items()}
    monkeypatch.setattr(_registry, "_KERNELS", known)
    return done


def _compiled(folder: Path, seed: int) -> Compiled:
    (folder / "net.tflite").write_bytes(recipes_flat.make(recipes.separable(random.Random(seed))))
    return api.compile_model(folder / "net.tflite", features=False)


@pytest.mark.parametrize("seed", range(4))
def test_a_kernel_is_made_once_for_a_layer(seed: int, tmp_path: Path, lowerings: Done) -> None:
    """Both schedules, both axes and all layouts ask for the same layers again and again."""
    compiled = _compiled(tmp_path, seed)
    api.candidates(compiled, "auto")
    asked = _select._lowered.cache_info()
    assert lowerings and max(lowerings.values()) == 1
    assert asked.hits > asked.misses


def test_equal_flows_are_simulated_once(tmp_path: Path, lowerings: Done) -> None:
    """The peak of a graph, and then its plan."""
    api.candidates(_compiled(tmp_path, 1), "rows")
    assert simulated.cache_info().hits > 0


def test_the_forms_of_a_layer_share_their_steps(tmp_path: Path, lowerings: Done) -> None:
    """A layer's accumulators are searched once, for however many shifts and multipliers they prove."""
    api.candidates(_compiled(tmp_path, 2), "auto")
    assert _requant._found_steps.cache_info().hits > 0
