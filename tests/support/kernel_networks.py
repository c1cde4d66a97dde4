# SPDX-License-Identifier: Apache-2.0
"""Small random networks that between them take every kernel, for measuring and checking predicted cycles."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Iterator, Sequence

from tests.support.recipes import Recipe, Step


class _Drawing:
    """A recipe under construction, layer by layer."""

    def __init__(self, rng: random.Random, shape: tuple[int, ...], interface: str = "int8") -> None:
        self.rng = rng
        self.recipe = Recipe(shape, interface, rng.randrange(1 << 30), ())

    def shape(self, value: int = -1) -> tuple[int, ...]:
        return self.recipe.shapes()[value]

    @property
    def last(self) -> int:
        return len(self.recipe.shapes()) - 1

    def add(self, kind: str, inputs: Sequence[int] = (), **attributes: object) -> int:
        step = Step(kind, tuple(inputs) or (self.last,), attributes)
        self.recipe = dataclasses.replace(self.recipe, steps=(*self.recipe.steps, step))
        return self.last

    def act(self) -> str:
        return self.rng.choice(["none", "relu", "relu", "relu6"])

    def conv(
        self, kernel: Sequence[int], channels: int, stride: Sequence[int] = (1, 1), *, same: bool = True
    ) -> int:
        return self.add(
            "conv", kernel=list(kernel), stride=list(stride), same=same, act=self.act(), dilation=[1, 1],
            channels=channels, groups=1, dead=0,
        )  # fmt: skip

    def depthwise(
        self,
        kernel: Sequence[int],
        stride: int = 1,
        *,
        same: bool = True,
        dilation: int = 1,
        multiplier: int = 1,
    ) -> int:
        return self.add(
            "depthwise", kernel=list(kernel), stride=[stride, stride], same=same, act=self.act(),
            dilation=[dilation, dilation], multiplier=multiplier, dead=0,
        )  # fmt: skip

    def macs(self) -> int:
        total, shapes = 0, self.recipe.shapes()
        for step, shape in zip(self.recipe.steps, shapes[1:], strict=True):
            depth = shapes[step.inputs[0]][-1] if step.kind in ("conv", "dense") else 1
            total += math.prod(shape) * math.prod(step.attributes.get("kernel", [1])) * depth
        return total


_CHANNELS = (4, 8, 8, 12, 16, 16, 24, 32, 40, 48, 64, 64, 96)
_KERNELS = (
    (1, 1),
    (1, 1),
    (3, 3),
    (3, 3),
    (5, 5),
    (1, 3),
    (3, 1),
    (2, 2),
    (10, 4),
    (5, 1),
    (1, 5),
    (7, 7),
    (4, 4),
)


def _convs(rng: random.Random) -> Recipe | None:
    shape = (1, rng.randint(4, 40), rng.randint(2, 33), rng.choice((*_CHANNELS, 1, 2, 3, 5, 6, 10, 18)))
    d = _Drawing(rng, shape)
    for _ in range(rng.randint(1, 3)):
        channels = rng.choice((*_CHANNELS, 1, 2, 3, 5, 6, 7, 10, 18, 27))
        d.conv(
            rng.choice(_KERNELS),
            channels,
            rng.choice([(1, 1), (1, 1), (1, 1), (2, 2), (1, 2), (2, 1)]),
            same=rng.random() < 0.7,
        )
        if min(d.shape()) < 1:
            return None
    return d.recipe if 20_000 < d.macs() < 3_000_000 else None


def _separables(rng: random.Random) -> Recipe | None:
    d = _Drawing(rng, (1, rng.randint(4, 32), rng.randint(2, 24), rng.choice((1, 3, 8, 16))))
    d.conv(rng.choice(((3, 3), (10, 4), (1, 1), (5, 5))), rng.choice(_CHANNELS), rng.choice([(1, 1), (2, 2)]))
    for _ in range(rng.randint(1, 3)):
        d.depthwise(
            rng.choice(((3, 3), (3, 3), (3, 3), (1, 3), (2, 3))),
            rng.choice([1, 1, 1, 2]),
            same=rng.random() < 0.8,
        )
        d.conv((1, 1), rng.choice(_CHANNELS))
        if min(d.shape()) < 1:
            return None
    return d.recipe if 20_000 < d.macs() < 3_000_000 else None


def _times(rng: random.Random) -> Recipe | None:
    d = _Drawing(rng, (1, rng.randint(16, 100), 1, rng.choice((8, 10, 16, 40, 64))))
    for _ in range(rng.randint(1, 3)):
        if rng.random() < 0.7:
            d.depthwise((rng.choice((3, 5, 9, 10, 15)), 1), rng.choice([1, 1, 2]), same=rng.random() < 0.6)
            d.conv((1, 1), rng.choice(_CHANNELS))
        else:
            d.conv(
                (rng.choice((1, 3, 5, 9)), 1),
                rng.choice(_CHANNELS),
                (rng.choice((1, 1, 2)), 1),
                same=rng.random() < 0.6,
            )
        if min(d.shape()) < 1:
            return None
    if rng.random() < 0.5:
        d.add("dense", units=rng.randint(2, 20), flatten=True, act="none", bias=True, dead=0)
    return d.recipe if d.macs() < 3_000_000 else None


def _denses(rng: random.Random) -> Recipe | None:
    d = _Drawing(rng, (1, rng.choice((16, 40, 64, 128, 200, 250, 256, 320, 640))))
    for _ in range(rng.randint(1, 4)):
        d.add(
            "dense",
            units=rng.choice((3, 8, 10, 12, 16, 32, 64, 100, 128)),
            flatten=False,
            act=d.act(),
            bias=True,
            dead=0,
        )
    if rng.random() < 0.5:
        d.add("softmax")
    return d.recipe


def _residuals(rng: random.Random) -> Recipe | None:
    channels = rng.choice(_CHANNELS)
    d = _Drawing(rng, (1, rng.randint(4, 24), rng.randint(2, 16), channels))
    first = d.last
    d.conv(rng.choice(((1, 1), (3, 3))), channels)
    kind = rng.choice(("add", "add", "mul", "sub", "maximum", "gate", "prelu", "concat"))
    if kind == "gate":
        x = d.last
        d.add("mean", axes=[1, 2], keep=True)
        d.conv((1, 1), max(channels // 4, 2))
        d.conv((1, 1), channels)
        d.add("logistic")
        d.add("mul", (x, d.last), act="none")
    elif kind == "prelu":
        d.add("prelu", slope=[1, 1, channels])
    elif kind == "concat":
        d.add("concat", (d.last, first), axis=3)
    else:
        d.add(
            kind,
            (d.last, first),
            **({} if kind == "maximum" else {"act": rng.choice(["none", "none", "relu"])}),
        )
    return d.recipe if d.macs() < 3_000_000 else None


def _pools(rng: random.Random) -> Recipe | None:
    d = _Drawing(
        rng,
        (1, rng.randint(6, 40), rng.randint(1, 24), rng.choice((*_CHANNELS, 1, 6, 10))),
        rng.choice(("int8", "int8", "float32")),
    )
    kind = rng.choice(
        ("average_pool", "max_pool", "mean", "mean_rows", "sum", "reduce_max", "softmax", "pad")
    )
    if kind.endswith("_pool"):
        kernel = rng.choice(([2, 2], [2, 1], [3, 3], [d.shape()[1], d.shape()[2]], [1, 2], [4, 4]))
        kernel = [min(k, s) for k, s in zip(kernel, d.shape()[1:3], strict=True)]
        stride = kernel if rng.random() < 0.7 else [1, 1]
        d.add(kind, kernel=kernel, stride=stride, same=rng.random() < 0.5, act="none")
    elif kind == "pad":
        d.add("pad", paddings=[[0, 0], [1, 1], [rng.randint(0, 2), rng.randint(0, 2)], [0, 0]])
    elif kind == "softmax":
        d.add("softmax")
    else:
        axes = [1] if kind == "mean_rows" else [1, 2]
        d.add(kind.removesuffix("_rows"), axes=axes, keep=True)
    return d.recipe


def _portables(rng: random.Random) -> Recipe | None:
    d = _Drawing(rng, (1, rng.randint(4, 30), rng.randint(1, 16), rng.choice((1, 3, 6, 8, 16))))
    if rng.random() < 0.6:
        kernel = rng.choice(((1, 5), (5, 5), (3, 3), (1, 7), (5, 1)))
        d.depthwise(kernel, rng.choice([1, 2]), multiplier=rng.choice((1, 1, 2, 8)))
    else:
        groups = 2 if d.shape()[3] % 2 == 0 else 1
        d.add(
            "conv", kernel=[3, 3], stride=[1, 1], same=True, act=d.act(), dilation=[2, 2],
            channels=4 * groups, groups=groups, dead=0,
        )  # fmt: skip
    return d.recipe if min(d.shape()) > 0 and d.macs() < 500_000 else None


FORMS = {
    "conv": _convs, "separable": _separables, "time": _times, "dense": _denses, "residual": _residuals,
    "pool": _pools, "portable": _portables,
}  # fmt: skip


def drawn(form: str, seed: int, count: int) -> Iterator[Recipe]:
    """``count`` networks of a form; the same for the same seed."""
    rng, made = random.Random(f"{form} {seed}"), 0
    while made < count:
        recipe = FORMS[form](rng)
        if recipe is not None:
            made += 1
            yield recipe
