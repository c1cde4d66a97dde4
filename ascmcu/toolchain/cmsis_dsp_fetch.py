# SPDX-License-Identifier: Apache-2.0
"""Fetch CMSIS-DSP's sources into the user cache, from a CMSIS pack or a package index (see ``cmsis_dsp``).

``pip download`` cannot serve: it builds a source distribution to learn its metadata, and ``cmsisdsp`` needs
a tool chain of its own for that. So pip only tells its indexes, and their simple-index pages do the rest.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import importlib.util
import io
import json
import re
import shutil
import ssl
import subprocess
import sys
import tarfile
import tempfile
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath

from ascmcu.errors import ToolError
from ascmcu.toolchain.cmsis_dsp import C_FILES, PROJECT, VERSION, home

ARCHIVE = f"{PROJECT}-{VERSION}.tar.gz"
SHA256 = "307d32298faa7c58db912851027fce35f886fec7eb1a27c4b309ce1a97f47519"
_TIMEOUT_S = 60


def _install(name: str, version: str, files: Iterator[tuple[str, bytes]]) -> Path:
    """Write the wanted ones of an archive's files into the cache, whole or not at all."""
    place_of_all = home()
    place_of_all.mkdir(parents=True, exist_ok=True)
    target = place_of_all / name
    with tempfile.TemporaryDirectory(dir=place_of_all, prefix=".") as scratch:
        root = Path(scratch) / name
        for path, content in files:
            if _is_wanted(path):
                place = root / path
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
        missing = [path for path in C_FILES if not (root / path).is_file()]
        if missing:
            raise ToolError(
                "the archive is not a CMSIS-DSP that is known here", where=name, expected=", ".join(missing)
            )
        (root / "ORIGIN.json").write_text(json.dumps({"version": version}) + "\n", encoding="utf-8")
        if target.is_dir():
            shutil.rmtree(target)
        try:
            root.rename(target)
        except OSError:
            if not (target / "ORIGIN.json").is_file():  # else another process was first
                raise
    return target


def _is_wanted(path: str) -> bool:
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts:
        return False
    return (
        path in C_FILES or path == "LICENSE" or (parts.parts[0].endswith("Include") and parts.suffix == ".h")
    )


# ---- the CMSIS pack

_PACK_SCRIPT = """
import pathlib, sys
from cmsis_pack_manager import Cache, CmsisPackRef
folder = sys.argv[1]
cache = Cache(True, False, json_path=folder, data_path=folder)
cache.cache_descriptors()
found = sorted(pathlib.Path(folder).glob("ARM.CMSIS-DSP.*.pdsc"))
version = found[-1].stem.removeprefix("ARM.CMSIS-DSP.")
cache.download_pack_list([CmsisPackRef("ARM", "CMSIS-DSP", version)])
print(version)
"""


def _from_pack() -> Path:
    if importlib.util.find_spec("cmsis_pack_manager") is None:
        raise ToolError("cmsis-pack-manager is not installed")
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", _PACK_SCRIPT, folder],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=2 * _TIMEOUT_S,
        )
        packs = list(Path(folder).glob("ARM/CMSIS-DSP/*.pack"))
        if done.returncode or not packs:
            last = (done.stderr.strip() or "no pack came").splitlines()[-1]
            raise ToolError("the ARM::CMSIS-DSP pack cannot be fetched", found=last)
        version = packs[0].stem
        with zipfile.ZipFile(packs[0]) as archive:
            files = ((name, archive.read(name)) for name in archive.namelist() if not name.endswith("/"))
            return _install(f"pack-{version}", f"{version} (ARM::CMSIS-DSP pack)", files)


# ---- the Python package index


def _from_index() -> Path:
    options = _pip_options()
    get = _opener(options)
    tried = []
    for link in _links(options, get):
        tried.append(_without_secrets(link))
        try:
            content = get(link)
        except OSError as error:
            tried[-1] += f" ({error})"
            continue
        digest = hashlib.sha256(content).hexdigest()
        if digest != SHA256:
            tried[-1] += f" (SHA-256 {digest} instead of {SHA256})"
            continue
        return _install(f"sdist-{VERSION}", f"{VERSION} ({ARCHIVE})", _members(content))
    raise ToolError(f"no configured package index has {ARCHIVE}", found=", ".join(tried) or "no link to it")


def _members(content: bytes) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.isfile() else None
            if stream:
                yield member.name.partition("/")[2], stream.read()


_PIP_SCRIPT = """
import runpy, sys
from pip._internal.models.index import PyPI
print("default.index-url=" + repr(PyPI.simple_url))
sys.argv = ["pip", "config", "list"]
runpy.run_module("pip", run_name="__main__")
"""


def _pip_options() -> dict[str, str]:
    """pip's own settings by option name: environment over command over global over built-in."""
    done = subprocess.run(
        [sys.executable, "-c", _PIP_SCRIPT],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=_TIMEOUT_S,
    )
    found: dict[tuple[str, str], str] = {}
    for section, name, value in re.findall(r"^(:?\w+:?)\.([\w-]+)=('.*'|\".*\")$", done.stdout, re.MULTILINE):
        found[section, name] = str(ast.literal_eval(value))
    if not found:
        raise ToolError(
            "pip does not tell its settings", found=done.stderr.strip() or "no pip in this environment"
        )
    options: dict[str, str] = {}
    for section in ("default", "global", "install", "download", ":env:"):
        options |= {name: value for (place, name), value in found.items() if place == section}
    return options


def _opener(options: dict[str, str]) -> Callable[[str], bytes]:
    """A function URL → content, with pip's certificates and proxy."""
    context = ssl.create_default_context(cafile=options.get("cert"))
    handlers: list[urllib.request.BaseHandler] = [urllib.request.HTTPSHandler(context=context)]
    if "proxy" in options:
        handlers.append(urllib.request.ProxyHandler(dict.fromkeys(("http", "https"), options["proxy"])))
    opener = urllib.request.build_opener(*handlers)

    def get(url: str) -> bytes:
        parts = urllib.parse.urlsplit(url)
        request = urllib.request.Request(_without_secrets(url), headers={"Accept": "text/html"})
        if parts.username:
            secret = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
            request.add_header("Authorization", "Basic " + base64.b64encode(secret.encode()).decode())
        with opener.open(request, timeout=_TIMEOUT_S) as response:
            return bytes(response.read())

    return get


def _without_secrets(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _links(options: dict[str, str], get: Callable[[str], bytes]) -> Iterator[str]:
    """Where the archive may lie: folders of ``find-links`` first, then every index in pip's order."""
    for place in options.get("find-links", "").split():
        folder = Path(urllib.request.url2pathname(place.removeprefix("file://")))
        if (folder / ARCHIVE).is_file():
            yield (folder / ARCHIVE).resolve().as_uri()
    indexes = options.get("index-url", "").split() + options.get("extra-index-url", "").split()
    for index in () if options.get("no-index") else indexes:
        page = f"{index.rstrip('/')}/{PROJECT}/"
        try:
            text = get(page + "index.html" if page.startswith("file:") else page).decode()
        except (OSError, ValueError):
            continue
        for link in _anchors(text):
            if urllib.parse.unquote(urllib.parse.urlsplit(link).path).endswith(f"/{ARCHIVE}"):
                yield urllib.parse.urldefrag(urllib.parse.urljoin(page, link)).url


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value for name, value in attrs if tag == "a" and name == "href" and value]


def _anchors(text: str) -> list[str]:
    parser = _Anchors()
    parser.feed(text)
    return parser.links


# In the order in which they are asked.
ORIGINS: dict[str, Callable[[], Path]] = {"pack": _from_pack, "index": _from_index}
