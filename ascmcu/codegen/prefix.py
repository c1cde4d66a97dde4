# SPDX-License-Identifier: Apache-2.0
"""A library under another name: its symbols, macros and files, so that several fit into one image.

The generated C owns the identifiers that begin with ``model_``, ``frontend_``, ``selftest_``, ``listen_`` and
``decisions_``, in small and in capital letters; all of them are renamed, in the code, in its comments and in what tells
of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ascmcu.errors import InputError

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
# Names that the code has beside its own, targets that CMake has, headers that C has.
_CODE = {
    "arm",
    "ascmcu",
    "decisions",
    "frontend",
    "listen",
    "lstm",
    "micro",
    "model",
    "packed_gemm",
    "quant",
    "real",
    "selftest",
    "simd",
}
_CMAKE = {"all", "clean", "help", "install", "package", "test"}
_HEADERS = {
    "assert", "complex", "ctype", "errno", "fenv", "float", "inttypes", "limits", "locale", "math", "setjmp", "signal",
    "stdarg", "stdatomic", "stdbool", "stddef", "stdint", "stdio", "stdlib", "string", "tgmath", "threads", "time",
    "uchar", "wchar",
}  # fmt: skip
# Keywords of C23 and C++23, what compilers take for one or for a macro in their default modes, and the program's own
# function and file: a struct has the prefix alone as its name.
_KEYWORDS = {
    "alignas", "alignof", "and", "and_eq", "asm", "auto", "bitand", "bitor", "bool", "break", "case",
    "catch", "char", "char16_t", "char32_t", "char8_t", "class", "co_await", "co_return", "co_yield",
    "compl", "concept", "const", "const_cast", "consteval", "constexpr", "constinit", "continue",
    "decltype", "default", "delete", "do", "double", "dynamic_cast", "else", "enum", "explicit", "export",
    "extern", "false", "final", "float", "for", "friend", "goto", "if", "import", "inline", "int",
    "linux", "long", "main", "module", "mutable", "namespace", "new", "noexcept", "not", "not_eq", "null",
    "nullptr", "operator", "or", "or_eq", "override", "private", "protected", "public", "register",
    "reinterpret_cast", "requires", "restrict", "return", "short", "signed", "sizeof", "static",
    "static_assert", "static_cast", "struct", "switch", "template", "this", "thread_local", "throw",
    "true", "try", "typedef", "typeid", "typename", "typeof", "typeof_unqual", "union", "unix",
    "unsigned", "using", "virtual", "void", "volatile", "wchar_t", "while", "xor", "xor_eq",
}  # fmt: skip
_TAKEN = _CODE | _CMAKE | _HEADERS | _KEYWORDS
# The clock is one for all networks of an image.
_SHARED = frozenset(("MODEL_CYCLES", "MODEL_CYCLES_HEADER"))
_OWN = re.compile(
    r"\b(?:model|frontend|selftest|listen|decisions)_[a-z]\w*|\b(?:MODEL|FRONTEND|SELFTEST|LISTEN|DECISIONS)_[A-Z]\w*"
)
_STRING = r'"(?:\\.|[^"\\\n])*"'
_COMMENT = r"/\*.*?\*/"
_PARTS = ("frontend", "selftest", "listen", "decisions")


@dataclass(frozen=True)
class Renaming:
    """New names of identifiers and of files by their old ones."""

    prefix: str
    names: Mapping[str, str]
    files: Mapping[str, str]

    @staticmethod
    def of(files: Mapping[str, str], prefix: str) -> Renaming:
        """What a prefix makes of a library.

        Args:
            files: text by file name; the C among it says which names the library has.
            prefix: a checked prefix.
        """
        found: dict[str, None] = {}
        for name, text in files.items():
            if name.endswith((".c", ".h")):
                code = re.sub(f"{_COMMENT}|{_STRING}", " ", text, flags=re.DOTALL)
                found |= dict.fromkeys(_OWN.findall(code))
        names = {name: _renamed(name, prefix) for name in found if name not in _SHARED}
        return Renaming(prefix, names, {name: file_name(name, prefix) for name in files})

    def text(self, text: str) -> str:
        """A text of the library with the new names; what stands in quotes stays, but for names of files."""
        for old, new in self.files.items():
            if old != new:
                text = re.sub(rf"(?<![\w./-]){re.escape(old)}\b", new, text)
        text = re.sub(r"\bstruct (model|frontend)\b", lambda found: f"struct {self._struct(found[1])}", text)
        return re.sub(rf"{_STRING}|\b\w+\b", lambda found: self.names.get(found[0], found[0]), text)

    def _struct(self, tag: str) -> str:
        """An instance of the network has the prefix alone as its name."""
        return self.prefix if tag == "model" else f"{self.prefix}_{tag}"

    def library(self, files: Mapping[str, str]) -> dict[str, str]:
        """All files under their new names."""
        return {self.files[name]: self.text(text) for name, text in files.items()}


def _renamed(name: str, prefix: str) -> str:
    begin = prefix.upper() if name[0].isupper() else prefix
    return f"{begin}_{name}" if name.lower().startswith(_PARTS) else begin + name[len("model") :]


def file_name(name: str, prefix: str) -> str:
    """A file of the library under its prefix, if it has one."""
    stem, dot, ending = name.rpartition(".")
    if not prefix or ending not in ("c", "h") or "/" in name:
        return name
    return f"{prefix}{dot}{ending}" if stem == "model" else f"{prefix}_{stem}{dot}{ending}"


def checked(prefix: str) -> str:
    """The prefix, if C can take it.

    Raises:
        InputError: it is no identifier, or a name that is taken.
    """
    if not _NAME.fullmatch(prefix) or prefix.lower() in _TAKEN:
        raise InputError(
            "the prefix cannot be the library's name",
            found=prefix,
            expected="a letter, then letters, digits and underscores, 40 at most; "
            "no name of a C header, no keyword of C or C++",
            hint="--prefix kws",
        )
    return prefix


def common_names(headers: Mapping[str, str], prefix: str, folder: str = "") -> dict[str, str]:
    """Files by which a program that knows no prefix uses a library with one: ``model.c``, ``model.h`` and so on, which
    include the library's and give its names their common ones.

    Args:
        headers: text of the library's headers by file name.
        prefix: its prefix.
        folder: where it lies, below the parent of the folder of these files.
    """
    place = f"../{folder}/" if folder else "../"
    made = {}
    for common in ("model", "frontend"):
        own = file_name(f"{common}.h", prefix)
        if own not in headers:
            continue
        code = re.sub(rf"{_COMMENT}|{_STRING}|\bstruct \w+", " ", headers[own], flags=re.DOTALL)
        capital = prefix.upper()
        found = dict.fromkeys(
            re.findall(rf"\b(?:{prefix}_[a-z]\w*|{capital}_[A-Z]\w*)\b", code) if prefix else ()
        )
        lines = [f'#include "{place}{own}"', ""]
        for name in found:
            rest = name[len(prefix) + 1 :]
            begin = "" if rest.lower().startswith(_PARTS) else "MODEL_" if rest[0].isupper() else "model_"
            lines.append(f"#define {begin}{rest} {name}")
        made[f"{common}.h"] = "\n".join(lines) + "\n"
        made[f"{common}.c"] = f'#include "{place}{own.removesuffix(".h")}.c"\n'
    return made
