# SPDX-License-Identifier: Apache-2.0
"""The memory layout of a tensor's values. The shape is TFLite's; the layout is the one in memory."""

from __future__ import annotations

import ast
import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# Time steps that share a row where time is folded to width: as many bytes as a word has.
TIME_STEPS = 4


@dataclass(frozen=True)
class Layout:
    """Of a map (1, H, W, C). A row of it has W positions of C channels.

    Attributes:
        time_steps: rows of a map one column wide that lie side by side in one stored row, as its positions. Positions
            behind the map's last time step hold nothing that counts.
        planar: a stored row is C runs of ``width`` positions (HCW), not positions of C channels (HWC).
        left: positions of padding in front of each run, which hold the zero point, as those behind it do.
        width: positions of a run, padding included.
        int16: each value, of a map of int8, is stored as int16.
        pitch: elements from one position to the next, C or more; 0 is C.
        row_pairs: rows 2i and 2i + 1 lie side by side.
    """

    time_steps: int = 1
    planar: bool = False
    left: int = 0
    width: int = 0
    int16: bool = False
    pitch: int = 0
    row_pairs: bool = False

    @property
    def kind(self) -> Layout:
        """The layout without its sizes: what a kernel says that it reads or writes."""
        return Layout(self.time_steps, self.planar, int16=self.int16)

    def stored_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """What lies in memory for a tensor of ``shape``, in C order."""
        if self.kind == ROW_MAJOR:
            return shape
        batch, rows, columns, channels = shape
        if self.time_steps > 1:
            rows, columns = -(-rows // self.time_steps), self.time_steps
        if self.planar:
            return (batch, rows, channels, self.width)
        return (batch, rows, columns, self.pitch or channels)

    def store(self, values: npt.NDArray[np.generic], fill: int) -> npt.NDArray[np.generic]:
        """(N, H, W, C) → the stored shape; ``fill`` where it holds nothing of the map."""
        if self.kind == ROW_MAJOR:
            return values
        count, rows, _, channels = values.shape
        if self.time_steps > 1:
            behind = ((0, 0), (0, -rows % self.time_steps), (0, 0), (0, 0))
            values = np.pad(values, behind, constant_values=fill)
            values = values.reshape(count, -1, self.time_steps, channels)
        if self.planar:
            right = self.width - self.left - values.shape[2]
            around = ((0, 0), (0, 0), (0, 0), (self.left, right))
            return np.pad(values.transpose(0, 1, 3, 2), around, constant_values=fill)
        beside = ((0, 0), (0, 0), (0, 0), (0, max(self.pitch - channels, 0)))
        return np.pad(values, beside, constant_values=fill)

    def problem(self, shape: tuple[int, ...]) -> str | None:
        """Why a tensor of ``shape`` cannot have this layout, if it cannot."""
        if self == ROW_MAJOR:
            return None
        if len(shape) != 4 or shape[0] != 1:
            return "only a map (1, H, W, C) has a layout"
        if self.time_steps > 1 and shape[2] != 1:
            return "only a map one column wide has its time folded to width"
        columns = self.time_steps if self.time_steps > 1 else shape[2]
        if self.planar and self.left + columns > self.width:
            return f"{self.left} + {columns} positions do not fit {self.width}"
        if not self.planar and (self.left or self.width or 0 < self.pitch < shape[3]):
            return "only planes have a width, and a pitch is no less than the channels"
        return None

    def __str__(self) -> str:
        """The fields that are not the default, as the textual dump has them."""
        fields = ((f.name, getattr(self, f.name), f.default) for f in dataclasses.fields(self))
        return ", ".join(f"{name}={value}" for name, value, default in fields if value != default)

    @staticmethod
    def parse(text: str) -> Layout:
        """What ``str`` wrote."""
        call = ast.parse(f"f({text})", mode="eval").body
        assert isinstance(call, ast.Call)
        return Layout(**{str(k.arg): ast.literal_eval(k.value) for k in call.keywords})


ROW_MAJOR = Layout()
CHANNEL_PLANAR = Layout(planar=True)
INT16 = Layout(int16=True)
TIME_TO_WIDTH = Layout(TIME_STEPS)
TIME_PLANAR = Layout(TIME_STEPS, planar=True)
TIME_INT16 = Layout(TIME_STEPS, int16=True)


def channel_planar(columns: int, out_columns: int, stride: int, left: int, kernel_w: int) -> Layout:
    """The planes that a window of these sizes reads by whole words."""
    needed = max(left + columns, (out_columns - 1) * stride + kernel_w)
    return Layout(planar=True, left=left, width=-(-needed // 4) * 4)


def folded_time(*, planar: bool = False) -> Layout:
    """Four time steps to a row."""
    return Layout(TIME_STEPS, planar, width=TIME_STEPS if planar else 0)
