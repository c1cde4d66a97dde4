# SPDX-License-Identifier: Apache-2.0
"""Families of operators whose integers come from a function of the real value."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ascmcu.ir.types import Array, Quantization, Tensor
from ascmcu.ops import _lut16, _scales
from ascmcu.ops._fixed import I64, quantize_multiplier, round_away, round_bounded, scale_once
from ascmcu.ops._libm import expf, expm1f, logf, tanhf
from ascmcu.ops.gelu import gelu as gelu_in_float32
from ascmcu.ops.hard_swish import fixed_point
from ascmcu.ops.rsqrt import Rsqrt
from ascmcu.ops.softmax import Softmax
from tests.support.adversary.arithmetic import Draw, Trial, flat, single
from tests.support.adversary.elementwise import SHAPE
from tests.support.adversary.families import family
from tests.support.tflite_builder import TensorSpec

Real = npt.NDArray[np.float64]


def _table(
    draw: Draw, builtin: str, out_scale: float, in_float32: Callable[[Array], Array], exact: Callable[[Real], Real],
    inverse: Callable[[float], float], *, zero: int | None = None, resolver: str = "BUILTIN_REF",
    rounds_right: bool = False, **options: object,
) -> Trial:  # fmt: skip
    """A scale for which some value of a table that is filled in float32 lies close to a half; ``zero`` is the input's
    zero point where the function has no negative ones. ``rounds_right``: the C library's float32 results are nearly
    always the correctly rounded ones, which then are no candidate."""
    sets, out_zero = draw.sets(SHAPE), draw.zero_point()
    zero = draw.zero_point() if zero is None else zero
    low, high = draw.dtype.integer_range
    centred = flat(sets) - zero
    wanted = (int(draw.rng.integers(1, int(1 / out_scale) - 1)) + 0.5) * out_scale
    scale = abs(inverse(wanted)) / int(draw.rng.integers(1, 1 + max(high - zero, zero - low)))
    scale = draw.near(max(scale, 1e-4)) if draw.chance(0.9) else draw.scale(-8, 0)
    real = np.float32(scale) * centred.astype(np.float32)
    inverse_scale = np.float32(_scales.single(1.0, over=out_scale))
    rounded = exact(real.astype(np.float64)).astype(np.float32)
    found: dict[str, I64] = {
        "the C library's float32": round_bounded(in_float32(real) * inverse_scale),
        "float32, rounded correctly": round_bounded(rounded * inverse_scale),
        "halves to even": np.rint(np.clip(in_float32(real) * inverse_scale, -1024, 1024)).astype(np.int64),
        "float64": scale_once(exact(centred * scale), 1.0 / out_scale),
    }
    if math.frexp(out_scale)[0] != 0.5:
        found["divided by the output's scale"] = round_bounded(in_float32(real) / np.float32(out_scale))
    if rounds_right:
        del found["float32, rounded correctly"]
    answers = {name: np.clip(v + out_zero, low, high) for name, v in found.items()}
    x, y = draw.tensor("x", SHAPE, scale, zero), draw.tensor("y", SHAPE, out_scale, out_zero)
    return Trial(single(builtin, [x], y, **options), sets, answers, resolver=resolver)


@family("EXP", dtypes=("int8",))
def exp(draw: Draw) -> Trial:
    with np.errstate(over="ignore", invalid="ignore"):
        return _table(
            draw,
            "EXP",
            draw.scale(-9, -2),
            expf,
            np.exp,
            lambda y: float(np.log(min(y, 0.999))),
            rounds_right=True,
        )


@family("LOG", dtypes=("int8",))
def log(draw: Draw) -> Trial:
    """No negative inputs; zero gives the least value."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return _table(
            draw, "LOG", draw.scale(-9, -2), _log, np.log, lambda y: float(np.exp(y)),
            zero=draw.dtype.integer_range[0], rounds_right=True,
        )  # fmt: skip


def _log(x: Array) -> Array:
    return np.where(x > 0, logf(np.where(x > 0, x, np.float32(1))), np.float32(-np.inf)).astype(np.float32)


@family("ELU", dtypes=("int8",))
def elu(draw: Draw) -> Trial:
    """BUILTIN_REF of LiteRT 2.3.0 has no ELU."""
    return _table(
        draw, "ELU", draw.scale(-9, -2), lambda x: np.where(x < 0, expm1f(x), x).astype(np.float32),
        lambda x: np.where(x < 0, np.expm1(np.minimum(x, 0)), x), lambda y: float(np.log1p(-min(y, 0.999))),
        resolver="BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    )  # fmt: skip


@family("GELU", dtypes=("int8",))
def gelu(draw: Draw) -> Trial:
    approximate = draw.chance(0.5)
    exact = _gelu_by_tangent if approximate else _gelu_by_error_function

    def inverse(wanted: float) -> float:
        return float(np.interp(wanted, exact(_GRID), _GRID))

    return _table(
        draw, "GELU", draw.scale(-9, -2), lambda x: gelu_in_float32(x, approximate=approximate), exact, inverse,
        approximate=approximate,
    )  # fmt: skip


_GRID = np.linspace(0.0, 4.0, 4001)


def _gelu_by_error_function(x: Real) -> Real:
    return 0.5 * x * (1.0 + np.vectorize(math.erf)(x / math.sqrt(2.0)))


def _gelu_by_tangent(x: Real) -> Real:
    return np.asarray(0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3))))


_WIDE_SHAPE = (1, 4, 16, 16)
_WIDE_FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "EXP": np.exp,
    "LOG": lambda x: np.log(np.maximum(x, 1e-30)),
    "RSQRT": lambda x: 1 / np.sqrt(np.maximum(x, 1e-30)),
    "GELU": _gelu_by_error_function,
}


def _wide_table(
    draw: Draw, builtin: str, in_float32: Callable[[Array, float], Array], *, least: int = -32768
) -> Trial:
    """A function between the 513 entries of a table; ``in_float32`` also gets the output's scale."""
    scale, out_scale = draw.scale(-15, -4), draw.scale(-16, -6)
    sets = [[np.maximum(x, least)] for (x,) in draw.sets(_WIDE_SHAPE)]
    x, double = flat(sets), _WIDE_FUNCTIONS[builtin]
    with np.errstate(all="ignore"):
        table = _lut16.filled(lambda v: in_float32(v, out_scale), scale, out_scale, real=np.float32)
        fine = _lut16.filled(
            lambda v: in_float32(v.astype(np.float32), out_scale).astype(np.float64),
            scale,
            out_scale,
            real=np.float64,
        )
        at = (np.arange(-256, 257) * 128).clip(-32768, 32767) * np.float32(scale)
        plain = np.clip(
            np.rint(np.nan_to_num(in_float32(at.astype(np.float32), out_scale) / out_scale)), -32768, 32767
        )
        exact = np.clip(np.nan_to_num(double(x * scale) / out_scale), -32768, 32767)
    answers = {
        "filled in float32": _lut16.between(table, x),
        "filled in float64": _lut16.between(fine, x),
        "entries not corrected": _lut16.between(plain.astype(np.int16), x),
        "the function itself": scale_once(exact, 1.0),
    }
    source, y = draw.tensor("x", _WIDE_SHAPE, scale, 0), draw.tensor("y", _WIDE_SHAPE, out_scale, 0)
    return Trial(single(builtin, [source], y), sets, answers)


@family("EXP", name="EXP between entries", dtypes=("int16",))
def wide_exp(draw: Draw) -> Trial:
    return _wide_table(draw, "EXP", lambda x, _: expf(x))


@family("GELU", name="GELU between entries", dtypes=("int16",))
def wide_gelu(draw: Draw) -> Trial:
    return _wide_table(draw, "GELU", lambda x, _: gelu_in_float32(x, approximate=False))


@family("LOG", name="LOG between entries", dtypes=("int16",))
def wide_log(draw: Draw) -> Trial:
    """What is not positive gives the least value."""
    return _wide_table(
        draw,
        "LOG",
        lambda x, over: np.maximum(_log(x), np.float32(_scales.single(-32768.0, over))).astype(np.float32),
    )


@family("RSQRT", name="RSQRT between entries", dtypes=("int16",))
def wide_rsqrt(draw: Draw) -> Trial:
    """No negative inputs; zero gives the greatest value."""

    def root(x: Array, over: float) -> Array:
        known = np.float32(1) / np.sqrt(np.where(x > 0, x, np.float32(1)))
        return np.where(x > 0, known, np.float32(_scales.single(32767.0, over))).astype(np.float32)

    return _wide_table(draw, "RSQRT", root, least=0)


@family("NEG", name="NEG of int16", dtypes=("int16",))
def wide_neg(draw: Draw) -> Trial:
    """The raw integer negated, whatever the scales are."""
    sets, scale, out_scale = draw.sets(SHAPE), draw.scale(), draw.scale()
    raw = flat(sets)
    answers = {
        "raw, wrapped": (-raw).astype(np.int16).astype(np.int64),
        "raw, saturated": np.clip(-raw, -32768, 32767),
        "requantized": np.clip(scale_once(-raw, scale / out_scale), -32768, 32767),
    }
    x, y = draw.tensor("x", SHAPE, scale, 0), draw.tensor("y", SHAPE, out_scale, 0)
    return Trial(single("NEG", [x], y), sets, answers)


@family("SQRT", name="SQRT of int16", dtypes=("int16",))
def wide_sqrt(draw: Draw) -> Trial:
    """No negative inputs; what lies behind the point is cut off."""
    sets = [[np.abs(x.astype(np.int32)).clip(0, 32767).astype(np.int16)] for (x,) in draw.sets(_WIDE_SHAPE)]
    out_scale = draw.scale(-14, -6)
    whole = int(draw.rng.integers(1, 20000))
    scale = draw.near((whole * out_scale) ** 2 / int(draw.rng.integers(1, 32768)))
    real = np.sqrt(np.float32(scale) * flat(sets).astype(np.float32))
    found = {
        "divided in float32, cut off": np.trunc(real / np.float32(out_scale)),
        "rounded": np.rint(real / np.float32(out_scale)),
        "times the reciprocal": np.trunc(real * np.float32(_scales.single(1.0, over=out_scale))),
        "cut off in float64": np.trunc(np.sqrt(flat(sets) * float(np.float32(scale))) / out_scale),
    }
    answers = {n: np.clip(v, 0, 32767).astype(np.int64) for n, v in found.items()}
    x, y = draw.tensor("x", _WIDE_SHAPE, scale, 0), draw.tensor("y", _WIDE_SHAPE, out_scale, 0)
    return Trial(single("SQRT", [x], y), sets, answers)


@family("SQRT", dtypes=("int8",))
def sqrt(draw: Draw) -> Trial:
    """No negative inputs; what lies behind the point is cut off."""
    sets, zero, out_zero = draw.sets(SHAPE), draw.dtype.integer_range[0], draw.zero_point()
    centred, out_scale = flat(sets) - zero, draw.scale(-7, -2)
    whole = int(draw.rng.integers(1, 40))
    scale = draw.near((whole * out_scale) ** 2 / int(draw.rng.integers(1, 256)))
    inverse = np.float32(_scales.single(1.0, over=out_scale))
    real = np.sqrt(np.float32(scale) * centred.astype(np.float32))
    found = {
        "divided in float32, cut off": np.trunc(real / np.float32(out_scale)),
        "rounded": np.rint(real / np.float32(out_scale)),
        "times the reciprocal": np.trunc(real * inverse),
        "cut off in float64": np.trunc(np.sqrt(centred * float(np.float32(scale))) / out_scale),
    }
    answers = {n: np.clip(v.astype(np.int64) + out_zero, *draw.dtype.integer_range) for n, v in found.items()}
    x, y = draw.tensor("x", SHAPE, scale, zero), draw.tensor("y", SHAPE, out_scale, out_zero)
    return Trial(single("SQRT", [x], y), sets, answers)


@family("RSQRT", dtypes=("int8",))
def rsqrt(draw: Draw) -> Trial:
    """No negative inputs. The inverse root is worked out in fixed point; results in float differ at some halves."""
    sets, zero, out_zero = draw.sets(SHAPE), draw.dtype.integer_range[0], draw.zero_point()
    centred, out_scale = np.maximum(flat(sets) - zero, 0), draw.scale(-6, -1)
    tie = (int(draw.rng.integers(1, 100)) + 0.5) * out_scale
    scale = draw.near(max(1.0 / (tie * tie * int(draw.rng.integers(1, 256))), 1e-6))
    x, y = draw.tensor("x", SHAPE, scale, zero), draw.tensor("y", SHAPE, out_scale, out_zero)
    source = Tensor("x", SHAPE, draw.dtype, Quantization((float(np.float32(scale)),), (zero,)))
    output = Tensor("y", SHAPE, draw.dtype, Quantization((float(np.float32(out_scale)),), (out_zero,)))
    least, most = draw.dtype.integer_range
    with np.errstate(divide="ignore"):
        double = 1.0 / np.sqrt(centred * float(np.float32(scale))) / out_scale
    answers = {
        "fixed point": Rsqrt().function(flat(sets), source, output),
        "float64": np.where(centred == 0, most, np.clip(scale_once(double, 1.0) + out_zero, least, most)),
        "cut off": np.where(
            centred == 0,
            most,
            np.clip(np.trunc(np.minimum(double, 1e6)).astype(np.int64) + out_zero, least, most),
        ),
    }
    return Trial(single("RSQRT", [x], y), sets, answers)


@family("NEG", dtypes=("int8",))
def neg(draw: Draw) -> Trial:
    """The raw integer negated, whatever the scales are."""
    sets, zero, out_zero, scale, out_scale = (
        draw.sets(SHAPE), draw.zero_point(), draw.zero_point(), draw.scale(), draw.scale()
    )  # fmt: skip
    raw, (least, most) = flat(sets), draw.dtype.integer_range
    real = scale_once(-(raw - zero), scale / out_scale) + out_zero
    answers = {
        "raw, wrapped": (-raw).astype(np.int8).astype(np.int64),
        "raw, saturated": np.clip(-raw, least, most),
        "requantized": np.clip(real, least, most),
    }
    x, y = draw.tensor("x", SHAPE, scale, zero), draw.tensor("y", SHAPE, out_scale, out_zero)
    return Trial(single("NEG", [x], y), sets, answers)


@family("LOGISTIC")
def logistic(draw: Draw) -> Trial:
    """LiteRT takes no other output scale than 1/256."""
    one = np.float32(1)
    with np.errstate(over="ignore"):
        return _table(
            draw, "LOGISTIC", 1 / 256, lambda x: one / (one + expf(-x)), lambda x: 1 / (1 + np.exp(-x)),
            lambda y: float(np.log(y / (1 - y))),
        )  # fmt: skip


@family("TANH")
def tanh(draw: Draw) -> Trial:
    out_scale = 1 / 128 if draw.chance(0.5) else draw.scale(-9, -2)
    return _table(draw, "TANH", out_scale, tanhf, np.tanh, lambda y: float(np.arctanh(min(y, 0.9999))))


@family("HARD_SWISH")
def hard_swish(draw: Draw) -> Trial:
    """Scales for which a multiplier lies close to a half of its last 16-bit place."""
    sets, zero, out_zero = draw.sets(SHAPE), draw.zero_point(), draw.zero_point()
    place = (int(draw.rng.integers(1 << 14, 1 << 15)) + 0.5) / (1 << 15)
    reluish, hires = 3.0 / 32768.0, 1.0 / 128.0
    scale = (
        draw.near(place * reluish / hires * 2.0 ** draw.rng.integers(-9, 3))
        if draw.chance(0.5)
        else draw.scale(-9, 0)
    )
    over = draw.near(scale * hires / place * 2.0 ** draw.rng.integers(0, 5))
    low, high = draw.dtype.integer_range
    centred = flat(sets) - zero
    claimed = (
        _scales.single_multiplier(hires, scale, over=over),
        _scales.single_multiplier(hires, scale, over=reluish),
    )
    doubled = (quantize_multiplier(hires * scale / over), quantize_multiplier(hires * scale / reluish))
    cut = tuple((m & ~0xFFFF, e) for m, e in claimed)
    real = centred * scale
    found = {
        "float32 multipliers": fixed_point(centred, *claimed),
        "float64 multipliers": fixed_point(centred, *doubled),
        "16-bit multipliers truncated": fixed_point(centred, *cut),
        "float64": scale_once(real * np.clip(real + 3, 0, 6) / 6, 1 / over),
    }
    answers = {name: np.clip(v + out_zero, low, high) for name, v in found.items()}
    x, y = draw.tensor("x", SHAPE, scale, zero), draw.tensor("y", SHAPE, over, out_zero)
    return Trial(single("HARD_SWISH", [x], y), sets, answers)


@family("SOFTMAX")
def softmax(draw: Draw) -> Trial:
    """A beta whose product with the scale is not a float32."""
    depth = draw.pick(2, 2, 4, 12, 64)
    shape = (1, 256 // depth, depth)
    sets, zero, low = draw.sets(shape), draw.zero_point(), draw.dtype.integer_range[0]
    beta = 1.0 if draw.chance(0.2) else draw.scale(-3, 4)
    scale = draw.scale(-9, 0)
    if depth == 2:
        # One difference of two logits gives a probability close to a half of the output's scale.
        wanted = (int(draw.rng.integers(129, 255)) + 0.5) / 256
        scale = draw.near(math.log(wanted / (1 - wanted)) / beta / int(draw.rng.integers(1, 256)))
    elif draw.chance(0.3):
        # At a power of two the shift changes, and with it the largest difference that counts.
        scale = draw.near(2.0 ** draw.rng.integers(-8, 0) / beta)
    out_scale, out_zero = (2.0**-15, 0) if draw.name == "int16" else (1 / 256, low)
    quant = Quantization((scale,), (zero,))
    x = Tensor("x", shape, draw.dtype, quant)
    y = Tensor("y", shape, draw.dtype, Quantization((out_scale,), (out_zero,)))
    product = _scales.single(beta, scale)
    in_float32 = Tensor("x", shape, draw.dtype, Quantization((product,), (zero,)))
    logits = flat(sets) * (beta * scale)
    exps = np.exp(logits - logits.max(axis=-1, keepdims=True))
    direct = scale_once(exps / exps.sum(axis=-1, keepdims=True), 1 / out_scale)
    answers: dict[str, Array] = {}
    if draw.name != "int16":
        answers = {
            "float64 product": np.stack([Softmax(beta).evaluate(s, [x], y) for s in sets]).astype(np.int64),
            "float32 product": np.stack([Softmax(1.0).evaluate(s, [in_float32], y) for s in sets]).astype(
                np.int64
            ),
            "float64": np.clip(direct + out_zero, *draw.dtype.integer_range),
        }
    source, output = draw.tensor("x", shape, scale, zero), draw.tensor("y", shape, out_scale, out_zero)
    return Trial(single("SOFTMAX", [source], output, beta=beta), sets, answers)


@family("LOG_SOFTMAX", dtypes=("int8", "uint8"))
def log_softmax(draw: Draw) -> Trial:
    """The only product is by a power of two."""
    depth = draw.pick(2, 4, 12, 64)
    shape = (1, 256 // depth, depth)
    x = draw.tensor("x", shape, draw.scale(-12, 2), draw.zero_point())
    y = draw.tensor("y", shape, 1 / 16, draw.dtype.integer_range[1])
    return Trial(single("LOG_SOFTMAX", [x], y), draw.sets(shape))


@family("L2_NORMALIZATION", dtypes=("int8", "uint8"))
def l2_normalization(draw: Draw) -> Trial:
    """No scale takes part."""
    depth = draw.pick(1, 2, 4, 12, 64)
    shape = (1, 256 // depth, depth)
    x = draw.tensor("x", shape, draw.scale(-12, 2), draw.zero_point())
    y = draw.tensor("y", shape, 1 / 128, 128 if draw.name == "uint8" else 0)
    return Trial(single("L2_NORMALIZATION", [x], y), draw.sets(shape))


@family("QUANTIZE", name="QUANTIZE of float32")
def quantize(draw: Draw) -> Trial:
    """Inputs on halves of the output's scale, and some float32 steps beside them."""
    out_scale, out_zero = draw.scale(-12, 4), draw.zero_point()
    low, high = draw.dtype.integer_range
    sets = []
    for _ in range(4):
        halves = (draw.rng.integers(low - 2, high + 3, size=SHAPE) + 0.5) * out_scale
        halves = halves.astype(np.float32)
        for _ in range(int(draw.rng.integers(4))):
            halves = np.nextafter(halves, draw.pick(np.float32(0), np.float32(np.inf), -np.float32(np.inf)))
        sets.append([halves])
    x = np.stack([s[0] for s in sets])
    scale = np.float32(out_scale)
    real = x / scale
    found: dict[str, Array] = {
        "float32 quotient": _rounded(real),
        "float32, by the reciprocal": _rounded(x * np.float32(_scales.single(1.0, over=out_scale))),
        "float64": scale_once(x.astype(np.float64) / out_scale, 1.0),
        "halves to even": np.rint(real).astype(np.int64),
        "floor(x + 0.5)": np.floor(real + np.float32(0.5)).astype(np.int64),
    }
    answers = {name: np.clip(v + out_zero, low, high) for name, v in found.items()}
    data = single("QUANTIZE", [_float("x")], draw.tensor("y", SHAPE, out_scale, out_zero))
    return Trial(data, sets, answers)


def _rounded(x: Array) -> I64:
    return round_away(x).astype(np.int64)


def _float(name: str) -> TensorSpec:
    return TensorSpec(name, SHAPE, "float32")


@family("DEQUANTIZE")
def dequantize(draw: Draw) -> Trial:
    """Every product with the scale, to the last bit of float32."""
    sets, zero, scale = draw.sets(SHAPE), draw.zero_point(), draw.scale(-14, 6)
    x, single_scale = flat(sets), np.float32(scale)
    answers: dict[str, Array] = {
        "one product": ((x - zero) * scale).astype(np.float32),
    }
    if draw.dtype != "int16":  # without a zero point there is no second product
        answers["two products"] = x.astype(np.float32) * single_scale - np.float32(
            np.float32(zero) * single_scale
        )
    data = single("DEQUANTIZE", [draw.tensor("x", SHAPE, scale, zero)], _float("y"))
    return Trial(data, sets, answers)
