# SPDX-License-Identifier: Apache-2.0
"""What is told of a window and of a hop's cost."""

from __future__ import annotations

import pytest

from ascmcu.listening.window import Listening, Pace, other_length


@pytest.mark.parametrize(
    ("spared", "end"), [(0.47, "47.0 % of recomputing the windows is spared"), (None, "20")]
)
def test_only_windows_are_spared(spared: float | None, end: str) -> None:
    assert Pace(10, 20, spared, 30, 1000).text.endswith(end)


@pytest.mark.parametrize(
    ("window_s", "told"), [(None, ""), (0.985, ""), (1.0, "1 s is heard as 98 frames, which span 0.985 s")]
)
def test_a_window_of_whole_frames(window_s: float | None, told: str) -> None:
    found = other_length(Listening(98, 10, 15760, 1600, 16000), window_s)
    assert told in found and bool(found) == bool(told)
