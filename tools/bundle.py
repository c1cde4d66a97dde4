# SPDX-License-Identifier: Apache-2.0
"""Packs templates/, boards/, firmware/ and LICENSE into the wheel as ``ascmcu/_bundle`` (see ascmcu.paths).

Named in pyproject.toml as the ``build_py`` command; in a checkout, editable installs included, the folders are
used where they lie. ``egg_info`` makes the long description, which an index shows without the repository around it.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from setuptools.command.build_py import build_py
from setuptools.command.egg_info import egg_info

FOLDERS = ("templates", "boards", "firmware")
_PICTURE = re.compile(r"!\[[^\]]*\]\((?!https?:)[^)]*\)")
_TARGET = re.compile(r"\]\((?!https?:|#)([^)]*)\)")
_LINK = re.compile(r"\[([^\]]*)\]\((?!https?:|#)([^)]*)\)")


def long_description(text: str, repository: str | None) -> str:
    """The README for an index: links into the repository become absolute.

    Without a repository the pictures go, and of a link its text stays.
    """
    if repository is None:
        return _LINK.sub(r"\1", _PICTURE.sub("", text))
    text = _PICTURE.sub(lambda found: found[0].replace("](", f"]({repository}/raw/HEAD/"), text)
    return _TARGET.sub(rf"]({repository}/blob/HEAD/\1)", text)


class EggInfo(egg_info):
    """``egg_info`` with the long description of an index."""

    def run(self) -> None:
        """Replace the description that the README gives."""
        urls = self.distribution.metadata.project_urls or {}
        text = Path("README.md").read_text(encoding="utf-8")
        self.distribution.metadata.long_description = long_description(text, urls.get("Repository"))
        super().run()


class BuildPy(build_py):
    """``build_py`` with the bundled folders as data files of the package."""

    def run(self) -> None:
        """Build from nothing: a module or template that is gone may not survive in the build folder."""
        if not self.editable_mode:
            shutil.rmtree(Path(self.build_lib) / "ascmcu", ignore_errors=True)
        super().run()

    def _get_data_files(self) -> list[tuple[str, str, str, list[str]]]:
        found: list[tuple[str, str, str, list[str]]] = list(super()._get_data_files())
        bundle = Path(self.build_lib) / "ascmcu" / "_bundle"
        found += [("ascmcu", str(folder), str(bundle / folder), names) for folder, names in _bundled()]
        found.append(("ascmcu", ".", str(bundle), ["LICENSE"]))
        return found

    def get_source_files(self) -> list[str]:
        """What a source distribution must hold: this file and the bundled ones too, or no wheel came of it."""
        bundled = [str(folder / name) for folder, names in _bundled() for name in names]
        return [*super().get_source_files(), "tools/bundle.py", *bundled]


def _bundled() -> list[tuple[Path, list[str]]]:
    """The folders below ``FOLDERS``, each with the names of its files."""
    folders = sorted(p for name in FOLDERS for p in (Path(name), *Path(name).rglob("*")) if p.is_dir())
    return [
        (folder, sorted(p.name for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")))
        for folder in folders
    ]
