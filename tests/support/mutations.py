# SPDX-License-Identifier: Apache-2.0
"""Broken ``.tflite`` files: bytes cut, flipped and overwritten, and fields set to what no converter writes.

Every mutation must end in a plan or in an ``AscmcuError``, within seconds and within a limited memory.
"""

from __future__ import annotations

import dataclasses
import resource
import signal
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np

from ascmcu import passes
from ascmcu.errors import AscmcuError, VerifyError
from ascmcu.frontends import tflite
from ascmcu.schedule import LAYERS, ROWS, make_plan
from tests.support import recipes_flat
from tests.support.recipes import Recipe, Step
from tests.support.tflite_builder import schema

SECONDS = 5
MEMORY_BYTES = 3 << 30
_ODD_NUMBERS = (0, 1, -1, 2, 3, 7, 127, 128, 255, 1 << 16, (1 << 31) - 1, -(1 << 31), 1 << 20, -2, 5, 64)
_ODD_FLOATS = (0.0, -1.0, 1e-30, 1e30, float("nan"), float("inf"), 1.0, 1e-9, 3.0)


def seeds() -> list[bytes]:
    """Small models that between them hold every operator group."""
    window = {"kernel": [3, 3], "stride": [1, 1], "same": True, "act": "relu"}
    dilated = {**window, "dilation": [1, 1], "dead": 1}
    sliced = {"begin": [0, 0, 0, 0], "end": [1, 5, 4, 3], "strides": [1, 2, 1, 1], "shrink": []}
    dense = {"units": 3, "flatten": False, "act": "none", "bias": True, "dead": 0}
    steps = [
        (
            Step("conv", (0,), {**dilated, "channels": 4, "groups": 1}),
            Step("depthwise", (1,), {**dilated, "multiplier": 1}),
            Step("max_pool", (2,), window), Step("mean", (3,), {"axes": [1, 2], "keep": False}),
            Step("dense", (4,), dense), Step("softmax", (5,)),
        ),
        (
            Step("split", (0,), {"axis": 3, "sizes": [1, 2]}), Step("concat", (1, 2), {"axis": 3}),
            Step("strided_slice", (3,), sliced),
            Step("pad", (4,), {"paddings": [[0, 0], [1, 1], [0, 2], [0, 0]]}),
            Step("transpose", (5,), {"permutation": [0, 2, 1, 3]}),
            Step("mirror_pad", (6,), {"paddings": [[0, 0], [1, 1], [0, 1], [0, 0]], "mode": "REFLECT"}),
            Step("reduce_max", (7,), {"axes": [1], "keep": True}), Step("reshape", (8,), {"shape": [1, 18]}),
        ),
        (
            Step("mul", (0,), {"const": [3], "const_first": False, "act": "none"}),
            Step("add", (1, 0), {"act": "relu"}), Step("prelu", (2,), {"slope": [1, 1, 3]}),
            Step("hard_swish", (3,)), Step("average_pool", (4,), window),
            Step("maximum", (5,), {"const": [1], "const_first": False}), Step("unpack", (6,), {"axis": 3}),
            Step("pack", (7, 8), {"axis": 3}), Step("sub", (10, 10), {"act": "none"}),
            Step("leaky_relu", (11,), {"alpha": 0.1}),
        ),
    ]  # fmt: skip
    return [
        recipes_flat.make(Recipe((1, 6, 5, 3), interface, 7, tuple(s)))
        for s, interface in zip(steps, ("int8", "uint8", "float32"), strict=True)
    ]


def mutations(originals: Sequence[bytes], rng: np.random.Generator) -> Iterator[bytes]:
    """Endless mutations, fields as often as bytes."""
    while True:
        data = originals[int(rng.integers(len(originals)))]
        yield _fields(data, rng) if rng.integers(2) else _bytes(data, rng)


def _bytes(data: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    kind = int(rng.integers(5))
    if kind == 0:
        return bytes(changed[: int(rng.integers(len(changed)))])
    for _ in range(int(rng.integers(1, 6))):
        at = int(rng.integers(len(changed) - 4))
        if kind == 1:
            changed[at] ^= 1 << int(rng.integers(8))
        elif kind == 2:
            changed[at] = int(rng.choice([0, 1, 0x7F, 0x80, 0xFF]))
        elif kind == 3:
            number = int(rng.choice(np.array(_ODD_NUMBERS, np.int64)))
            changed[at // 4 * 4 : at // 4 * 4 + 4] = number.to_bytes(4, "little", signed=True)
        else:
            length = int(rng.integers(1, 32))
            changed[at : at + length] = rng.bytes(length)[: len(changed) - at]
    return bytes(changed)


def _fields(data: bytes, rng: np.random.Generator) -> bytes:
    """A file in which one or two fields of the object tree hold something else."""
    s = schema()
    model = s.ModelT.InitFromObj(s.Model.GetRootAsModel(data, 0))
    for _ in range(int(rng.integers(1, 3))):
        places = list(_places(model))
        owner, name = places[int(rng.integers(len(places)))]
        setattr(owner, name, _changed(getattr(owner, name), rng))
    builder = flatbuffers.Builder(1024)
    try:
        builder.Finish(model.Pack(builder), b"TFL3")
    except Exception:
        return _bytes(data, rng)  # what the field got cannot be written at all
    return bytes(builder.Output())


def _places(node: Any) -> Iterator[tuple[Any, str]]:
    """Every field of the tree but names and the buffers' bytes, which are many and mean little."""
    for name, value in vars(node).items():
        if name in ("name", "description", "data", "metadata", "customCode", "version"):
            continue
        if isinstance(value, list) and value and hasattr(value[0], "__dict__"):
            for item in value:
                yield from _places(item)
            yield node, name
        elif hasattr(value, "__dict__") and not isinstance(value, np.ndarray):
            yield from _places(value)
            yield node, name
        elif value is not None:
            yield node, name


def _changed(value: Any, rng: np.random.Generator) -> Any:
    if isinstance(value, bool | np.bool_):
        return not value
    if isinstance(value, int | np.integer):
        return int(rng.choice(np.array(_ODD_NUMBERS, np.int64)))
    if isinstance(value, float | np.floating):
        return float(rng.choice(_ODD_FLOATS))
    if isinstance(value, np.ndarray) and value.size:
        return _changed_array(value, rng)
    if isinstance(value, list) and value:
        items = list(value)
        at, other = int(rng.integers(len(items))), int(rng.integers(len(items)))
        if rng.integers(2):
            del items[at]
        else:
            items[at], items[other] = items[other], items[at]
        return items
    return None if hasattr(value, "__dict__") else value


def _changed_array(value: Any, rng: np.random.Generator) -> Any:
    kind = int(rng.integers(4))
    if kind == 0:
        return value[: int(rng.integers(len(value)))]
    if kind == 1:
        return np.concatenate([value, value[:1]])
    changed = value.copy()
    at = int(rng.integers(len(changed)))
    if changed.dtype.kind == "f":
        changed[at] = rng.choice(_ODD_FLOATS)
    else:
        info = np.iinfo(changed.dtype)
        number = int(rng.choice(np.array(_ODD_NUMBERS, np.int64)))
        changed[at] = min(max(number if kind == 2 else int(changed[at]) + number, info.min), info.max)
    return changed


@dataclass
class Verdicts:
    """How mutations ended; ``failures`` holds (number, what happened)."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[int, str]] = field(default_factory=list)


class _TooLong(BaseException):
    """Not an Exception, so that nothing takes it for a corrupt file."""


def run(number: int, count: int, originals: Sequence[bytes]) -> Verdicts:
    """Check ``count`` mutations of seed ``number`` in this process, whose memory is limited from here on."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))

    def late(*_: object) -> None:
        raise _TooLong

    signal.signal(signal.SIGPROF, late)
    verdicts = Verdicts()
    stream = mutations(originals, np.random.default_rng(number))
    for index in range(count):
        data = next(stream)
        # Time of the processor, not of the wall: others may keep it busy.
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            compiled(data)
            verdicts.counts["compiled"] += 1
        except VerifyError as error:
            verdicts.failures.append((index, f"VerifyError: {error}"))
        except AscmcuError as error:
            verdicts.counts[error.what[:60]] += 1
        except _TooLong:
            verdicts.failures.append((index, "took too long\n" + traceback.format_exc(limit=-3)))
        except BaseException:
            verdicts.failures.append((index, traceback.format_exc(limit=-4)))
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    return verdicts


def compiled(data: bytes) -> None:
    """All that export does before it writes C."""
    graph = passes.optimize(tflite.parse(data, "mutated.tflite"))
    for mode in (LAYERS, ROWS):
        make_plan(graph, mode)


def mutation(number: int, index: int, originals: Sequence[bytes]) -> bytes:
    """Mutation ``index`` of seed ``number``, to look at one again."""
    stream = mutations(originals, np.random.default_rng(number))
    for _ in range(index):
        next(stream)
    return next(stream)


def merged(parts: Sequence[Verdicts]) -> Verdicts:
    """All verdicts together."""
    return Verdicts(
        sum((p.counts for p in parts), Counter()), [f for p in parts for f in dataclasses.replace(p).failures]
    )
