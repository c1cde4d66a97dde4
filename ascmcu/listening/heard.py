# SPDX-License-Identifier: Apache-2.0
"""What is heard, kept as files: the sound, its events as a table, and a clip of each event in a folder of its class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ascmcu.listening import truths
from ascmcu.listening.judging import Truth
from ascmcu.paths import save_whole, write_whole

SOUND, EVENTS, CLIPS = "heard.wav", "events.csv", "clips"


class Recorder:
    """A folder that grows with what is heard: ``heard.wav``, ``events.csv``, ``clips/<class>/<seconds>.wav``.

    The table is one that ``bench --stream`` reads, and the clips are a data set: a false trigger becomes an example of
    what is no event when its clip is moved to the folder of another class.

    Args:
        folder: new or empty.
        rate_hz: of the sound.
        window_s: length of a clip: what the network heard when it reported the event.
    """

    def __init__(self, folder: Path, rate_hz: int, window_s: float) -> None:
        self.folder, self.rate_hz, self.window_s = folder, rate_hz, window_s
        self._parts: list[npt.NDArray[np.int16]] = []
        self._events: list[Truth] = []

    def take(self, sound: npt.NDArray[np.int16] | None, events: Sequence[tuple[float, float, str]]) -> None:
        """One hop.

        Args:
            sound: its samples; None where the device sends none: then only the table is kept.
            events: start and report in seconds from the first sample, and the class.
        """
        if sound is not None:
            self._parts.append(sound)
        self._events += [Truth(max(begin, 0.0), end, label) for begin, end, label in events]

    def save(self) -> tuple[Path, ...]:
        """Write the files; which."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self.folder / EVENTS, truths.table(self._events))
        written = [self.folder / EVENTS]
        if self._parts:
            pcm = np.concatenate(self._parts)
            written.append(self.folder / SOUND)
            self._write(written[-1], pcm)
            for event in self._events:
                end = min(round(event.offset_s * self.rate_hz), len(pcm))
                begin = max(0, end - round(self.window_s * self.rate_hz))
                path = self.folder / CLIPS / _named(event.label) / f"{event.offset_s:09.3f}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                self._write(path, pcm[begin:end])
                written.append(path)
        return tuple(written)

    def _write(self, path: Path, pcm: npt.NDArray[np.int16]) -> None:
        import soundfile

        save_whole(path, lambda to: soundfile.write(to, pcm, self.rate_hz, format="WAV", subtype="PCM_16"))


def _named(label: str) -> str:
    """A class as the name of a folder."""
    return "".join(c if c.isalnum() or c in " -_." else "_" for c in label).strip(". ") or "_"
