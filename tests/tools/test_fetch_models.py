# SPDX-License-Identifier: Apache-2.0
"""``tools/fetch_models`` from a server of ours: the right file is kept, another one is refused, no network is told."""

from __future__ import annotations

import functools
import hashlib
import http.server
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAME = "mlperf_tiny_kws_int8"
MODELS = tomllib.loads((ROOT / "tests" / "support" / "models.toml").read_text())


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing on standard error."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a server, and the folder that it serves."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{made.server_address[1]}", folder
        made.shutdown()
        thread.join()


def _run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools" / "fetch_models"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def _serve(folder: Path, data: bytes) -> None:
    row = MODELS[NAME]
    path = folder / row["repository"] / row["commit"] / row["path"]
    path.parent.mkdir(parents=True)
    path.write_bytes(data)


def test_another_file_is_refused_and_not_kept(server: tuple[str, Path], tmp_path: Path) -> None:
    url, folder = server
    _serve(folder, b"not the model")
    done = _run(NAME, "--to", tmp_path / "models", "--from", url)
    assert done.returncode == 2
    assert f"{NAME}.tflite is another file" in done.stderr
    assert f"expected: {MODELS[NAME]['sha256']}" in done.stderr
    assert f"found:    {hashlib.sha256(b'not the model').hexdigest()}" in done.stderr
    assert not (tmp_path / "models").exists()


def test_the_right_file_is_kept_and_not_fetched_again(
    server: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a list of our own, whose file is ours."""
    import importlib.machinery
    import importlib.util

    loader = importlib.machinery.SourceFileLoader("fetch_models", str(ROOT / "tools" / "fetch_models"))
    spec = importlib.util.spec_from_loader("fetch_models", loader)
    assert spec is not None
    tool = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "fetch_models", tool)
    loader.exec_module(tool)
    url, folder = server
    (folder / "us" / "models" / "1").mkdir(parents=True)
    (folder / "us" / "models" / "1" / "a.bin").write_bytes(b"the model")
    model = tool.Model("a", "us/models", "1", "a.bin", hashlib.sha256(b"the model").hexdigest(), "Apache-2.0")
    to = tmp_path / "models"
    assert tool._fetch(model, to, url) is None
    assert [path.name for path in to.iterdir()] == ["a.tflite"]
    assert (to / "a.tflite").read_bytes() == b"the model"
    assert tool._fetch(model, to, "http://127.0.0.1:9") is None, "what is there is not fetched again"
    (to / "a.tflite").write_bytes(b"damaged")
    assert "cannot be fetched" in tool._fetch(model, to, "http://127.0.0.1:9")


def test_without_a_network_the_message_says_what_to_do(tmp_path: Path) -> None:
    done = _run(NAME, "--to", tmp_path / "models", "--from", "http://127.0.0.1:9")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert f"{NAME}.tflite cannot be fetched" in done.stderr and "ASCMCU_MODELS" in done.stderr
    assert not (tmp_path / "models").exists()


def test_an_unknown_name_lists_the_known() -> None:
    done = _run("no_such_model")
    assert done.returncode == 2 and "unknown model: no_such_model" in done.stderr and NAME in done.stderr


@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_pinned(name: str) -> None:
    row = MODELS[name]
    assert len(row["sha256"]) == 64 and len(row["commit"]) == 40 and row["licence"]
    assert row.get("file", f"{name}.tflite").startswith(name)
