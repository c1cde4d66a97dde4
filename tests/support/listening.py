# SPDX-License-Identifier: Apache-2.0
"""Networks that listen, held against their network of clips: every window equals the clip of the same rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ascmcu import passes
from ascmcu.features import spec as specs
from ascmcu.frontends import tflite
from ascmcu.ir import interp
from ascmcu.ir.graph import Graph
from ascmcu.ir.types import Array
from tests.support import recipes_flat
from tests.support.recipes import Recipe, Step

_CONV = {"act": "relu", "dilation": [1, 1], "groups": 1, "dead": 0}


def conv(inputs: int, kernel: tuple[int, int], stride: tuple[int, int], channels: int, *, same: bool) -> Step:
    """A convolution of a recipe."""
    return Step(
        "conv",
        (inputs,),
        {**_CONV, "kernel": list(kernel), "stride": list(stride), "same": same, "channels": channels},
    )


def depthwise(inputs: int, *, same: bool) -> Step:
    """A depthwise convolution, 3 by 3."""
    attributes = {
        "kernel": [3, 3],
        "stride": [1, 1],
        "same": same,
        "act": "relu",
        "dilation": [1, 1],
        "multiplier": 1,
    }
    return Step("depthwise", (inputs,), {**attributes, "dead": 0})


def keyword_network(*, same: bool, rows: int = 98, bands: int = 40, channels: int = 32) -> Recipe:
    """As networks for keywords are: a strided convolution, three separable ones, a mean over all, classes. ``rows`` of
    10 ms are a second."""
    steps = [conv(0, (10, 4), (2, 2), channels, same=same)]
    for block in range(3):
        steps += [
            depthwise(2 * block + 1, same=same),
            conv(2 * block + 2, (1, 1), (1, 1), channels, same=True),
        ]
    steps += [
        Step("mean", (7,), {"axes": [1, 2], "keep": False}),
        Step("dense", (8,), {"units": 10, "flatten": False, "act": "none", "bias": True, "dead": 0}),
        Step("softmax", (9,), {}),
    ]
    return Recipe((1, rows, bands, 1), "int8", 7, tuple(steps))


def features(bands: int) -> str:
    """A specification of ``bands`` values every 10 ms, whose rows depend on nothing but their own samples."""
    return specs.load_log_mel("kaldi_fbank").replace(n_mels=bands).to_toml()


def graph_of(recipe: Recipe) -> Graph:
    """The network after all passes."""
    return passes.optimize(tflite.parse(recipes_flat.make(recipe), "network"))


def audio_rows(graph: Graph, count: int, seed: int = 0) -> Array:
    """Rows for the network's only input: time first behind a batch of one."""
    x = graph.tensors[graph.inputs[0]]
    rng = np.random.default_rng(seed)
    shape = (1, count, *x.shape[2:])
    if x.dtype.numpy.kind == "f":
        return rng.normal(size=shape).astype(x.dtype.numpy)
    low, high = x.dtype.integer_range
    return rng.integers(low, high + 1, shape).astype(x.dtype.numpy)


def clips(graph: Graph, rows: Array, hop_rows: int) -> Iterator[list[Array] | None]:
    """What the network of clips says of every window, hop after hop; None before a window is full."""
    count = graph.tensors[graph.inputs[0]].rows
    for end in range(hop_rows, rows.shape[1] + 1, hop_rows):
        window = np.ascontiguousarray(rows[:, max(end - count, 0) : end])
        yield interp.run(graph, [window]) if end >= count else None


def hops(rows: Array, hop_rows: int) -> Iterator[Array]:
    """The rows, hop after hop."""
    for end in range(hop_rows, rows.shape[1] + 1, hop_rows):
        yield np.ascontiguousarray(rows[:, end - hop_rows : end])
