# SPDX-License-Identifier: Apache-2.0
"""A convolution with the maximum behind it comes apart again: the same outputs, and nothing of the step is left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ascmcu.ir import interp, text
from ascmcu.ir.verify import verify
from ascmcu.ops.conv2d_max_pool import Conv2DMaxPool
from ascmcu.passes.fuse_max_pool import parted

# The other pairs of the pass are those that stay apart.
FUSED = ("one_channel", "four_channels", "the_maximum_clamps")


@pytest.mark.parametrize("name", FUSED)
def test_parted_gives_the_same_outputs(name: str) -> None:
    graph = text.parse((Path(__file__).parent / "fuse_max_pool" / f"{name}.after.ir").read_text())
    steps = [node for node in graph.nodes if isinstance(node.op, Conv2DMaxPool)]
    assert steps
    apart = graph
    for node in steps:
        apart = verify(parted(apart, node), "parted")
    assert not any(isinstance(node.op, Conv2DMaxPool) for node in apart.nodes)
    assert len(apart.nodes) == len(graph.nodes) + len(steps)
    x = graph.tensors[graph.inputs[0]]
    given = np.random.default_rng(1).integers(-128, 128, x.shape).astype(x.dtype.numpy)
    assert np.array_equal(interp.run(apart, [given])[0], interp.run(graph, [given])[0])
