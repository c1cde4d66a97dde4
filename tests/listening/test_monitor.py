# SPDX-License-Identifier: Apache-2.0
"""``ascmcu monitor``: a board behind a port, the page in a browser, and what is kept of the sound."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import struct
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from ascmcu import api
from ascmcu.api.live import LivePage
from ascmcu.api.monitoring import listen_on_serial
from ascmcu.api.showing import Showing
from ascmcu.benchmark import wire
from ascmcu.cli import cli
from ascmcu.errors import InputError, LinkError
from ascmcu.listening import truths
from ascmcu.listening.decisions import Decisions, IntegerRule
from ascmcu.results import live
from ascmcu.results.live import Shown
from tests.listening.test_listen_h import DECISIONS, _audio
from tests.support import listening, recipes_flat

HOPS = 14


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("monitor")
    (place / "net.tflite").write_bytes(recipes_flat.make(listening.keyword_network(same=True, channels=8)))
    (place / "spec.toml").write_text(listening.features(bands=40))
    (place / "decisions.toml").write_text(DECISIONS)
    api.export(
        place / "net.tflite", "nucleo-f446", place / "build", features=place / "spec.toml", listen=True, hop_s=0.1,
        decisions=place / "decisions.toml", microphone="i2s",
    )  # fmt: skip
    return place / "build"


def _heard(hop: int, scores: bytes, events: tuple[tuple[int, int, int], ...] = (), lost: int = 0) -> bytes:
    body = struct.pack("<IIIIB", hop, lost, 80, 900_000, len(events))
    body += b"".join(struct.pack("<HIi", *event) for event in events)
    return wire.encode(wire.HEARD, 0, 0, body + scores)  # type: ignore[arg-type]  # the form is that of all frames


@contextlib.contextmanager
def _board(data: bytes) -> Iterator[str]:
    """Something behind a port that sends this again and again, whoever listens since when."""
    server = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve() -> None:
        line, _ = server.accept()
        with line, contextlib.suppress(OSError):
            while not done.wait(0.01):
                line.sendall(data)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"socket://127.0.0.1:{server.getsockname()[1]}"
    finally:
        done.set()
        thread.join(10)
        server.close()


def _frames(count: int = HOPS) -> bytes:
    rng = np.random.default_rng(2)
    return b"".join(
        _heard(hop, rng.integers(-128, 128, 10).astype(np.int8).tobytes(), ((0, hop - 1, 9000),) * (hop == 5))
        for hop in range(count)
    )


def _run(*words: object) -> Result:
    return CliRunner().invoke(cli, ["monitor", *map(str, words)], catch_exceptions=False)


def test_a_board_is_read_until_so_much_was_heard(export: Path) -> None:
    """It may have begun long before: the first frame is a part of one."""
    with _board(_frames()) as port:
        told = _run(export, "--serial", port, "--seconds", HOPS / 10)
    assert told.exit_code == 0
    assert f"{HOPS} hops: 1 events, 0 samples lost since the board started" in told.stdout
    assert "a hop took at most 900,000 cycles, 5.0 % of its time" in told.stdout
    assert [line.split()[2] for line in told.stdout.splitlines() if line.startswith(" ")] == ["8"]
    with _board(_frames()) as port:
        found = json.loads(_run(export, "--serial", port, "--seconds", 0.5, "--json").stdout)
    hops = [hop["hop"] for hop in found["hops"]]
    assert hops == [(hops[0] + n) % HOPS for n in range(5)] and found["lost_samples"] == 0


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (_heard(0, b"12"), "another firmware"),
        (
            wire.encode(wire.Type.FAULT, 3, 0, struct.pack("<7I", 1, 2, 3, 4, 5, 6, 7)),
            "something else",
        ),
        (b"", "says nothing"),
    ],
    ids=["scores", "fault", "silence"],
)
def test_what_is_no_such_board(data: bytes, message: str, export: Path) -> None:
    with _board(data) as port, pytest.raises(LinkError, match=message):
        listen_on_serial(export, port, seconds=1)


def _page() -> str:
    return live.page("net", "nucleo-f446", "street.wav", _decisions(), 0.1, 1.0)


def _decisions() -> Decisions:
    rules = (IntegerRule("yes", 0, 100 * 256, 90 * 256, 1, 0), IntegerRule("</script><b>", 1, 256, 0, 1, 0))
    return Decisions(rules, "none", 1, 256, 0, 0, 1 / 256, -128, "int8", 2, 0)


def _shown(hop: int) -> Shown:
    tone = np.rint(8000 * np.sin(2 * np.pi * (500 + 100 * hop) * np.arange(1600) / 16000)).astype(np.int16)
    return Shown(
        hop, (hop + 1) * 0.1, live.level_dbfs(tone), live.columns(tone, 16000), (0.01 * hop, 0.5),
        (("yes", 0.7),) * (hop == 7), 0.05 + 0.001 * hop, 80, 3 * (hop > 10),
    )  # fmt: skip


def test_the_page_gives_all_hops_and_an_end() -> None:
    with LivePage(_page()) as page:
        for hop in range(5):
            page.tell(_shown(hop))
        with urllib.request.urlopen(page.url) as answer:
            html = answer.read().decode()
        assert "net on nucleo-f446" in html and "</script><b>" not in html
        stream = urllib.request.urlopen(page.url + "hops")
        lines = [stream.readline() for _ in range(10)]
        first = [json.loads(line[6:]) for line in lines if line.startswith(b"data: ")]
        assert [hop["hop"] for hop in first] == [0, 1, 2, 3, 4]
        page.tell(_shown(5))
        page.end()
        rest = stream.read().decode()
        assert '"hop":5' in rest and rest.endswith("event: end\ndata: 0\n\n")
        with pytest.raises(urllib.request.HTTPError):
            urllib.request.urlopen(page.url + "manifest.json")
        with (
            pytest.raises(InputError, match="cannot be served"),
            LivePage("", int(page.url.rsplit(":")[-1].strip("/"))),
        ):
            pass


def test_the_page_in_a_browser(tmp_path: Path) -> None:
    """Figures, the events' table and the end, as a browser has them behind the script."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with LivePage(_page()) as page:
        for hop in range(12):
            page.tell(_shown(hop))
        page.end()
        done = subprocess.run(
            [
                browser, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
                "--virtual-time-budget=10000", "--dump-dom", page.url,
            ],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
    dom = done.stdout
    assert 'id="state">The sound has ended.<' in dom, done.stderr
    for figure in (
        'id="time">1.2<',
        'id="hops">12<',
        'id="now">-15<',
        'id="load">6.1<',
        'id="lost" style="color: var(--bad);">3<',
    ):
        assert figure in dom, figure
    assert "<td>0.80 s</td><td>yes</td><td>0.700</td>" in dom
    assert "&lt;/script&gt;&lt;b&gt; (on at" in dom


def test_level_and_spectrum() -> None:
    tone = np.rint(32767 * np.sin(2 * np.pi * 2000 * np.arange(3200) / 16000)).astype(np.int16)
    assert live.level_dbfs(tone) == pytest.approx(-3.01, abs=0.05)
    assert live.level_dbfs(np.zeros(10, np.int16)) == -100 and live.level_dbfs(np.zeros(0, np.int16)) == -100
    shown = live.columns(tone, 16000)
    assert len(shown) == 10 and {len(column) for column in shown} == {64}
    assert all(np.argmax(column) in (15, 16) and max(column) >= 98 for column in shown)
    assert live.columns(np.zeros(3200, np.int16), 16000) == ((0,) * 64,) * 10


def test_what_is_heard_is_kept(export: Path, tmp_path: Path) -> None:
    """The sound, the table that ``bench --stream`` reads, a clip for each event; a folder with anything is refused."""
    pcm = _audio(3, seed=8)
    soundfile.write(tmp_path / "street.wav", pcm, 16000, subtype="PCM_16")
    told = _run(export, "--input", tmp_path / "street.wav", "--record", tmp_path / "kept")
    assert told.exit_code == 0 and "awake" in told.stdout
    kept, rate_hz = soundfile.read(tmp_path / "kept" / "heard.wav", dtype="int16")
    assert rate_hz == 16000 and np.array_equal(kept, pcm[: len(kept)]) and len(kept) > 2.8 * 16000
    events = truths.read(tmp_path / "kept" / "events.csv")
    shown = [line.split() for line in told.stdout.splitlines() if line.startswith(" ")]
    assert len(events) == len(shown) > 0
    assert sorted(f"{event.offset_s:.2f} {event.label}" for event in events) == sorted(
        f"{seconds} {label}" for seconds, _, label, _ in shown
    )
    clips = sorted((tmp_path / "kept" / "clips").rglob("*.wav"))
    assert len(clips) == len(events)
    for clip in clips:
        sound, _ = soundfile.read(clip, dtype="int16")
        end = round(float(clip.stem) * 16000)
        assert np.array_equal(sound, pcm[max(0, end - len(sound)) : end]) and len(sound) > 0
    with pytest.raises(InputError, match="holds something"):
        Showing.of(export, source="x", record=tmp_path / "kept")
