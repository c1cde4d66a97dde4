# SPDX-License-Identifier: Apache-2.0
"""Products and quotients of scales, in the precision of the reference.

The bits of a multiplier depend on it: TFLite's kernels form some of these products from ``float`` operands, so that
every operation rounds to 24 bits, and others from operands widened to ``double``. No op multiplies or divides scales
by itself (tests/unit/test_scales.py); each names the precision here, after the reference's source.
``docs/bit-exactness.md`` has the table.
"""

from __future__ import annotations

import numpy as np

from ascmcu.errors import VerifyError
from ascmcu.ops._fixed import quantize_multiplier

# A little below where the reference shifts an int by 31 bits, which C leaves undefined; ``_quant.require_ratio``.
MOST = 2.0**29


def single(*factors: float, over: float = 1.0) -> float:
    """((a · b) · …) / over, each operation rounded to float32: C's ``a * b / over`` on ``float`` operands."""
    with np.errstate(all="ignore"):
        product = np.float32(factors[0])
        for factor in factors[1:]:
            product = product * np.float32(factor)
        return float(product / np.float32(over))


def double(*factors: float, over: float = 1.0) -> float:
    """((a · b) · …) / over on operands widened to ``double``."""
    product = factors[0]
    for factor in factors[1:]:
        product = product * factor
    return product / over


def single_multiplier(*factors: float, over: float) -> tuple[int, int]:
    """``QuantizeMultiplier`` of a product formed in float32: (mantissa, shift).

    Raises:
        VerifyError: it is too large: the import let it pass.
    """
    return _multiplier(single(*factors, over=over))


def rounded_multiplier(*factors: float, over: float) -> tuple[int, int]:
    """``QuantizeMultiplier`` of a product formed in double precision and kept as a ``float``: (mantissa, shift).

    Raises:
        VerifyError: it is too large: the import let it pass.
    """
    return _multiplier(single(double(*factors, over=over)))


def product(*factors: float, over: float) -> float:
    """A product formed in float32, over a scale widened to ``double`` (``GetQuantizedConvolutionMultipler``)."""
    return single(*factors) / over


def product_multiplier(*factors: float, over: float) -> tuple[int, int]:
    """``QuantizeMultiplier`` of ``product``: (mantissa, shift).

    Raises:
        VerifyError: it is too large: the import let it pass.
    """
    return _multiplier(product(*factors, over=over))


def double_multiplier(*factors: float, over: float) -> tuple[int, int]:
    """``QuantizeMultiplier`` of a product formed in double precision: (mantissa, shift).

    Raises:
        VerifyError: it is too large: the import let it pass.
    """
    return _multiplier(double(*factors, over=over))


def as_one_product(a: float, b: float, *, over: float) -> float:
    """A factor in place of ``b`` with which ``double_multiplier`` gives what a product rounded to float32 gives.

    It is ``b`` but for the product's rounding; the first of its neighbours that gives the same integers is taken.
    """
    product = single(a, b)
    wanted = quantize_multiplier(double(product, over=over))
    near = product / a
    for _ in range(4):
        near = float(np.nextafter(near, 0.0))
    for _ in range(9):
        if quantize_multiplier(double(a, near, over=over)) == wanted:
            return near
        near = float(np.nextafter(near, np.inf))
    raise VerifyError("no factor gives the product's multiplier", found=(a, b, over))


def power_of_two(scale: float) -> int | None:
    """``CheckedLog2``: the exponent of a power of two, or of what is within a thousandth of one."""
    if scale <= 0:
        return None
    exact = float(np.log2(np.float32(scale)))
    return round(exact) if abs(exact - round(exact)) < 1e-3 else None


def _multiplier(real: float) -> tuple[int, int]:
    if abs(real) >= MOST:
        raise VerifyError("a multiplier is too large", expected=f"below {MOST:.3g}", found=f"{real:.3g}")
    return quantize_multiplier(real)
