# SPDX-License-Identifier: Apache-2.0
"""The recipe of a study over many machines: its compose file is one, and the documented command opens its database."""

from __future__ import annotations

import re
from pathlib import Path

import click
import yaml

from ascmcu.cli import cli

ROOT = Path(__file__).resolve().parents[2]


def test_the_command_is_of_the_compose_files_database() -> None:
    service = yaml.safe_load((ROOT / "examples/study/compose.yaml").read_text())["services"]["study"]
    text = (ROOT / "docs/quantize.md").read_text()
    found = re.search(r"--storage \"postgresql://(\w+):\$(\w+)@STUDYHOST/(\w+)\"", text)
    assert found is not None
    user, secret, database = found.groups()
    environment = service["environment"]
    assert (user, database) == (environment["POSTGRES_USER"], environment["POSTGRES_DB"])
    assert environment["POSTGRES_PASSWORD"].startswith("${" + secret + ":?"), "no password is in the file"
    assert service["ports"] == ["5432:5432"] and service["image"].startswith("postgres:")
    assert "docker compose -f examples/study/compose.yaml up" in text
    tune = cli.get_command(click.Context(cli), "tune")
    assert tune is not None
    options = {name for parameter in tune.params for name in parameter.opts}
    assert {"--data", "-o", "--storage"} <= options
