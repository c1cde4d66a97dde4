# SPDX-License-Identifier: Apache-2.0
"""Pages of the documentation that are made of the program itself, as a hook of MkDocs (see mkdocs.yml)."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import ascmcu
from ascmcu.cli import VERBS, cli

ROOT = Path(__file__).resolve().parents[1]


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Leave out of the navigation what this checkout does not have."""
    made = {"api.md", "commands.md", "results-format.md"}

    def kept(items: list[Any]) -> list[Any]:
        found: list[Any] = []
        for item in items:
            ((title, target),) = item.items()
            if isinstance(target, list):
                found.append({title: kept(target)})
            elif target in made or (Path(config.docs_dir) / target).is_file():
                found.append(item)
        return found

    config.nav = kept(config.nav or [])
    # Pages that the navigation does not name yet come last, rather than nowhere.
    named = json.dumps(config.nav)
    rest = [p.name for p in sorted(Path(config.docs_dir).glob("*.md")) if f'"{p.name}"' not in named]
    if rest:
        config.nav.append({"More": rest})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    pages = {"api.md": api(), "commands.md": commands(), "results-format.md": results()}
    for name, content in pages.items():
        files.append(File.generated(config, name, content=content))
    return files


def api() -> str:
    """Every public function with its docstring, and the errors."""
    lines = ["# Python API", "", "The command line is built on these functions.", ""]
    lines += ["```python", _example(), "```", ""]
    for name in sorted(ascmcu.__all__):
        function = getattr(ascmcu, name)
        lines += [f"## ascmcu.{name}", "", "```python", f"{name}{_signature(function)}", "```", ""]
        lines += [*_sections(inspect.getdoc(function) or ""), ""]
    from ascmcu import errors

    tree = (errors.__doc__ or "").partition("\n\n")[2].rstrip()
    return "\n".join([*lines, "## Errors", "", "All are in `ascmcu.errors`.", "", "```text", tree, "```", ""])


def _example() -> str:
    """The code of the package's own docstring."""
    code = (inspect.getdoc(ascmcu) or "").partition("::")[2].partition("Nothing is")[0]
    return inspect.cleandoc("\n" + code.strip("\n"))


def _signature(function: Any) -> str:
    """One parameter per line, as in the source."""
    signature = inspect.signature(function)
    lines = []
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not any(line.startswith("*") for line in lines):
            lines.append("*")
        star = "*" if parameter.kind is parameter.VAR_POSITIONAL else ""
        default = parameter.default
        told = "" if default is parameter.empty else f" = {'…' if callable(default) else repr(default)}"
        lines.append(f"{star}{parameter.name}: {parameter.annotation}{told}")
    return "(\n    " + ",\n    ".join(lines) + f",\n) -> {signature.return_annotation}"


def _sections(text: str) -> list[str]:
    """A docstring as Markdown: its sections are lists."""
    lines: list[str] = []
    for line in text.splitlines():
        if line in ("Args:", "Raises:", "Returns:", "Attributes:"):
            lines += [f"**{line.rstrip(':')}**", ""]
        elif line.startswith("    ") and not line.startswith("     "):
            name, colon, rest = line.strip().partition(": ")
            lines.append(f"- `{name}`: {rest}" if colon else f"- {line.strip()}")
        else:
            lines.append(line.replace("``", "`") if not line.startswith("     ") else "  " + line.strip())
    return [line.replace("``", "`") for line in lines]


def commands() -> str:
    """The help of every verb."""
    lines = ["# Commands", ""]
    context = click.Context(cli, info_name="ascmcu", **cli.context_settings)
    for verb in VERBS:
        command = cli.get_command(context, verb)
        if command is not None:
            lines += [f"## {verb}", "", *_help(command, context, verb)]
    return "\n".join(lines)


def _help(command: click.Command, parent: click.Context, name: str) -> list[str]:
    context = click.Context(command, info_name=name, parent=parent, max_content_width=74, terminal_width=74)
    lines = ["```text", command.get_help(context).rstrip(), "```", ""]
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            leaf = command.get_command(context, below)
            if leaf is not None:
                lines += _help(leaf, context, below)
    return lines


def results() -> str:
    """The keys of a result file, out of its JSON schema."""
    schema = json.loads((ROOT / "ascmcu" / "results" / "bench.schema.json").read_text())
    lines = [
        "# Result files", "",
        "`ascmcu bench` writes `bench-<runner>.json` beside the export; `--json` prints the same. The JSON schema "
        "ships with the package as `ascmcu/results/bench.schema.json`.", "",
        f"This is version {schema['properties']['version']['const']}. New keys do not change the version; "
        "changed or removed keys do.", "",
        *_keys(schema),
    ]  # fmt: skip
    for name, definition in schema["$defs"].items():
        lines += ["", f"## {name}", "", *_keys(definition)]
    return "\n".join(lines) + "\n"


def _keys(definition: dict[str, Any]) -> list[str]:
    lines = ["| key | type | what |", "| --- | --- | --- |"]
    required = set(definition["required"])
    for key, value in definition["properties"].items():
        mark = "" if key in required else ", optional"
        lines.append(f"| `{key}` | {_kind(value)}{mark} | {value['description']} |")
    return lines


def _kind(value: dict[str, Any]) -> str:
    if "anyOf" in value:
        return f"{_kind(value['anyOf'][0])} or null"
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "const" in value:
        return f"`{json.dumps(value['const'])}`"
    if value.get("type") == "array":
        return f"list of {_kind(value['items'])}"
    if value.get("type") == "object":
        return f"object of {_kind(value['additionalProperties'])}"
    return str(value.get("type", "any"))
