# SPDX-License-Identifier: Apache-2.0
"""The command line: one verb per module, each imported only when it is called."""

from __future__ import annotations

import contextlib
import difflib
import errno
import importlib
import importlib.util
import io
import shlex
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from ascmcu import __version__
from ascmcu.cli import plain
from ascmcu.errors import AscmcuError, InputError, ToolError, why

# In pipeline order; the text is what `ascmcu --help` shows, so that help imports no verb.
VERBS = {
    "try": "Show a model's cycles, RAM and flash at once: export, run, compare, report.",
    "doctor": "Show which programs and libraries are installed, and how to install the others.",
    "data": "Check, list and synthesise data sets.",
    "train": "Train a network from a recipe and quantize it to int8.",
    "quantize": "Convert a float model to int8, dynamic-range or fp16, and measure the loss.",
    "tune": "Search networks and features by accuracy and compiled cost.",
    "inspect": "Show layers, parameters, MACs and memory of a model, and which limits it meets.",
    "features": "Compare the firmware's audio features with librosa's, or with your own.",
    "plan": "Show a model's plans: less RAM for more cycles, down to the least RAM.",
    "export": "Compile a .tflite to C and firmware for a board.",
    "flash": "Write an export to a connected board.",
    "bench": "Run recordings or tensors through a firmware: accuracy, cycles, RAM, flash.",
    "monitor": "Show what a firmware with a microphone hears: events, load, lost samples.",
    "profile": "Show where the cycles of one inference go, with a flame graph.",
    "report": "Show a benchmark result as HTML, text, Markdown or JUnit.",
    "compare": "Show the differences between results, check budgets, draw a Pareto plot.",
    "submit": "Write the package of a DCASE challenge: system outputs and meta file.",
    "boards": "List and show the supported boards, or describe a new one.",
    "sim": "Run any bare-metal Cortex-M4 ELF with cycle counts.",
    "completion": "Print a shell completion script.",
}


# What Ctrl-C leaves behind, and how to go on. `{command}` is what was typed.
AFTER_CTRL_C = {
    "bench": "the clips scored so far are kept: repeat `{command}` to resume",
    "train": "the run's folder is kept: repeat `{command}` to resume from the last checkpoint",
    "tune": "finished trials are kept: repeat `{command}` to resume",
    "export": "nothing was written; an earlier export is unchanged: repeat `{command}`",
    "quantize": "the state of a training (--to qat, --slim) is kept: repeat `{command}` to resume",
    "data": "nothing half-written is left: repeat `{command}`",
    "features": "nothing was written: repeat `{command}`",
    "report": "an earlier report is unchanged: repeat `{command}`",
    "submit": "nothing was written: repeat `{command}`",
    "flash": "the board may hold half a firmware: repeat `{command}` to write it completely",
}
HELP_OPTIONS = ["-h", "--help"]
QUIET = click.Option(
    ["-q", "--quiet"], is_flag=True, expose_value=False, is_eager=True,
    callback=lambda context, option, value: _be_quiet(context) if value else None,
    help="Print only errors and explicitly requested output (--json, a file).",
)  # fmt: skip


class _Nowhere(io.TextIOBase):
    """Takes everything and keeps nothing."""

    def write(self, text: str) -> int:
        return len(text)


# What --quiet has put in place of the streams. The verb's context closes it; ``main`` does where click refuses an
# option, since it closes no such context.
_silence = contextlib.ExitStack()


def _be_quiet(context: click.Context) -> None:
    """Standard error takes nothing until the verb is done, nor does standard output unless it carries JSON.

    Errors are told after that, by ``main``, on the real standard error.
    """
    context.call_on_close(_silence.close)
    nowhere = _silence.enter_context(_Nowhere())
    _silence.enter_context(contextlib.redirect_stderr(nowhere))
    words = {word.partition("=")[0] for word in sys.argv}
    asked = "--json" in words or (context.info_name in ("report", "compare") and "--format" in words)
    if not asked:
        _silence.enter_context(contextlib.redirect_stdout(nowhere))


def _with_quiet(command: click.Command) -> click.Command:
    """The command, and all commands below it, with ``--quiet`` and the help options that all have."""
    command.context_settings.setdefault("help_option_names", HELP_OPTIONS)
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            below = command.get_command(click.Context(command), name)
            if below is not None:
                _with_quiet(below)
    else:
        _refuse_twice(command)
        if not any("--quiet" in option.opts for option in command.params):
            command.params.append(QUIET)
    return command


def _refuse_twice(command: click.Command) -> None:
    """An option that takes one value and is given twice is refused; click would take the last without a word."""
    make = command.make_parser

    def make_parser(context: click.Context) -> Any:
        parser = make(context)
        parse = parser.parse_args

        def parse_args(args: list[str]) -> tuple[dict[str, Any], list[str], list[click.Parameter]]:
            values, rest, order = parse(args)
            for option in order:
                single = isinstance(option, click.Option) and not (
                    option.multiple or option.is_flag or option.count
                )
                if single and order.count(option) > 1:
                    raise click.UsageError(f"option '{option.opts[-1]}' is given twice", context)
            return values, rest, order

        parser.parse_args = parse_args  # type: ignore[method-assign]
        return parser

    command.make_parser = make_parser  # type: ignore[method-assign, assignment]


class _LazyGroup(click.Group):
    """Imports ``ascmcu.cli.<verb>`` and takes its ``command`` when the verb is called."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """``ascmcu help VERB`` is ``ascmcu VERB --help``."""
        if args[:1] == ["help"]:
            args = [*(word for word in args[1:] if word not in HELP_OPTIONS), "--help"]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [verb for verb in VERBS if importlib.util.find_spec(f"ascmcu.cli.{verb}")]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.list_commands(ctx):
            return None
        command: click.Command = importlib.import_module(f"ascmcu.cli.{name}").command
        return _with_quiet(command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        verbs = self.list_commands(ctx)
        if args and args[0] not in verbs and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], verbs, n=2)
            hint = f"did you mean {' or '.join(near)}?" if near else "see `ascmcu --help`"
            raise InputError("unknown verb", found=args[0], hint=hint)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(verb, VERBS[verb]) for verb in self.list_commands(ctx)])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": HELP_OPTIONS})
@click.version_option(__version__, prog_name="ascmcu")
def cli() -> None:
    """Compile trained audio classifiers to Cortex-M4 firmware, and benchmark it.

    Exit status: 0 success; 1 a budget, limit or check failed; 2 bad input or environment; 130 interrupted.
    `ascmcu help VERB` shows the options of a verb; `ascmcu completion` prints a completion script for your shell.
    """


def main() -> None:
    """Run the command line; whatever goes wrong on purpose becomes one message and its exit status."""
    plain.install()
    # A plain kill must clean up as Ctrl-C does: half-made folders and emulators go.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        with _silence:
            status = cli.main(prog_name="ascmcu", standalone_mode=False)
    except SystemExit as ended:
        if _reader_has_gone(ended):
            sys.exit(128 + signal.SIGPIPE)  # the shell's own status; 1 would be a broken budget
        raise
    except AscmcuError as error:
        _fail(error)
    except click.exceptions.NoArgsIsHelpError as error:
        assert error.ctx is not None
        if error.ctx.parent is None:
            click.echo(error.ctx.get_help(), err=True)
            sys.exit(InputError.exit_status)
        _fail(_no_command(error.ctx))
    except click.UsageError as error:
        _fail(_usage(error))
    except click.Abort:
        click.echo(_interrupted(sys.argv), err=True)
        sys.exit(128 + signal.SIGINT)
    except OSError as error:  # a full disk, a folder without permission, a file that vanished
        where = None if error.filename is None else str(error.filename)
        hint = "make room, or name another folder" if error.errno in (errno.ENOSPC, errno.EDQUOT) else None
        _fail(ToolError("a file or device cannot be used", where=where, found=why(error), hint=hint))
    sys.exit(status if isinstance(status, int) else 0)


def _reader_has_gone(ended: SystemExit) -> bool:
    """Whether click or rich end, with status 1, because nobody reads standard output any more.

    rich ends while it handles the error; click puts wrappers around the streams and ends behind it.
    """
    wrapped = type(sys.stdout).__name__.endswith("PacifyFlushWrapper")
    return wrapped or isinstance(ended.__context__, BrokenPipeError)


def _interrupted(arguments: Sequence[str]) -> str:
    """What Ctrl-C leaves behind, in the form of an error."""
    verb = next((word for word in arguments[1:] if not word.startswith("-")), "")
    hint = AFTER_CTRL_C.get(verb, "")
    command = shlex.join(["ascmcu", *arguments[1:]])
    return "interrupted" + (f"\n  hint:     {hint.format(command=command)}" if hint else "")


def _fail(error: AscmcuError) -> NoReturn:
    with contextlib.suppress(OSError):  # where standard error takes nothing, the status still tells
        click.echo(f"error: {error}", err=True)
    sys.exit(error.exit_status)


def _usage(error: click.UsageError) -> InputError:
    message = error.format_message().partition("\n")[0].removesuffix(" Choose from:").rstrip(".")
    message = message.replace("valid integer range", "valid integer").replace(
        "valid float range", "valid number"
    )
    command = error.ctx.command_path if error.ctx else "ascmcu"
    return InputError(message[:1].lower() + message[1:], hint=f"see `{command} --help`")


def _no_command(context: click.Context) -> InputError:
    assert isinstance(context.command, click.Group)
    names = ", ".join(context.command.list_commands(context))
    path = context.command_path
    return InputError("missing command", expected=f"{path} with one of {names}", hint=f"see `{path} --help`")
