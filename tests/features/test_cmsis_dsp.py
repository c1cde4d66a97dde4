# SPDX-License-Identifier: Apache-2.0
"""Where CMSIS-DSP's sources come from: indexes as pip knows them, a pinned archive, a cache that is whole or absent."""

from __future__ import annotations

import hashlib
import io
import sys
import tarfile
import types
import zipfile
from pathlib import Path

import pytest

from ascmcu.errors import ToolError
from ascmcu.toolchain import cmsis_dsp, cmsis_dsp_fetch


def _archive(names: tuple[str, ...] = cmsis_dsp.C_FILES) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in (*names, "Include/dsp/a.h", "LICENSE", "cmsisdsp/big.py", "../outside.h"):
            content = name.encode()
            entry = tarfile.TarInfo(f"cmsisdsp-1/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ASCMCU_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ASCMCU_CMSIS_DSP", raising=False)
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return tmp_path / "cache"


def _index(folder: Path, content: bytes) -> str:
    page = folder / "simple" / cmsis_dsp.PROJECT
    page.mkdir(parents=True)
    (folder / "files").mkdir()
    (folder / "files" / cmsis_dsp_fetch.ARCHIVE).write_bytes(content)
    (page / "index.html").write_text(
        '<!DOCTYPE html><a href="../../files/cmsisdsp-1.10.2.tar.gz">old</a>'
        f'<a data-requires-python="&gt;=3" href="../../files/{cmsis_dsp_fetch.ARCHIVE}#sha256=0">new</a>'
    )
    return (folder / "simple").as_uri()


def _pin(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cmsis_dsp_fetch, "SHA256", hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize("option", ["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"])
def test_from_an_index_and_then_from_the_cache(
    option: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = _archive()
    _pin(content, monkeypatch)
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "empty").as_uri())
    monkeypatch.setenv(option, _index(tmp_path / "index", content))
    found = cmsis_dsp.sources()
    assert [p.read_text() for p in found.c_files] == list(cmsis_dsp.C_FILES)
    assert (found.include_dirs[1] / "dsp" / "a.h").is_file()
    installed = {str(p.relative_to(cache)) for p in cache.rglob("*") if p.is_file()}
    root = f"cmsis-dsp/sdist-{cmsis_dsp.VERSION}"
    wanted = {*cmsis_dsp.C_FILES, "Include/dsp/a.h", "LICENSE", "ORIGIN.json"}
    assert installed == {f"{root}/{name}" for name in wanted}
    monkeypatch.setattr(cmsis_dsp_fetch, "_pip_options", lambda: pytest.fail("asked the network again"))
    assert cmsis_dsp.sources() == found


def test_from_a_folder_of_archives(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = _archive()
    _pin(content, monkeypatch)
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / cmsis_dsp_fetch.ARCHIVE).write_bytes(content)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    assert cmsis_dsp.sources().version.startswith(cmsis_dsp.VERSION)


def test_another_content_is_refused(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", _index(tmp_path / "index", _archive()))
    with pytest.raises(ToolError, match="CMSIS-DSP") as caught:
        cmsis_dsp.sources()
    assert "SHA-256" in str(caught.value.details)
    assert "ASCMCU_CMSIS_DSP" in str(caught.value.hint)
    assert "cmsis-pack-manager" in str(caught.value.hint)
    assert cmsis_dsp.available() is None


def test_an_archive_that_lacks_a_file_leaves_nothing(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = _archive(cmsis_dsp.C_FILES[1:])
    _pin(content, monkeypatch)
    monkeypatch.setenv("PIP_INDEX_URL", _index(tmp_path / "index", content))
    with pytest.raises(ToolError) as caught:
        cmsis_dsp.sources()
    assert cmsis_dsp.C_FILES[0] in str(caught.value.details)
    assert not [p for p in cache.rglob("*") if p.is_file()]


def test_a_folder_of_ones_own(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASCMCU_CMSIS_DSP", str(tmp_path))
    with pytest.raises(ToolError, match="holds no CMSIS-DSP"):
        cmsis_dsp.sources()
    for name in cmsis_dsp.C_FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert cmsis_dsp.sources().c_files[0] == tmp_path / cmsis_dsp.C_FILES[0]


def test_the_pack_comes_first_where_its_manager_is(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against a stand-in with cmsis-pack-manager's interface, which downloads one pack."""
    package = tmp_path / "path" / "cmsis_pack_manager"
    package.mkdir(parents=True)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in (*cmsis_dsp.C_FILES, "Include/arm_math.h", "Documentation/x.h"):
            archive.writestr(name, name)
    (tmp_path / "packed").write_bytes(packed.getvalue())
    (package / "__init__.py").write_text(
        f"""
import pathlib, shutil
class CmsisPackRef(tuple):
    def __new__(cls, *names): return tuple.__new__(cls, names)
class Cache:
    def __init__(self, silent, _, json_path, data_path): self.path = pathlib.Path(data_path)
    def cache_descriptors(self): (self.path / "ARM.CMSIS-DSP.1.16.2.pdsc").write_text("")
    def download_pack_list(self, packs):
        vendor, name, version = packs[0]
        (self.path / vendor / name).mkdir(parents=True)
        shutil.copy({str(tmp_path / "packed")!r}, self.path / vendor / name / (version + ".pack"))
"""
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"))
    monkeypatch.setitem(sys.modules, "cmsis_pack_manager", types.ModuleType("cmsis_pack_manager"))
    monkeypatch.setattr(cmsis_dsp_fetch.importlib.util, "find_spec", lambda name: object())
    found = cmsis_dsp.sources()
    assert found.version == "1.16.2 (ARM::CMSIS-DSP pack)"
    assert [p.read_text() for p in found.c_files] == list(cmsis_dsp.C_FILES)


def test_an_index_page_needs_no_secrets_in_messages() -> None:
    assert cmsis_dsp_fetch._without_secrets("https://me:key@host/simple/x") == "https://host/simple/x"
