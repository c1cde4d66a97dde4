# SPDX-License-Identifier: Apache-2.0
"""Recordings like those of Speech Commands, and what MLPerf Tiny's keyword spotting makes of them.

The pipeline is that of the benchmark's reference training: TensorFlow reads the file, divides the clip by its largest
sample, fills it up to a second, and computes ``tf.signal``'s MFCCs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from ascmcu.features import extract
from ascmcu.features import spec as specs
from ascmcu.features.pcm import to_pcm
from ascmcu.frontends import tflite
from tests.support import board_bits, outside, speech

MODEL = outside.model("mlperf_tiny_kws_int8.tflite")
RECORDINGS = outside.dataset("esc10") / "audio"
SPEC = "mlperf_kws"
WORDS = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes")
LABELS = (*WORDS, "silence", "unknown")
_SECOND = 16000
_LEAD = 2400


def write(folder: Path, spoken: int, cut: int) -> int:
    """Write clips of a second, a folder for each class: the words by all voices, and cuts of ESC-10's recordings.

    Args:
        spoken: how many clips of words, each word by the first voice, then by the next; 0 needs no espeak-ng.
        cut: how many of other sounds.

    Returns:
        how many files there are.
    """
    said = [(voice, word) for voice in range(len(speech.VOICES)) for word in range(len(WORDS))][:spoken]
    for voice, word in said:
        heard = speech.say(WORDS[word], speech.VOICES[voice])
        # Quiet and loud ones: the pipeline's peak normalization has something to do.
        level = 10 ** (-0.25 * ((voice + word) % 5))
        samples = np.concatenate([np.zeros(_LEAD + 160 * word), np.rint(heard * level)])[:_SECOND]
        _store(folder / WORDS[word] / f"{voice}.wav", samples.astype(np.int16))
    files = sorted(RECORDINGS.glob("*.ogg"))
    for number in range(cut):
        path = files[number * len(files) // cut]
        spec = specs.load(SPEC)
        pcm = to_pcm(*soundfile.read(path, dtype="float64", always_2d=True), spec)[:, 0]
        begin = 4000 * (number % 8)
        _store(folder / "unknown" / f"{path.stem}.wav", pcm[begin : begin + _SECOND])
    (folder / "labels.txt").write_text("\n".join(LABELS) + "\n")
    return len(said) + cut


def _store(path: Path, samples: npt.NDArray[np.int16]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, _SECOND, subtype="PCM_16")


def files(folder: Path) -> list[Path]:
    """The clips in the order in which a benchmark of the folder runs them."""
    return sorted(folder.glob("*/*.wav"))


def input_of(path: Path) -> npt.NDArray[np.int8]:
    """The network's input as MLPerf's pipeline makes it of a file: int8 (1, 49, 10, 1)."""
    import tensorflow as tf

    audio, _ = tf.audio.decode_wav(tf.io.read_file(str(path)), desired_channels=1)
    samples = audio[:, 0]
    # A clip of silence has no largest sample; the benchmark has none.
    peak = tf.reduce_max(samples)
    samples = samples / peak if peak > 0 else samples
    samples = tf.pad(samples, [[0, _SECOND - samples.shape[0]]])
    spectrum = tf.abs(tf.signal.stft(samples, 480, 320, window_fn=tf.signal.hann_window))
    filters = tf.signal.linear_to_mel_weight_matrix(40, spectrum.shape[-1], _SECOND, 20.0, 4000.0)
    logarithms = tf.math.log(tf.tensordot(spectrum, filters, 1) + 1e-6)
    features = tf.signal.mfccs_from_log_mel_spectrograms(logarithms)[:, :10].numpy()
    graph = tflite.parse(MODEL.read_bytes(), MODEL.stem)
    entry = graph.tensors[graph.inputs[0]]
    quantized = extract.quantize(features, entry.scale, entry.zero_point, "int8")
    return np.asarray(quantized.reshape(entry.shape), np.int8)


def outputs_of(inputs: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """The scores by LiteRT's reference kernels: int8 (clips, 12)."""
    return np.asarray(board_bits.expected(MODEL, inputs)[:, 0], np.int8)
