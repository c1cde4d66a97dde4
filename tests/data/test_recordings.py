# SPDX-License-Identifier: Apache-2.0
"""Every kind of recording that goes wrong: what reading finds, whether it is used, and what is heard of it.

A row is (file's name, how it is made, the kinds that are found, what becomes of it). ``check`` says the kinds, bench
and training refuse what is ``refused``, and hear of the rest what ``HEARD`` says.
"""

from __future__ import annotations

import dataclasses
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from ascmcu.cli import cli
from ascmcu.data import audio, found, intake
from ascmcu.data.found import KINDS
from ascmcu.errors import DataError
from ascmcu.features import pcm
from ascmcu.features.spec import FeatureSpec
from tests.data import made
from tests.data.made import Make, encoded, noise, pcm16, raw, sound, stereo, wav

SPEC = FeatureSpec(
    sample_rate_hz=16000, clip_samples=16000, n_fft=512, win_length=512, hop_length=320, n_mels=16
)
S = noise()
P = pcm16(S)
LIST = made.chunk(b"LIST", b"INFOabc")
OPEN = 0xFFFFFFFF

EXACT, NEAR, HALF, REFUSED = "exact", "near", "half", "refused"
NAN, INF = S.copy(), S.copy()
NAN[100], INF[5] = np.nan, -np.inf
LOUD = np.concatenate([np.full(8000, 1.0 - 2**-15), S[:8000]])

ROWS: list[tuple[str, str, Make, set[str], str]] = [
    # Whole files of every form that libsndfile reads.
    ("16 bits", "a.wav", sound(S), set(), EXACT),
    ("8 bits", "a.wav", sound(S, subtype="PCM_U8"), set(), NEAR),
    ("24 bits", "a.wav", sound(S, subtype="PCM_24"), set(), EXACT),
    ("32 bits", "a.WAV", sound(S, subtype="PCM_32"), set(), EXACT),
    ("float", "a.wav", sound(S, subtype="FLOAT"), set(), EXACT),
    ("double", "a.wave", sound(S, subtype="DOUBLE"), set(), EXACT),
    ("A-law", "a.wav", sound(S, subtype="ALAW"), set(), NEAR),
    ("mu-law", "a.wav", sound(S, subtype="ULAW"), set(), NEAR),
    ("extensible", "a.wav", sound(S, "WAVEX", "PCM_16"), set(), EXACT),
    ("extensible, 24 bits", "a.wav", sound(S, "WAVEX", "PCM_24"), set(), EXACT),
    ("RF64", "a.rf64", sound(S, "RF64", "PCM_16"), set(), EXACT),
    ("Wave64", "a.w64", sound(S, "W64", "PCM_16"), set(), EXACT),
    ("AIFF", "a.aif", sound(S, "AIFF", "PCM_16"), set(), EXACT),
    ("AIFF-C, float", "a.aifc", sound(S, "AIFF", "FLOAT"), set(), EXACT),
    ("AU", "a.au", sound(S, "AU", "PCM_16"), set(), EXACT),
    ("CAF", "a.caf", sound(S, "CAF", "PCM_16"), set(), EXACT),
    ("FLAC", "a.flac", sound(S, "FLAC", "PCM_16"), set(), EXACT),
    ("Vorbis", "a.ogg", sound(S, "OGG", "VORBIS"), set(), "heard"),
    ("Opus", "a.opus", sound(S, "OGG", "OPUS"), set(), "heard"),
    ("MP3", "a.mp3", sound(S, "MP3"), set(), "heard"),
    ("MP3 called WAV", "a.wav", sound(S, "MP3"), set(), "heard"),
    ("a longer fmt chunk", "a.wav", raw(wav(P, fmt=made.FMT + b"\0\0")), set(), EXACT),
    ("an odd chunk before", "a.wav", raw(wav(P, before=LIST)), set(), EXACT),
    ("an odd chunk behind", "a.wav", raw(wav(P, after=LIST)), set(), EXACT),
    # Headers that were never finished.
    ("RIFF size 0", "a.wav", raw(wav(P, riff=0)), set(), EXACT),
    ("RIFF size open", "a.wav", raw(wav(P, riff=OPEN)), set(), EXACT),
    ("streamed, 0", "a.wav", raw(wav(P, riff=0, size=0)), {"streamed"}, EXACT),
    ("streamed, FFmpeg", "a.wav", raw(wav(P, riff=OPEN, size=OPEN, before=LIST)), {"streamed"}, EXACT),
    ("streamed, SoX", "a.wav", raw(wav(P, riff=0x7FFFF024, size=0x7FFFF000)), {"streamed"}, EXACT),
    ("streamed, arecord", "a.wav", raw(wav(P, riff=0x80000024, size=0x80000000)), {"streamed"}, EXACT),
    ("streamed AU", "a.au", raw((au := encoded(S, "AU", "PCM_16"))[:8] + b"\xff" * 4 + au[12:]), set(), EXACT),
    # Nothing there, or not all of it.
    ("an empty file", "a.wav", raw(b""), {"unreadable"}, REFUSED),
    ("a header alone", "a.wav", raw(wav(b"")), {"empty"}, REFUSED),
    ("a header that promises", "a.wav", raw(wav(P)[:44]), {"empty"}, REFUSED),
    ("no samples, then a list", "a.wav", raw(wav(b"", after=LIST)), {"empty"}, REFUSED),
    ("cut in its header", "a.wav", raw(wav(P)[:20]), {"unreadable"}, REFUSED),
    ("no data chunk", "a.wav", raw(wav(P)[:36]), {"unreadable"}, REFUSED),
    ("cut WAV", "a.wav", raw(wav(P)[: 44 + 16000]), {"truncated"}, HALF),
    ("cut within a sample", "a.wav", raw(wav(P)[: 44 + 16001]), {"truncated"}, HALF),
    ("cut AIFF", "a.aiff", raw((f := encoded(S, "AIFF", "PCM_16"))[: len(f) - 16000]), {"truncated"}, HALF),
    ("cut Wave64", "a.w64", raw((f := encoded(S, "W64", "PCM_16"))[: len(f) - 16000]), {"truncated"}, HALF),
    ("cut RF64", "a.rf64", raw((f := encoded(S, "RF64", "PCM_16"))[: len(f) - 16000]), {"truncated"}, HALF),
    ("cut AU", "a.au", raw((f := encoded(S, "AU", "PCM_16"))[: len(f) - 16000]), {"truncated"}, HALF),
    ("cut MP3", "a.mp3", raw((f := encoded(S, "MP3"))[: len(f) // 2]), {"truncated"}, "heard"),
    ("cut FLAC", "a.flac", raw(encoded(S, "FLAC")[:12000]), {"unreadable"}, REFUSED),
    ("cut Vorbis", "a.ogg", raw((f := encoded(noise(9.0), "OGG", "VORBIS"))[: len(f) // 2]), {"truncated"}, "heard"),
    ("cut CAF", "a.caf", raw(encoded(S, "CAF")[:16000]), {"unreadable"}, REFUSED),
    # Not recordings at all, or of a kind that libsndfile does not read.
    ("text", "a.wav", raw(b"RIFF but no sound"), {"unreadable"}, REFUSED),
    ("text called MP3", "a.mp3", raw(b"nothing here " * 100), {"unreadable"}, REFUSED),
    ("no rate", "a.wav", raw(wav(P, fmt=struct.pack("<HHIIHH", 1, 1, 0, 0, 2, 16))), {"unreadable"}, REFUSED),
    ("no channel", "a.wav", raw(wav(P, fmt=struct.pack("<HHIIHH", 1, 0, 16000, 0, 0, 16))), {"unreadable"}, REFUSED),
    *((f"a {s} file", f"a{s}", raw(b"\0" * 99), {"unreadable"}, REFUSED) for s in (".m4a", ".AAC", ".wma", ".raw")),
    # Samples that are none, or not scaled as they should be.
    ("NaN", "a.wav", sound(NAN, subtype="FLOAT"), {"not_finite"}, REFUSED),
    ("Inf", "a.wav", sound(INF, subtype="FLOAT"), {"not_finite"}, REFUSED),
    ("floats to 32768", "a.wav", sound(S * 32768, subtype="FLOAT"), {"integer_scaled"}, REFUSED),
    ("floats beyond 1", "a.wav", sound(S * 4, subtype="FLOAT"), {"beyond_full_scale"}, "cut"),
    ("clipped", "a.wav", sound(LOUD), {"clipped"}, "heard"),
    # Little or nothing to hear.
    ("one sample", "a.wav", sound(S[:1]), {"too_short"}, REFUSED),
    ("nine milliseconds", "a.wav", sound(S[:144]), {"too_short"}, REFUSED),
    ("zeros", "a.wav", sound(np.zeros(16000)), {"silent"}, "silence"),
    ("below one step", "a.wav", sound(S * 1e-6, subtype="FLOAT"), {"silent"}, "silence"),
    ("a constant", "a.wav", sound(np.full(16000, 0.25)), {"silent"}, "heard"),
    ("opposite channels", "a.wav", sound(stereo(S, -S)), {"cancels"}, REFUSED),
    # What a front end makes of them.
    ("two channels", "a.wav", sound(stereo(S, S)), {"mixed"}, EXACT),
    ("one of two channels", "a.wav", sound(stereo(S, 0 * S)), {"mixed"}, "heard"),
    ("six channels", "a.wav", sound(stereo(*[S] * 6)), {"mixed"}, EXACT),
    ("a lower rate", "a.wav", sound(noise(1.0, 4000), rate_hz=4000), {"upsampled"}, "heard"),
    ("a higher rate", "a.wav", sound(noise(1.0, 44100), rate_hz=44100), {"resampled"}, "heard"),
    ("half as long", "a.wav", sound(S[:8000]), {"shorter"}, HALF),
    ("half a second more", "a.wav", sound(np.concatenate([S, S[:8000]])), {"longer"}, EXACT),
    ("one sample more", "a.wav", sound(np.append(S, 0.0)), set(), EXACT),
    ("one sample less", "a.wav", sound(S[:-1]), set(), "heard"),
    ("sound after the clip", "a.wav", sound(np.append(0 * S, S)), {"longer", "nothing_heard"}, "silence"),
]  # fmt: skip
IDS = [row[0] for row in ROWS]
# Kinds that the length or the channels of a row bring along.
BESIDE = {"shorter", "longer", "mixed", "resampled"}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASCMCU_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(("_id", "name", "make", "kinds", "outcome"), ROWS, ids=IDS)
def test_what_is_found_and_what_is_heard(
    tmp_path: Path, _id: str, name: str, make: Make, kinds: set[str], outcome: str
) -> None:
    path = made.put(tmp_path / "data" / "train" / "dog" / name, make)
    one = audio.examine(path)
    told = one.kinds | {finding.kind for finding in found.in_clip(one, SPEC)}
    assert kinds <= told and not (told - kinds - BESIDE), told
    if outcome == REFUSED:
        with pytest.raises(DataError, match=name):
            audio.load_pcm(path, SPEC)
        with pytest.raises(DataError, match="1 of 1 recordings cannot be used") as refused:
            intake.require([path], SPEC, tmp_path / "data")
        assert f"train/dog/{name}" in str(refused.value)
        return
    clip = audio.load_pcm(path, SPEC)[:, 0]
    wanted = np.frombuffer(P, "<i2").astype(float)
    heard, _ = intake.require([path], SPEC, tmp_path / "data")
    assert set(heard.findings) == told and heard.clips == 1
    assert clip.shape == (16000,)
    if outcome in (EXACT, HALF):
        same = 16000 if outcome == EXACT else 7900
        assert np.array_equal(clip[:same], wanted[:same])
        assert outcome == EXACT or not clip[8000:].any()
    elif outcome == NEAR:
        assert np.abs(clip - wanted).max() < 700
    elif outcome == "cut":
        assert np.array_equal(clip, np.clip(wanted * 4, -32768, 32767))
    else:
        assert clip.any() == (outcome == "heard")


@pytest.mark.parametrize(("_id", "name", "make", "kinds", "outcome"), ROWS, ids=IDS)
def test_check_says_it(
    tmp_path: Path, _id: str, name: str, make: Make, kinds: set[str], outcome: str
) -> None:
    made.put(tmp_path / "data" / "train" / "dog" / name, make)
    spec = tmp_path / "spec.toml"
    spec.write_text(
        "sample_rate_hz = 16000\nclip_samples = 16000\nn_fft = 512\nhop_length = 320\nn_mels = 16\n"
    )
    done = CliRunner().invoke(cli, ["data", "check", str(tmp_path / "data"), "--features", str(spec)])
    faults = {kind for kind in kinds if KINDS[kind].severity != "note"}
    assert done.exit_code == (1 if faults else 0), done.output
    assert done.output.splitlines()[-1] == ("1 fault" if faults else "no faults")
    for kind in kinds:
        weight = "fault" if kind in faults else "note"
        (line,) = [x for x in done.output.splitlines() if x.startswith(f"{weight}: 1 {KINDS[kind].title}: ")]
        assert f"train/dog/{name}" in line
    assert "sound" not in done.output.splitlines()[-1]


def test_every_kind_has_a_row() -> None:
    of_other_tests = {"too_long", "too_many_channels", "too_few_channels", "doubled"}
    assert set().union(*(row[3] for row in ROWS)) | of_other_tests == set(KINDS)


def test_channels_of_a_stereo_front_end(tmp_path: Path) -> None:
    wide = dataclasses.replace(SPEC, channels="stereo")
    assert wide.audio_channels == 2
    one = made.put(tmp_path / "one.wav")
    opposite = made.put(tmp_path / "opposite.wav", sound(stereo(S, -S)))
    four = made.put(tmp_path / "four.wav", sound(stereo(S, S, S, S)))
    heard, _ = intake.require([one, opposite], wide, tmp_path)
    assert heard.findings == {"doubled": 1, "cancels": 1}
    assert np.array_equal(audio.load_pcm(opposite, wide)[:, 0], np.frombuffer(P, "<i2"))
    with pytest.raises(DataError, match="more channels than the front end takes"):
        audio.load_pcm(four, wide)
    with pytest.raises(Exception, match="another number of channels"):
        pcm.to_pcm(stereo(S, S, S), 16000, wide)


@pytest.mark.parametrize(
    ("seconds", "starts"),
    [
        (0.5, [0]),
        (1.0, [0]),
        (1.01, [0]),
        (1.5, [0, 8000]),
        (2.0, [0, 16000]),
        (3.25, [0, 16000, 32000, 36000]),
    ],
)
def test_windows_cover_all_of_a_recording(tmp_path: Path, seconds: float, starts: list[int]) -> None:
    path = made.put(tmp_path / "a.wav", sound(noise(seconds)))
    heard, found_starts = intake.require([path], SPEC, tmp_path, "windows")
    assert found_starts == (tuple(starts),)
    assert (heard.clips, heard.long) == (len(starts), "windows")
    assert heard.findings.get("longer", 0) == (len(starts) > 1)
    if len(starts) > 1:
        assert "mean over windows of 1 s side by side" in heard.lines()[0]
        with pytest.raises(DataError, match="1 of 1 recordings are longer than the clip"):
            intake.require([path], SPEC, tmp_path, "error")


def test_a_refusal_counts_and_names_the_first(tmp_path: Path) -> None:
    files = [made.put(tmp_path / f"{n}.wav", sound(NAN, subtype="FLOAT") if n else None) for n in range(6)]
    with pytest.raises(DataError, match="5 of 6 recordings cannot be used") as refused:
        intake.require(files, SPEC, tmp_path)
    text = str(refused.value)
    assert "1.wav: with NaN or infinite samples (1 of 16000, the first at 0.006 s)" in text
    assert "and 2 more" in text and "data check" in text
    with pytest.raises(DataError, match="5 of 6"):
        intake.usable(files, tmp_path)


def test_what_was_found_is_kept_until_a_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made.put(tmp_path / "a.wav")
    first = intake.examine([path])
    with monkeypatch.context() as patched:
        patched.setattr(audio, "examine", lambda path: pytest.fail("read again"))
        assert intake.examine([path]) == first
    made.put(path, sound(np.zeros(20000)))
    assert intake.examine([path])[0].kinds == {"silent"}
    for kept in (tmp_path / "cache" / "recordings").iterdir():
        kept.write_text('[{"rate_hz": 1}]')
    assert intake.examine([path])[0].kinds == {"silent"}, "a damaged record is made anew"


def test_the_library_reads_no_mp3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An old libsndfile: the file is named with the reason, and not dropped."""

    def refuse(*arguments: object, **options: object) -> None:
        raise soundfile.LibsndfileError(1)

    monkeypatch.setattr(soundfile, "SoundFile", refuse)
    monkeypatch.setattr(soundfile, "available_formats", lambda: {"WAV": ""})
    (finding,) = audio.examine(made.put(tmp_path / "a.mp3", raw(b"ID3" + b"\0" * 99))).findings
    assert finding.kind == "unreadable" and "reads no MP3" in finding.text
