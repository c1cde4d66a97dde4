# SPDX-License-Identifier: Apache-2.0
"""Decisions → ``decisions.c`` and ``decisions.h``; a network that listens → ``listen.c`` and ``listen.h``."""

from __future__ import annotations

import math

from ascmcu import __version__
from ascmcu.jinja import render
from ascmcu.listening.decisions import Decisions
from ascmcu.listening.window import Listening

# Samples that wait while a prediction is too low, and those of a producer's block.
_MARGIN = 1.25
_BLOCK_S = 0.02


def render_listening(
    listening: Listening, decisions: Decisions | None, *, name: str, channels: int, longest_s: float
) -> dict[str, str]:
    """Text by file name.

    Args:
        listening: window and hop.
        decisions: what is decided from the scores, if anything.
        name: of the model.
        channels: of the audio.
        longest_s: seconds that the network is predicted to take at a stretch.
    """
    about = {
        "l": listening, "d": decisions, "name": name, "channels": channels, "tool_version": __version__,
        "buffer_samples": buffer_samples(listening, longest_s),
    }  # fmt: skip
    names = ["listen.c", "listen.h"] + ["decisions.c", "decisions.h"] * (decisions is not None)
    return {name: render(f"listen/{name}.j2", **about) for name in names}


def buffer_samples(listening: Listening, longest_s: float) -> int:
    """Sample frames that come while the network runs, and some more: a power of two."""
    samples = (_MARGIN * longest_s + _BLOCK_S) * listening.sample_rate_hz
    return 1 << math.ceil(math.log2(samples))


def render_decisions(decisions: Decisions) -> dict[str, str]:
    """``decisions.c`` and ``decisions.h`` alone."""
    about = {"d": decisions, "tool_version": __version__}
    return {name: render(f"listen/{name}.j2", **about) for name in ("decisions.c", "decisions.h")}
