# SPDX-License-Identifier: Apache-2.0
"""The documentation builds without a warning, names only what is there, and says what the program says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import ascmcu
from ascmcu.cli import VERBS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.glob("*.md"))]
IMAGE_LIMIT_BYTES = 400_000


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; strict, so that a warning fails."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)],
        cwd=ROOT, capture_output=True, text=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_is_there(site: Path) -> None:
    pages = sorted(DOCS.glob("*.md"))
    assert len(pages) > 20
    assert [page.name for page in pages if not (site / f"{page.stem}.html").is_file()] == []


def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    pages = list(site.glob("*.html"))
    assert len(pages) >= len(list(DOCS.glob("*.md")))
    for page in pages:
        found = re.findall(
            r'(?:<script[^>]*src|<link[^>]*href|<img[^>]*src)="(https?:[^"]+)"', page.read_text()
        )
        assert not found, page.name


def test_the_search_works_in_files(site: Path) -> None:
    """A page that is a file can load a script, but no JSON, and start no worker."""
    index = (site / "search" / "search_index.js").read_text()
    assert index.startswith("var __index = ") and "wait states" in index
    page = (site / "rows.html").read_text()
    worker, bundle = page.index('src="javascripts/iframe-worker.js"'), page.index("assets/javascripts/bundle")
    assert worker < bundle, "the stand-in is there before the search asks for a worker"


@pytest.mark.skipif(not (shutil.which("chromium") or shutil.which("google-chrome")), reason="no browser")
@pytest.mark.parametrize(
    ("word", "told"), [("librosa", r"\d+ matching documents?"), ("qzxj", "No matching documents")]
)
def test_a_browser_finds_words_in_the_files(word: str, told: str, site: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    assert browser
    address = f"{(site / 'index.html').as_uri()}?q={word}"
    found = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000", "--dump-dom", address],
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert re.search(f'class="md-search-result__meta">{told}', found.stdout), found.stderr[-2000:]


def test_the_reference_names_everything(site: Path) -> None:
    commands = (site / "commands.html").read_text()
    assert all(f'id="{verb}"' in commands for verb in VERBS if (ROOT / f"ascmcu/cli/{verb}.py").is_file())
    api = (site / "api.html").read_text()
    assert all(f"ascmcu.{name}" in api for name in ascmcu.__all__)
    assert "log_loss" in (site / "results-format.html").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_files_that_are_named_exist(page: Path) -> None:
    """Paths of this repository in back quotes: `ascmcu/…`, `tools/…` and the like; <name> stands for any."""
    roots = "ascmcu|boards|docs|examples|firmware|templates|tests|tools"
    named = re.findall(rf"`((?:{roots})/[^`\s]*)`", page.read_text())
    patterns = {name: re.sub(r"<[^>]+>|…|\bNAME\b", "*", name.split("(")[0]).rstrip("/") for name in named}
    assert not [name for name, pattern in patterns.items() if not list(ROOT.glob(pattern))]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_within_the_repository_hold(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    inside = [t for t in targets if not t.startswith(("http:", "https:")) and t not in _MADE]
    assert not [target for target in inside if not (page.parent / target).exists()]


_MADE = {"api.md", "commands.md", "results-format.md"}


@pytest.mark.parametrize("page", [DOCS / "troubleshooting.md"], ids=lambda p: p.name)
def test_troubles_are_titled_by_what_the_program_says(page: Path) -> None:
    """Every title's longest run of plain words stands in a message of the source."""
    source = "\n".join(p.read_text() for p in (ROOT / "ascmcu").rglob("*.py"))
    source = re.sub(r'"\s*\n\s*f?"', "", source)
    known = {"QEMU's counts and the simulator's differ", "a cycle count differs from the board's"}
    titles = [t for t in re.findall(r"^### (.+)$", page.read_text(), re.MULTILINE) if t not in known]
    assert len(titles) > 10
    for title in titles:
        pieces = [piece.strip(" :") for piece in re.split(r"…|: |HardFault|model is not", title)]
        assert any(len(p) > 8 and p in source for p in pieces), title


@pytest.mark.parametrize("path", sorted((DOCS / "images").iterdir()), ids=lambda p: p.name)
def test_pictures_are_small(path: Path) -> None:
    assert path.stat().st_size < IMAGE_LIMIT_BYTES
