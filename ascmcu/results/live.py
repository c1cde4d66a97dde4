# SPDX-License-Identifier: Apache-2.0
"""A firmware that listens, hop by hop, as a page shows it: level, spectrum, scores, events, load."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ascmcu.listening.decisions import Decisions, score_of
from ascmcu.results.page import standalone

# Columns of a second, and bands of a column, from 0 to half the sample rate.
_COLUMNS_HZ, _BANDS = 50, 64
_FFT = 512
_LOWEST_DB = -100.0


@dataclass(frozen=True)
class Shown:
    """One hop.

    Attributes:
        hop: its number.
        seconds: where it ends, from the first sample.
        level_dbfs: root of the mean square, full scale being 32,768; None without sound.
        columns: of the spectrogram, each of 64 bands from 0 (-100 dBFS) to 100 (0 dBFS).
        scores: of every rule.
        events: those that begin: class, score.
        load: the part of the hop that the core was busy.
        waiting: samples in the buffer.
        lost: samples since the start.
    """

    hop: int
    seconds: float
    level_dbfs: float | None
    columns: tuple[tuple[int, ...], ...]
    scores: tuple[float, ...]
    events: tuple[tuple[str, float], ...]
    load: float
    waiting: int
    lost: int


def level_dbfs(sound: npt.NDArray[np.int16]) -> float:
    """Of some samples."""
    power = float(np.mean(sound.astype(np.float64) ** 2)) / 32768**2 if len(sound) else 0.0
    return max(10 * math.log10(power), _LOWEST_DB) if power > 0 else _LOWEST_DB


def columns(sound: npt.NDArray[np.int16], rate_hz: int) -> tuple[tuple[int, ...], ...]:
    """Of a hop's samples: one for each 20 ms that lie in it."""
    step = max(rate_hz // _COLUMNS_HZ, 1)
    window = np.hanning(step + 1)[:-1]
    found = []
    for begin in range(0, len(sound) - step + 1, step):
        part = sound[begin : begin + step] / 32768 * window
        power = np.abs(np.fft.rfft(part, _FFT)) ** 2 / max(float(np.sum(window)) ** 2 / 4, 1e-9)
        bands = np.array([np.max(each) for each in np.array_split(power[1:], _BANDS)])
        db = 10 * np.log10(np.maximum(bands, 1e-10))
        found.append(tuple(int(x) for x in np.clip(np.rint(db + 100), 0, 100)))
    return tuple(found)


def scores(outputs: npt.NDArray[np.generic], decisions: Decisions) -> tuple[float, ...]:
    """Of every rule, in the unit of its thresholds, before they are smoothed."""
    flat = outputs.reshape(-1)
    return tuple(round(decisions.real(score_of(flat[rule.index], decisions)), 4) for rule in decisions.rules)


def page(model: str, board: str, source: str, decisions: Decisions, hop_s: float, window_s: float) -> str:
    """The page, which asks its server for hops.

    Args:
        model, board, source: what runs where, and what it hears.
        decisions: with the rules' classes and thresholds.
        hop_s, window_s: seconds.
    """
    about = {
        "rules": [
            {"label": rule.label, "on": round(decisions.real(rule.on), 4), "off": round(decisions.real(rule.off), 4)}
            for rule in decisions.rules
        ],
        "hop_s": hop_s, "bands": _BANDS, "columns_hz": _COLUMNS_HZ,
    }  # fmt: skip
    return standalone(
        "monitor.html.j2", model=model, board=board, source=source, about=about, hop_ms=f"{1000 * hop_s:g}",
        window_s=f"{window_s:g}",
    )  # fmt: skip
