# SPDX-License-Identifier: Apache-2.0
"""The errors that ascmcu raises on purpose.

AscmcuError                 one message with the parts what, where, expected, found, hint
├── InputError              an input cannot be used (exit status 2)
│   ├── ModelError          a model file, or an operator, tensor or shape in it
│   │   └── DamagedError    a model file that was cut or changed: it contradicts itself
│   ├── BoardError          a board or chip description
│   ├── FeatureError        a feature specification
│   └── DataError           recordings, labels, tensors
├── ToolError               the environment: a missing program, library or source (exit status 2)
│   └── BuildError          a compiler or linker that failed; carries its output
│       └── GeneratedCodeError  a compiler rejects generated C: a defect of ascmcu
├── LinkError               the device does not answer, or answers wrongly (exit status 2)
├── LimitError              a budget or limit is exceeded (exit status 1)
└── VerifyError             an internal invariant of the IR, a plan or a schedule is broken
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence


class AscmcuError(Exception):
    """A message with its context.

    Args:
        what: one sentence, no trailing period.
        where: the thing at fault: file, op and tensor with their index in the source file, line.
        expected: what would have been right.
        found: what there was.
        hint: what to do next.
        details: longer text shown whole below the message, such as a compiler's own output.
    """

    exit_status = 2

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        expected: object = None,
        found: object = None,
        hint: str | None = None,
        details: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.expected = expected
        self.found = found
        self.hint = hint
        self.details = details

    def __str__(self) -> str:
        lines = [self.what]
        for label in ("where", "expected", "found", "hint"):
            value = getattr(self, label)
            if value is not None:
                lines.append(f"  {label + ':':<10}{value}")
        if self.details:
            lines.append(self.details.rstrip())
        return "\n".join(lines)


def why(error: BaseException) -> str:
    """What an exception says, without number and file name, which stand elsewhere in a message."""
    if isinstance(error, UnicodeDecodeError):
        return f"not a text file: byte {error.object[error.start]:#04x} at {error.start} is not UTF-8"
    return getattr(error, "strerror", None) or str(error)


def near(word: str, known: Sequence[str], most: int = 1) -> str | None:
    """A hint at the known words that were probably meant, at most so many; None where none is like it."""
    found = difflib.get_close_matches(word, known, n=most, cutoff=0.5 if most > 1 else 0.6)
    return f"did you mean {' or '.join(found)}?" if found else None


class InputError(AscmcuError):
    """What the user gave cannot be used."""


class ModelError(InputError):
    """A model file, or an operator, tensor or shape in it.

    ``parts`` are the errors that one message tells together, or the error itself.
    """

    together: tuple[ModelError, ...] = ()

    @property
    def parts(self) -> tuple[ModelError, ...]:
        """Each error that the message tells."""
        return self.together or (self,)


class DamagedError(ModelError):
    """A model file that was cut or changed: what it says contradicts itself, whatever is supported."""


class BoardError(InputError):
    """A board or chip description."""


class FeatureError(InputError):
    """A feature specification."""


class DataError(InputError):
    """Recordings, labels or tensors."""


class ToolError(AscmcuError):
    """A program, library or source that the environment lacks."""


class BuildError(ToolError):
    """A compiler or linker failed; ``details`` holds its output."""


class GeneratedCodeError(BuildError):
    """A compiler refuses C that ascmcu wrote: a defect of ascmcu, whatever the model; the hint says what to attach."""


class LinkError(AscmcuError):
    """The device stopped talking, or talks something else."""


class LimitError(AscmcuError):
    """The work was done, but a budget or limit was exceeded."""

    exit_status = 1


class VerifyError(AscmcuError):
    """An internal invariant of the IR, a plan or a schedule is broken."""
