# SPDX-License-Identifier: Apache-2.0
"""Packs templates/, boards/, firmware/ and LICENSE into the wheel as ``ascmcu/_bundle`` (see ascmcu.paths).

Named in pyproject.toml as the ``build_py`` command; in a checkout, editable installs included, the folders are
used where they lie.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools.command.build_py import build_py

FOLDERS = ("templates", "boards", "firmware")


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
        for folder in sorted(
            p for name in FOLDERS for p in (Path(name), *Path(name).rglob("*")) if p.is_dir()
        ):
            files = sorted(p.name for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
            found.append(("ascmcu", str(folder), str(bundle / folder), files))
        found.append(("ascmcu", ".", str(bundle), ["LICENSE"]))
        return found

    def get_source_files(self) -> list[str]:
        """What a source distribution must hold; this file too, or it could not be built."""
        return [*super().get_source_files(), "tools/bundle.py"]
