# SPDX-License-Identifier: Apache-2.0
"""Read a user's own features from a ``.npy`` and bring them to the axes of a spec."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ascmcu.errors import DataError, why
from ascmcu.features.neighbours import difference, options
from ascmcu.features.spec import FeatureSpec

_AXES = ("rows", "bins", "channels")
_QUANTIZED = ("int8", "uint8")
# Two clips resemble each other more than a clip and its own features by this correlation: the order is wrong.
_CLEARLY_MORE_ALIKE = 0.05
# Below this, features resemble no clip at all.
_ALIKE_MIN = 0.5


@dataclass(frozen=True)
class Reference:
    """Features as they were stored, and as a spec orders them.

    Attributes:
        values: (clips, rows, bins, channels), float32, int8 or uint8.
        found: the shape in the file.
        order: how its axes lie where they are not clips, rows, bins (and channels); empty where they are.
    """

    values: npt.NDArray[Any]
    found: tuple[int, ...]
    order: str

    @property
    def is_quantized(self) -> bool:
        """Whether the values are a network's integer input."""
        return self.values.dtype.name in _QUANTIZED


def load(path: Path) -> npt.NDArray[Any]:
    """The array in a ``.npy``: float32 of any float type, int8 or uint8.

    Raises:
        DataError: not readable, no such array, another type, values that are not finite, or one value throughout.
    """
    try:
        with path.open("rb") as file:
            array = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        # NumPy's words advise to unpickle what a stranger may have written.
        found = "no array of numbers" if "pickle" in str(error) else why(error)
        raise DataError("not a readable .npy file", where=str(path), found=found) from error
    if not isinstance(array, np.ndarray):
        raise DataError("expected one array", where=str(path), expected=".npy", found="an archive of arrays")
    if array.dtype.name in _QUANTIZED:
        return array
    if not np.issubdtype(array.dtype, np.floating):
        raise DataError(
            "the features have the wrong element type",
            where=str(path),
            expected="float, int8 or uint8",
            found=array.dtype,
        )
    wrong = np.argwhere(~np.isfinite(array))
    if len(wrong):
        place = ", ".join(map(str, wrong[0]))
        raise DataError(
            "the reference holds values that are not finite",
            where=str(path),
            found=f"{len(wrong)} of {array.size}, the first at [{place}]",
        )
    if array.size > 1 and np.ptp(array) == 0:
        raise DataError(
            "all values of the reference are equal",
            where=str(path),
            found=array.reshape(-1)[0],
        )
    return np.asarray(array, np.float32)


def oriented(array: npt.NDArray[Any], spec: FeatureSpec, clips: int, where: str) -> list[Reference]:
    """The array with the axes (clips, rows, bins, channels), in every way that fits the spec's shape.

    Raises:
        DataError: another number of clips, or no way fits; options that would give the shape are named.
    """
    if array.ndim < 2 or array.shape[0] != clips:
        raise DataError(
            "the reference has another number of clips than the data",
            where=where,
            expected=f"{clips} clips, as ({clips}, {_told(spec.shape)})",
            found=f"shape ({_told(array.shape, ', ')})",
            hint="--split and --limit choose recordings; the first axis counts clips",
        )
    shape = array.shape[1:]
    fitting = []
    plain = shape if len(shape) != 1 else spec.shape
    for axes in _permutations(plain, spec.shape):
        if math.prod(shape) != math.prod(spec.shape):
            break
        values = array.reshape(clips, *plain)
        if len(plain) == 2:
            values = values[..., None]
        values = values.transpose(0, *(1 + axis for axis in axes))
        fitting.append(Reference(np.ascontiguousarray(values), array.shape, _order(axes, len(shape))))
    if not fitting:
        raise DataError(
            "the reference has another shape than the specification's features",
            where=where,
            expected=f"({clips}, {_told(spec.shape)}): clips, rows, bins, channels",
            found=f"({_told(array.shape, ', ')})",
            hint=_shape_hint(shape, spec),
        )
    return fitting


def _permutations(shape: tuple[int, ...], wanted: tuple[int, int, int]) -> list[tuple[int, ...]]:
    """Which axis of the array (a third of one added) is rows, bins, channels; as it stands first."""
    full = (*shape, 1)[:3] if len(shape) == 2 else shape
    if len(full) != 3:
        return []
    found = [axes for axes in itertools.permutations(range(3)) if tuple(full[a] for a in axes) == wanted]
    if len(shape) == 2:  # the added axis is the channels, unless there is no other choice
        found = [axes for axes in found if axes[2] == 2] or found
    return found


def _order(axes: tuple[int, ...], count: int) -> str:
    """For people; empty where the axes lie as they should."""
    if axes == (0, 1, 2):
        return "" if count != 1 else "flat: rows, bins, channels"
    names = [""] * 3
    for meaning, axis in zip(_AXES, axes, strict=True):
        names[axis] = meaning
    return "transposed: clips, " + ", ".join(names[:count])


def _told(shape: Sequence[int], between: str = ", ") -> str:
    return between.join(map(str, shape))


def _shape_hint(shape: tuple[int, ...], spec: FeatureSpec) -> str | None:
    """Options that would give that shape, else what is off."""
    giving = [other for other in options(spec) if _permutations(shape, other.shape)]
    if giving:
        return "this shape would come of " + " or ".join(difference(spec, other) for other in giving[:3])
    if len(shape) >= 2 and spec.bands in shape:
        rows = next((n for n in shape if n != spec.bands), spec.bands)
        off = rows - spec.rows
        return (
            f"{rows} rows, {abs(off)} too {'many' if off > 0 else 'few'}: {spec.clip_samples} samples a clip, "
            f"hop_length {spec.hop_length}, n_fft {spec.n_fft}, center {str(spec.center).lower()} make {spec.rows}"
        )
    return None


def check_order(
    features: npt.NDArray[np.float32], reference: npt.NDArray[np.float32], names: Sequence[str], where: str
) -> None:
    """Refuse features that resemble those of other recordings than their own.

    Args:
        features, reference: (clips, …); compared by correlation, so that gain and offset do not matter.

    Raises:
        DataError: some do; which are named.
    """
    alike = _correlations(reference, features)
    nearest, own = alike.argmax(axis=1), np.diag(alike)
    most = alike.max(axis=1)
    moved = np.flatnonzero((most > own + _CLEARLY_MORE_ALIKE) & (most > _ALIKE_MIN))
    if len(moved) == 0 or set(nearest[moved]) != set(moved):
        return  # no exchange among themselves: the features are of another kind, not of another clip
    found = "; ".join(f"clip {i} is that of {names[nearest[i]]}, not of {names[i]}" for i in moved[:3])
    raise DataError(
        "the clips of the reference are in another order than the data",
        where=where,
        expected=", ".join(names[:5]) + (", …" if len(names) > 5 else ""),
        found=found + (f"; {len(moved)} of {len(names)} in all" if len(moved) > 3 else ""),
        hint="the data set is read in the order of its table, folders in that of their sorted paths",
    )


def _correlations(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Of each row of ``a`` with each of ``b``, all further axes flattened."""
    rows = [x.reshape(len(x), -1).astype(np.float64) for x in (a, b)]
    rows = [x - x.mean(axis=1, keepdims=True) for x in rows]
    # What all clips share, such as a band that is always louder, says nothing about which is which.
    rows = [x - x.mean(axis=0) if len(x) > 2 else x for x in rows]
    rows = [x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12) for x in rows]
    return np.asarray(rows[0] @ rows[1].T)
