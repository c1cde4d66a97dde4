# SPDX-License-Identifier: Apache-2.0
"""Random small networks as data: a recipe is drawn by hypothesis, written as a TOML row, and built in two ways.

``recipes_flat`` writes the flatbuffer itself (every operator, odd quantizations); ``recipes_tensorflow`` builds a
TensorFlow function and lets its converter quantize. Values are numbered: 0 is the network's input, every step adds
its outputs. Values that no step reads are the network's outputs, and those that the recipe names besides.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

Shape = tuple[int, ...]
Attributes = dict[str, Any]
MAX_ELEMENTS = 1500


@dataclass(frozen=True)
class Step:
    """One layer: its kind, the values it reads, and its attributes (TOML literals)."""

    kind: str
    inputs: tuple[int, ...]
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """A network. ``seed`` fixes weights, quantization and inputs; ``interface`` is the type at its ends. ``also`` are
    values that a step reads and that are outputs all the same."""

    shape: Shape
    interface: str
    seed: int
    steps: tuple[Step, ...]
    also: tuple[int, ...] = ()

    def shapes(self) -> list[Shape]:
        """The shape of every value."""
        known = [self.shape]
        for step in self.steps:
            known += KINDS[step.kind].shapes([known[i] for i in step.inputs], step.attributes)
        return known

    def outputs(self) -> list[int]:
        """Values that no step reads, and those that are outputs besides."""
        read = {i for step in self.steps for i in step.inputs} - set(self.also)
        return [i for i in range(1, len(self.shapes())) if i not in read]

    def row(self, name: str) -> str:
        """The recipe as a row for ``tests/fuzz/found.toml``."""
        lines = ["[[graph]]", f'name = "{name}"', f"shape = {list(self.shape)}"]
        lines += [f'interface = "{self.interface}"', f"seed = {self.seed}"]
        lines += [f"also = {list(self.also)}"] if self.also else []
        lines.append("steps = [")
        for step in self.steps:
            pairs = [("kind", step.kind), ("inputs", step.inputs), *step.attributes.items()]
            lines.append("  { " + ", ".join(f"{key} = {_toml(value)}" for key, value in pairs) + " },")
        return "\n".join([*lines, "]"]) + "\n"

    @staticmethod
    def from_row(row: dict[str, Any]) -> Recipe:
        """The recipe of a parsed row."""
        steps = []
        for raw in row["steps"]:
            rest = {key: value for key, value in raw.items() if key not in ("kind", "inputs")}
            steps.append(Step(raw["kind"], tuple(raw["inputs"]), rest))
        also = tuple(row.get("also", ()))
        return Recipe(tuple(row["shape"]), row["interface"], row["seed"], tuple(steps), also)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    return repr(value)


Draw = Callable[[Any], Any]


@dataclass(frozen=True)
class Kind:
    """How a kind of layer is drawn for value shapes (None: it does not apply) and what shapes it makes."""

    draw: Callable[[Draw, list[Shape], int], tuple[tuple[int, ...], Attributes] | None]
    shapes: Callable[[list[Shape], Attributes], list[Shape]]


KINDS: dict[str, Kind] = {}


def _kind(
    name: str, shapes: Callable[[list[Shape], Attributes], list[Shape]]
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def decorate(draw: Callable[..., Any]) -> Callable[..., Any]:
        KINDS[name] = Kind(draw, shapes)
        return draw

    return decorate


def _int(draw: Draw, low: int, high: int) -> int:
    return int(draw(st.integers(low, high)))


def _one(draw: Draw, options: Sequence[Any]) -> Any:
    return draw(st.sampled_from(list(options)))


def _like(inputs: list[Shape], attributes: Attributes) -> list[Shape]:
    return [inputs[0]]


# ---- Windows ----

ACTIVATIONS = ["none", "none", "relu", "relu6"]


def window_size(size: int, kernel: int, stride: int, dilation: int, same: bool) -> int:
    """Output extent of a window along one axis."""
    if same:
        return -(-size // stride)
    return (size - (kernel - 1) * dilation - 1) // stride + 1


def _window(draw: Draw, shape: Shape, *, dilated: bool, square: bool) -> Attributes | None:
    same = _one(draw, [True, True, False])
    dilation = [_one(draw, [1, 1, 1, 2]), _one(draw, [1, 1, 1, 2])] if dilated else [1, 1]
    if square:
        dilation[1] = dilation[0]
    kernel = [_int(draw, 1, min(5, d)) for d in shape[1:3]]
    if not same and any((k - 1) * r + 1 > d for k, r, d in zip(kernel, dilation, shape[1:3], strict=True)):
        same = True
    stride = [1, 1] if max(dilation) > 1 else [_one(draw, [1, 1, 2, 3]), _one(draw, [1, 1, 2, 3])]
    if square:
        stride[1] = stride[0]
    found: Attributes = {"kernel": kernel, "stride": stride, "same": same, "act": _one(draw, ACTIVATIONS)}
    return {**found, "dilation": dilation} if dilated else found


def _window_shape(inputs: list[Shape], a: Attributes, channels: int) -> list[Shape]:
    dilation = a.get("dilation", [1, 1])
    size = tuple(
        window_size(d, k, s, r, a["same"])
        for d, k, s, r in zip(inputs[0][1:3], a["kernel"], a["stride"], dilation, strict=True)
    )
    return [(1, *size, channels)]


@_kind("conv", lambda inputs, a: _window_shape(inputs, a, a["channels"]))
def _draw_conv(draw: Draw, shapes: list[Shape], i: int) -> Any:
    if len(shapes[i]) != 4:
        return None
    found = _window(draw, shapes[i], dilated=True, square=False)
    channels = shapes[i][3]
    groups = _one(draw, [1, 1, 1, *[g for g in (2, 3, 4) if channels % g == 0 and channels > g]])
    dead = _one(draw, [0, 0, 0, 1, 3])
    return (i,), {**found, "channels": groups * _int(draw, 1, 9 // groups), "groups": groups, "dead": dead}


@_kind("depthwise", lambda inputs, a: _window_shape(inputs, a, inputs[0][3] * a["multiplier"]))
def _draw_depthwise(draw: Draw, shapes: list[Shape], i: int) -> Any:
    if len(shapes[i]) != 4:
        return None
    found = _window(draw, shapes[i], dilated=True, square=True)
    return (i,), {**found, "multiplier": _one(draw, [1, 1, 1, 2, 3]), "dead": _one(draw, [0, 0, 1])}


@_kind("average_pool", lambda inputs, a: _window_shape(inputs, a, inputs[0][3]))
@_kind("max_pool", lambda inputs, a: _window_shape(inputs, a, inputs[0][3]))
def _draw_pool(draw: Draw, shapes: list[Shape], i: int) -> Any:
    if len(shapes[i]) != 4:
        return None
    return (i,), _window(draw, shapes[i], dilated=False, square=False)


# ---- Dense and reductions ----


def _dense_shape(inputs: list[Shape], a: Attributes) -> list[Shape]:
    return [(1, a["units"])] if a["flatten"] else [(*inputs[0][:-1], a["units"])]


@_kind("dense", _dense_shape)
def _draw_dense(draw: Draw, shapes: list[Shape], i: int) -> Any:
    flatten = len(shapes[i]) > 2 and draw(st.booleans())
    return (i,), {
        "units": _int(draw, 1, 12), "flatten": flatten, "act": _one(draw, ACTIVATIONS),
        "bias": draw(st.booleans()), "dead": _one(draw, [0, 0, 1]),
    }  # fmt: skip


def _reduced(inputs: list[Shape], a: Attributes) -> list[Shape]:
    kept = [1 if i in a["axes"] else d for i, d in enumerate(inputs[0]) if a["keep"] or i not in a["axes"]]
    return [tuple(kept)]


@_kind("mean", _reduced)
@_kind("reduce_max", _reduced)
@_kind("sum", _reduced)
def _draw_reduce(draw: Draw, shapes: list[Shape], i: int) -> Any:
    rank = len(shapes[i])
    axes = sorted(draw(st.sets(st.integers(1, rank - 1), min_size=1, max_size=rank - 1)))
    keep = draw(st.booleans()) or rank - len(axes) < 2
    return (i,), {"axes": axes, "keep": keep}


# ---- Two operands ----


def _broadcast_shape(inputs: list[Shape], a: Attributes) -> list[Shape]:
    other = tuple(a["const"]) if "const" in a else inputs[1]
    rank = max(len(inputs[0]), len(other))
    x, y = ((1,) * (rank - len(s)) + s for s in (inputs[0], other))
    return [tuple(max(p, q) for p, q in zip(x, y, strict=True))]


def _broadcasts(a: Shape, b: Shape) -> bool:
    return len(a) == len(b) and all(p == q or 1 in (p, q) for p, q in zip(a, b, strict=True))


def _draw_binary(draw: Draw, shapes: list[Shape], i: int, activations: bool, itself: bool = True) -> Any:
    act = {"act": _one(draw, ACTIVATIONS)} if activations else {}
    partners = [k for k, s in enumerate(shapes) if _broadcasts(s, shapes[i]) and (itself or k != i)]
    if partners and draw(st.booleans()):
        return (i, _one(draw, partners)), act
    shape = shapes[i]
    whole, channel, scalar = list(shape), [shape[-1]], [1]
    some = [d if draw(st.booleans()) else 1 for d in shape]
    first = draw(st.booleans())
    return (i,), {"const": _one(draw, [whole, channel, scalar, some]), "const_first": first, **act}


for _name in ("add", "mul"):
    _kind(_name, _broadcast_shape)(lambda draw, shapes, i: _draw_binary(draw, shapes, i, True))
# x − x has no scale, and LiteRT no defined answer.
_kind("sub", _broadcast_shape)(lambda draw, shapes, i: _draw_binary(draw, shapes, i, True, itself=False))
for _name in ("maximum", "minimum", "where"):
    _kind(_name, _broadcast_shape)(lambda draw, shapes, i: _draw_binary(draw, shapes, i, False))


_kind("squared_difference", _broadcast_shape)(
    lambda draw, shapes, i: _draw_binary(draw, shapes, i, False, itself=False)
)


@_kind("matmul", lambda inputs, a: [(*inputs[0][:-1], inputs[1][-2])])
def _draw_matmul(draw: Draw, shapes: list[Shape], i: int) -> Any:
    """By the transpose of a value that has as many columns: attention's first product."""
    fits = [
        k for k, s in enumerate(shapes)
        if len(s) == len(shapes[i]) > 2 and s[:-2] == shapes[i][:-2] and s[-1] == shapes[i][-1]
    ]  # fmt: skip
    return ((i, _one(draw, fits)), {}) if fits else None


@_kind("prelu", _like)
def _draw_prelu(draw: Draw, shapes: list[Shape], i: int) -> Any:
    slope = [d if k == len(shapes[i]) - 1 or draw(st.booleans()) else 1 for k, d in enumerate(shapes[i])]
    return (i,), {"slope": slope[1:]}


# ---- Element by element ----

for _name in (
    "relu",
    "relu6",
    "relu_n1_to_1",
    "logistic",
    "tanh",
    "hard_swish",
    "abs",
    "softmax",
    "requantize",
    "exp",
    "neg",
    "log_softmax",
    "l2_normalization",
):
    _kind(_name, _like)(lambda draw, shapes, i: ((i,), {}))


@_kind("leaky_relu", _like)
def _draw_leaky(draw: Draw, shapes: list[Shape], i: int) -> Any:
    return (i,), {"alpha": _one(draw, [0.01, 0.1, 0.25, 0.5])}


@_kind("gelu", _like)
def _draw_gelu(draw: Draw, shapes: list[Shape], i: int) -> Any:
    return (i,), {"approximate": draw(st.booleans())}


# ---- Moving elements ----


def _spaced(inputs: list[Shape], a: Attributes) -> list[Shape]:
    (n, h, w, c), block = inputs[0], a["block"]
    return [(n, h // block, w // block, c * block * block)]


@_kind("space_to_depth", _spaced)
def _draw_space_to_depth(draw: Draw, shapes: list[Shape], i: int) -> Any:
    shape = shapes[i]
    blocks = [b for b in (2, 3) if len(shape) == 4 and shape[1] % b == 0 and shape[2] % b == 0]
    return ((i,), {"block": _one(draw, blocks)}) if blocks else None


def _deepened(inputs: list[Shape], a: Attributes) -> list[Shape]:
    (n, h, w, c), block = inputs[0], a["block"]
    return [(n, h * block, w * block, c // (block * block))]


@_kind("depth_to_space", _deepened)
def _draw_depth_to_space(draw: Draw, shapes: list[Shape], i: int) -> Any:
    blocks = [b for b in (2, 3) if len(shapes[i]) == 4 and shapes[i][3] % (b * b) == 0]
    return ((i,), {"block": _one(draw, blocks)}) if blocks else None


@_kind("resize", lambda inputs, a: [(inputs[0][0], *a["size"], inputs[0][3])])
def _draw_resize(draw: Draw, shapes: list[Shape], i: int) -> Any:
    if len(shapes[i]) != 4:
        return None
    ends = _one(draw, ["none", "none", "align_corners", "half_pixel_centers"])
    size = [_int(draw, 1, 2 * d) for d in shapes[i][1:3]]
    return (i,), {"size": size, "nearest": draw(st.booleans()), "ends": ends}


@_kind("tile", lambda inputs, a: [tuple(d * n for d, n in zip(inputs[0], a["multiples"], strict=True))])
def _draw_tile(draw: Draw, shapes: list[Shape], i: int) -> Any:
    return (i,), {"multiples": [1, *(_one(draw, [1, 1, 2, 3]) for _ in shapes[i][1:])]}


@_kind("reverse", _like)
def _draw_reverse(draw: Draw, shapes: list[Shape], i: int) -> Any:
    return (i,), {"axis": _int(draw, 1, len(shapes[i]) - 1)}


def _upsampled(inputs: list[Shape], a: Attributes) -> list[Shape]:
    sizes = (
        d * s if a["same"] else (d - 1) * s + k
        for d, s, k in zip(inputs[0][1:3], a["stride"], a["kernel"], strict=True)
    )
    return [(1, *sizes, a["channels"])]


@_kind("transpose_conv", _upsampled)
def _draw_transpose_conv(draw: Draw, shapes: list[Shape], i: int) -> Any:
    if len(shapes[i]) != 4:
        return None
    kernel, stride = ([_int(draw, 1, n), _int(draw, 1, n)] for n in (4, 3))
    return (i,), {
        "kernel": kernel, "stride": stride, "same": draw(st.booleans()), "channels": _int(draw, 1, 6), "dead": 0,
    }  # fmt: skip


@_kind("concat", lambda inputs, a: [_joined(inputs, a["axis"])])
def _draw_concat(draw: Draw, shapes: list[Shape], i: int) -> Any:
    axis = _int(draw, 1, len(shapes[i]) - 1)
    beside = [*shapes[i][:axis], *shapes[i][axis + 1 :]]
    fits = [
        k for k, s in enumerate(shapes)
        if len(s) == len(shapes[i]) and [*s[:axis], *s[axis + 1 :]] == beside
    ]  # fmt: skip
    others = draw(st.lists(st.sampled_from(fits), min_size=1, max_size=2))
    return (i, *others), {"axis": axis}


def _joined(inputs: list[Shape], axis: int) -> Shape:
    return (*inputs[0][:axis], sum(s[axis] for s in inputs), *inputs[0][axis + 1 :])


@_kind("pack", lambda inputs, a: [(*inputs[0][: a["axis"]], len(inputs), *inputs[0][a["axis"] :])])
def _draw_pack(draw: Draw, shapes: list[Shape], i: int) -> Any:
    if len(shapes[i]) > 3:
        return None
    alike = [k for k, s in enumerate(shapes) if s == shapes[i]]
    others = draw(st.lists(st.sampled_from(alike), min_size=1, max_size=2))
    return (i, *others), {"axis": _int(draw, 1, len(shapes[i]))}


def _split_shapes(inputs: list[Shape], a: Attributes) -> list[Shape]:
    axis, shape = a["axis"], inputs[0]
    return [(*shape[:axis], n, *shape[axis + 1 :]) for n in a["sizes"]]


@_kind("split", _split_shapes)
def _draw_split(draw: Draw, shapes: list[Shape], i: int) -> Any:
    axis = _int(draw, 1, len(shapes[i]) - 1)
    extent = shapes[i][axis]
    if extent < 2:
        return None
    if extent % 2 == 0 and draw(st.booleans()):
        return (i,), {"axis": axis, "sizes": [extent // 2] * 2}
    first = _int(draw, 1, extent - 1)
    return (i,), {"axis": axis, "sizes": [first, extent - first]}


@_kind(
    "unpack",
    lambda inputs, a: [tuple(d for k, d in enumerate(inputs[0]) if k != a["axis"])] * inputs[0][a["axis"]],
)
def _draw_unpack(draw: Draw, shapes: list[Shape], i: int) -> Any:
    axes = [k for k in range(1, len(shapes[i])) if 2 <= shapes[i][k] <= 3]
    return ((i,), {"axis": _one(draw, axes)}) if axes and len(shapes[i]) > 2 else None


@_kind("slice", lambda inputs, a: [tuple(a["size"])])
def _draw_slice(draw: Draw, shapes: list[Shape], i: int) -> Any:
    begin = [_int(draw, 0, d - 1) for d in shapes[i]]
    return (i,), {
        "begin": begin,
        "size": [_int(draw, 1, d - b) for b, d in zip(begin, shapes[i], strict=True)],
    }


def _strided_shape(inputs: list[Shape], a: Attributes) -> list[Shape]:
    sizes = [len(range(*slice(b, e, s).indices(d))) for d, b, e, s in
             zip(inputs[0], a["begin"], a["end"], a["strides"], strict=True)]  # fmt: skip
    return [tuple(n for k, n in enumerate(sizes) if k not in a["shrink"])]


@_kind("strided_slice", _strided_shape)
def _draw_strided(draw: Draw, shapes: list[Shape], i: int) -> Any:
    begin, end, strides = [0], [1], [1]
    for d in shapes[i][1:]:
        b = _int(draw, 0, d - 1)
        if draw(st.booleans()) and b > 0:
            begin, end, strides = [*begin, b], [*end, _int(draw, 0, b - 1)], [*strides, -_int(draw, 1, 2)]
        else:
            begin, end, strides = [*begin, b], [*end, _int(draw, b + 1, d)], [*strides, _int(draw, 1, 3)]
    shrink = [len(begin) - 1] if len(begin) > 2 and draw(st.booleans()) else []
    for k in shrink:
        end[k], strides[k] = begin[k] + 1, 1
    return (i,), {"begin": begin, "end": end, "strides": strides, "shrink": shrink}


def _padded(inputs: list[Shape], a: Attributes) -> list[Shape]:
    return [tuple(d + p + q for d, (p, q) in zip(inputs[0], a["paddings"], strict=True))]


@_kind("pad", _padded)
@_kind("padv2", _padded)
def _draw_pad(draw: Draw, shapes: list[Shape], i: int) -> Any:
    return (i,), {"paddings": [[0, 0], *([_int(draw, 0, 2), _int(draw, 0, 2)] for _ in shapes[i][1:])]}


@_kind("mirror_pad", _padded)
def _draw_mirror(draw: Draw, shapes: list[Shape], i: int) -> Any:
    mode = _one(draw, ["REFLECT", "SYMMETRIC"])
    limits = [0] + [min(2, d - (mode == "REFLECT")) for d in shapes[i][1:]]
    return (i,), {"paddings": [[_int(draw, 0, n), _int(draw, 0, n)] for n in limits], "mode": mode}


@_kind("reshape", lambda inputs, a: [tuple(a["shape"])])
def _draw_reshape(draw: Draw, shapes: list[Shape], i: int) -> Any:
    elements = math.prod(shapes[i])
    a = _one(draw, [n for n in range(1, elements + 1) if elements % n == 0])
    b = _one(draw, [n for n in range(1, elements // a + 1) if (elements // a) % n == 0])
    options = [[1, elements], [1, a, elements // a], [1, a, b, elements // a // b]]
    return (i,), {"shape": _one(draw, options)}


@_kind("expand_dims", lambda inputs, a: [(*inputs[0][: a["axis"]], 1, *inputs[0][a["axis"] :])])
def _draw_expand(draw: Draw, shapes: list[Shape], i: int) -> Any:
    return ((i,), {"axis": _int(draw, 1, len(shapes[i]))}) if len(shapes[i]) < 4 else None


@_kind("squeeze", lambda inputs, a: [tuple(d for k, d in enumerate(inputs[0]) if k not in a["axes"])])
def _draw_squeeze(draw: Draw, shapes: list[Shape], i: int) -> Any:
    ones = [k for k, d in enumerate(shapes[i]) if d == 1 and k > 0]
    return ((i,), {"axes": [_one(draw, ones)]}) if ones and len(shapes[i]) > 2 else None


@_kind("transpose", lambda inputs, a: [tuple(inputs[0][k] for k in a["permutation"])])
def _draw_transpose(draw: Draw, shapes: list[Shape], i: int) -> Any:
    if len(shapes[i]) < 3:
        return None
    return (i,), {"permutation": [0, *draw(st.permutations(range(1, len(shapes[i]))))]}


# ---- Networks ----


@st.composite
def recipes(
    draw: Draw, kinds: Sequence[str] = (), max_steps: int = 7, interfaces: Sequence[str] = ("int8",)
) -> Recipe:
    """A network of 1 … ``max_steps`` layers of ``kinds`` (all when empty)."""
    # Hypothesis favours the front of a list: the layers with weights stand there, and more than once.
    names = [n for n in ("conv", "depthwise", "dense", "conv", "depthwise") if not kinds or n in kinds]
    names += [n for n in KINDS if not kinds or n in kinds]
    rank = _one(draw, [4, 4, 4, 4, 4, 4, 3, 2])
    shape = (1, *(_int(draw, 1, n) for n in (9, 8, 6)[4 - rank :]))
    shapes, steps = [shape], []
    # Drawn from a list: hypothesis prefers small integers, and this fuzzer long networks.
    wanted = _one(draw, range(max_steps, 0, -1))
    for _ in range(3 * wanted):
        if len(steps) == wanted:
            break
        # The newest value most of the time, so that networks are deep rather than wide.
        i = len(shapes) - 1 if _int(draw, 0, 3) else _int(draw, 0, len(shapes) - 1)
        kind = _one(draw, names)
        drawn = KINDS[kind].draw(draw, shapes, i)
        if drawn is None:
            continue
        made = KINDS[kind].shapes([shapes[k] for k in drawn[0]], drawn[1])
        if any(min(s) < 1 or math.prod(s) > MAX_ELEMENTS for s in made):
            continue
        steps.append(Step(kind, drawn[0], drawn[1]))
        shapes += made
    if not steps:
        steps.append(Step("relu", (0,)))
    interface, seed = _one(draw, interfaces), _int(draw, 0, 1 << 20)
    # An output that is read as well must not be overwritten by its reader.
    read = sorted({i for step in steps for i in step.inputs if i > 0})
    also = (_one(draw, read),) if read and not _int(draw, 0, 2) else ()
    return Recipe(shape, interface, seed, tuple(steps), also)


def separable(rng: random.Random) -> Recipe:
    """Depthwise and 1x1 convolutions in turn on maps large enough for every layout, one column wide or more."""
    narrow = rng.random() < 0.5
    rows, columns = rng.randint(8, 45), 1 if narrow else rng.randint(2, 13)
    channels = rng.choice([4, 6, 8, 11, 12, 16, 24])
    steps: list[Step] = []

    def add(kind: str, **attributes: object) -> None:
        window: Attributes = {"stride": [1, 1], "same": True, "dilation": [1, 1], "dead": 0, "kernel": [1, 1]}
        window["act"] = rng.choice(["none", "relu", "relu6"])
        steps.append(Step(kind, (len(steps),), {**window, **attributes}))

    for _ in range(rng.randint(1, 3)):
        tall = rng.randint(1, 9)
        stride = [rng.choice([1, 1, 2]), 1 if narrow else rng.choice([1, 1, 2])]
        kernel = [tall, 1] if narrow else rng.choice([[3, 3], [3, 3], [1, 3], [5, 5]])
        if rng.random() < 0.4:
            add("conv", channels=rng.choice([8, 17, 24, 40]), groups=1, kernel=kernel, stride=stride)
        dilation = [rng.choice([1, 1, 2]), 1] if stride == [1, 1] else [1, 1]
        add(
            "depthwise",
            multiplier=1,
            kernel=kernel,
            stride=stride if dilation == [1, 1] else [1, 1],
            dilation=dilation,
        )
        add("conv", channels=rng.choice([4, 10, 16, 21, 32]), groups=1)
    if rng.random() < 0.6:
        steps.append(Step("mean", (len(steps),), {"axes": [1, 2], "keep": False}))
    if rng.random() < 0.6:
        steps.append(
            Step(
                "dense", (len(steps),), {"units": 5, "flatten": True, "act": "none", "bias": True, "dead": 0}
            )
        )
    return Recipe((1, rows, columns, channels), "int8", rng.randint(0, 1 << 20), tuple(steps))
