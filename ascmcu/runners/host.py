# SPDX-License-Identifier: Apache-2.0
"""The firmware as a program of this machine: the same C, the same application, the same bits; no counts."""

from __future__ import annotations

from pathlib import Path

from ascmcu.codegen import board as board_code
from ascmcu.codegen.instances import single
from ascmcu.codegen.prefix import common_names
from ascmcu.runners._process import ProcessRunner
from ascmcu.runners.base import RunnerFacts
from ascmcu.toolchain.gcc import build_host, compiler_version, host_identity

CONFIG = "board_config.h"


class HostRunner(ProcessRunner):
    """Builds the program when it was made of anything else, then speaks through its standard streams."""

    name = "host"
    runs_image = False
    sanitize = False

    @property
    def facts(self) -> RunnerFacts:
        return RunnerFacts(self.name, "none", compiler_version("gcc"), response_s=60.0)

    def _command(self, scratch: Path) -> list[str]:
        folder = self.target.folder
        program = folder / "host" / ("firmware-sanitized" if self.sanitize else "firmware")
        build = self.target.manifest.build_sha256
        self._configure(folder)
        of = f"{build} {host_identity(folder, frontend=self.target.frontend, sanitize=self.sanitize)}"
        made_of = program.with_suffix(".made-of")
        if not program.exists() or not made_of.exists() or made_of.read_text(encoding="utf-8") != of:
            made_of.unlink(missing_ok=True)
            build_host(
                folder, frontend=self.target.frontend, sanitize=self.sanitize, to=program, build_sha256=build
            )
            made_of.write_text(of, encoding="utf-8")
        return [str(program)]

    def _configure(self, folder: Path) -> None:
        """Give a library export, which has no board files, the header that the application includes, and one with a
        prefix the names that the application knows."""
        if (folder / CONFIG).is_file():
            return
        (folder / "host").mkdir(exist_ok=True)
        files = {CONFIG: board_code.files(self.target.board)[CONFIG]}
        manifest = self.target.manifest
        if manifest.prefix or manifest.instances:
            headers = {p.name: p.read_text(encoding="utf-8") for p in (folder / manifest.code).glob("*.h")}
            files |= common_names(headers, manifest.prefix, manifest.code)
            if manifest.instances:
                one = single(headers, manifest.prefix, manifest.code)
                files |= {
                    name: files[name] + one[name] if name in files and name.endswith(".h") else one[name]
                    for name in one
                }
        for name, text in files.items():
            (folder / "host" / name).write_text(text, encoding="utf-8")


RUNNER = HostRunner
