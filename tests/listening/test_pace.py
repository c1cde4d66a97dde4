# SPDX-License-Identifier: Apache-2.0
"""What is told of a window and of a hop's cost."""

from __future__ import annotations

import pytest

from ascmcu import boards
from ascmcu.api.pacing import check_listener
from ascmcu.errors import BoardError
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


HEARD = Listening(98, 10, 15760, 1600, 16000)


@pytest.mark.parametrize(
    ("busy", "lost", "found"),
    [
        ([18_000_000, 17_000_000], 0, "a hop takes 18,000,000 cycles, 0 samples lost"),
        ([1_000_000], 160, "a hop takes 1,000,000 cycles, 160 samples lost"),
        ([], 0, "two hops were not done in 0.6 s, 0 samples lost"),
    ],
)
def test_a_listener_that_does_not_keep_up(busy: list[int], lost: int, found: str) -> None:
    """A hop of 100 ms at 180 MHz."""
    board = boards.load("nucleo-f446")
    with pytest.raises(BoardError, match="does not keep up with its microphone") as refused:
        check_listener(board, HEARD, busy, lost, 0.6)
    assert found in str(refused.value) and "less than 18,000,000 cycles a hop" in str(refused.value)
    check_listener(board, HEARD, [17_999_999], 0, 0.6)


def test_what_the_listener_takes_is_told() -> None:
    assert Pace(10, 20, None, 30, 1000, 45).text.endswith("listen.elf with its microphone 45 (4.5 %)")
