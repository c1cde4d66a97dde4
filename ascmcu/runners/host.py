"""The firmware as a program of this machine: the same C, the same application, the same bits; no counts."""

from __future__ import annotations

from pathlib import Path

from ascmcu.build.gcc import build_host, compiler_version
from ascmcu.runners._process import ProcessRunner
from ascmcu.runners.base import RunnerFacts


class HostRunner(ProcessRunner):
    """Builds the program when the export is newer than it, then speaks through its standard streams."""

    name = "host"
    sanitize = False

    @property
    def facts(self) -> RunnerFacts:
        return RunnerFacts(self.name, "none", compiler_version("gcc"), response_s=60.0)

    def _command(self, scratch: Path) -> list[str]:
        folder = self.target.folder
        program = folder / "host" / ("firmware-sanitized" if self.sanitize else "firmware")
        sources = [folder / "model.c", folder / "model.h", folder / "board_config.h"]
        if not program.exists() or any(s.stat().st_mtime > program.stat().st_mtime for s in sources):
            build_host(folder, frontend=self.target.frontend, sanitize=self.sanitize, to=program)
        return [str(program)]


RUNNER = HostRunner
