# SPDX-License-Identifier: Apache-2.0
"""Scale arithmetic stands in one place, and rounds as the precision in its name does."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ascmcu import paths
from ascmcu.ops import _scales

OPS = Path(paths.__file__).parent / "ops"
FILES = sorted(
    path
    for room in ("ops", "passes", "kernels")
    for path in (OPS.parent / room).glob("*.py")
    if path.stem != "_scales"
)
# Where the reference itself works on arrays of float32, or weights of float networks are expanded.
ALLOWED = {"_float.py", "_unary.py", "quantize.py", "dequantize.py", "_mean_sum.py"}


def _scale_arithmetic(tree: ast.AST) -> Iterator[int]:
    """Lines on which an attribute ``.scale`` is a factor, a dividend or a divisor of anything but a power of two."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
            sides = [s for s in (node.left, node.right) if isinstance(s, ast.Attribute) and s.attr == "scale"]
            other = node.left if sides and sides[0] is node.right else node.right
            power = isinstance(other, ast.BinOp) and isinstance(other.op, ast.LShift | ast.Pow)
            if sides and not power and not isinstance(other, ast.Constant):
                yield node.lineno


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_no_op_multiplies_scales_itself(path: Path) -> None:
    lines = list(_scale_arithmetic(ast.parse(path.read_text())))
    assert not lines or path.name in ALLOWED, f"{path.name}: lines {lines}: use ascmcu/ops/_scales.py"
    calls = "quantize_multiplier(" in path.read_text().replace("def quantize_multiplier(", "")
    plain = calls and "multiply_by_quantized_multiplier" not in path.read_text()
    assert not plain or path.name in ("softmax.py", "_quant.py"), f"{path.name}: name the precision"


def _nearest(value: Fraction) -> np.float32:
    """The float32 nearest to a rational number, by comparing neighbours."""
    guess = np.float32(float(value))
    around = [np.nextafter(guess, np.float32(-np.inf)), guess, np.nextafter(guess, np.float32(np.inf))]
    return min(around, key=lambda v: (abs(Fraction(float(v)) - value), int(v.view(np.uint32)) & 1))


def test_single_rounds_every_step() -> None:
    rng = np.random.default_rng(3)
    different = 0
    for _ in range(2000):
        a, b, c = (float(np.float32(2.0**e)) for e in rng.uniform(-12, 4, size=3))
        product = _nearest(Fraction(a) * Fraction(b))
        expected = _nearest(Fraction(float(product)) / Fraction(c))
        assert _scales.single(a, b, over=c) == float(expected)
        assert (
            abs(Fraction(_scales.double(a, b, over=c)) / (Fraction(a) * Fraction(b) / Fraction(c)) - 1)
            < 2**-50
        )
        different += float(expected) != float(np.float32(_scales.double(a, b, over=c)))
    assert different > 300


def test_single_overflows_to_infinity_and_underflows_to_zero() -> None:
    assert _scales.single(1e30, 1e30, over=1.0) == float("inf")
    assert _scales.single(1e-30, 1e-30, over=1.0) == 0.0
    assert _scales.single_multiplier(1e-30, 1e-30, over=1.0) == (0, 0)
