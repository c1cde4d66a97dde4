# SPDX-License-Identifier: Apache-2.0
"""Paths of bundled data and caches, and writing files atomically."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from ascmcu.errors import InputError, why

PathLike = str | os.PathLike[str]
_PACKAGE = Path(__file__).resolve().parent


def _bundled(name: str) -> Path:
    """A bundled folder or file: beside the package in a checkout, inside it (``_bundle``) in a wheel."""
    installed = _PACKAGE / "_bundle" / name
    return installed if installed.exists() else _PACKAGE.parent / name


def templates() -> Path:
    """The Jinja templates of the generated C."""
    return _bundled("templates")


def boards() -> Path:
    """The board descriptions; chips lie in ``chips/`` below."""
    return _bundled("boards")


def firmware() -> Path:
    """The hand-written C of the firmware."""
    return _bundled("firmware")


def licence() -> Path:
    """The text of the licence that every export carries."""
    return _bundled("LICENSE")


def recipes() -> Path:
    """The training recipes that ship with the package."""
    return _PACKAGE / "recipes"


def cache() -> Path:
    """The user's cache folder for fetched sources and compiled code: ``$ASCMCU_CACHE``, else XDG.

    Where it cannot be written (a container's user without a home, a read-only system), a folder of this user in
    the system's temporary folder takes its place, with a notice.
    """
    return _writable(os.environ.get("ASCMCU_CACHE"), os.environ.get("XDG_CACHE_HOME"), os.environ.get("HOME"))


@functools.cache
def _writable(explicit: str | None, xdg: str | None, home: str | None) -> Path:
    """The cache folder for these values of the environment; asked of the file system once."""
    wanted = Path(explicit) if explicit else Path(xdg or os.path.expanduser("~/.cache")) / "ascmcu"
    there = next(place for place in (wanted, *wanted.absolute().parents) if os.path.lexists(place))
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return wanted
    reason = f"{there} cannot be written" if there.is_dir() else f"{there} is no folder"
    instead = _own_temporary()
    print(f"note: the cache folder {wanted} cannot be used ({reason}); {instead} is used", file=sys.stderr)
    return instead


def _own_temporary() -> Path:
    """A folder below the temporary one that is this user's alone."""
    folder = Path(tempfile.gettempdir()) / f"ascmcu-{os.getuid()}"
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        if not folder.is_symlink() and folder.stat().st_uid == os.getuid():
            return folder
    return Path(tempfile.mkdtemp(prefix="ascmcu-"))


def real(path: Path) -> Path:
    """The path without links; one that leads in a circle stays, and is refused where it is opened."""
    return Path(os.path.realpath(path))


def check_folder(path: Path) -> None:
    """Refuse a folder that cannot be made, before the work that would fill it.

    Raises:
        InputError: it is a link that leads nowhere, or in a circle.
    """
    if path.is_symlink() and not path.exists():
        raise InputError("the folder is a broken link", where=str(path), hint="name a new folder")


# What verbs write into an export after it was made, for themselves and for other verbs.
LATER = ("bench-*.json", "bench-*.jsonl", "report.html", "flame.svg", "host/*", "board/*")
# What a training run consists of; a finished one holds the first two.
_RUN = (
    "recipe.json", "metrics.json", "model.keras", "heads.keras", "model.tflite", "split.csv", "history.csv",
    "curves.png", "confusion.png",
)  # fmt: skip


def check_output(path: Path, *inputs: Path | None, among: Path | None = None) -> None:
    """Refuse a file that cannot be written, before the work that would fill it.

    Args:
        path: the file to write.
        inputs: files that are read, and must stay; None for one that was not given.
        among: a folder of recordings, or a table of them: nothing in it is replaced.

    Raises:
        InputError: its folder is none, it is a folder itself, it is one of ``inputs`` or lies ``among`` them, or it
            is a file of an export or of a training run.
    """
    if not path.parent.is_dir():
        raise InputError("the output's folder does not exist", where=str(path.parent), hint="create it first")
    if path.is_dir():
        raise InputError("the output is a folder", where=str(path), expected="a file")
    target = real(path)
    _require_room(target)
    read = any(target == real(given) for given in (*inputs, among) if given is not None)
    if read or (among is not None and target.is_file() and real(among) in target.parents):
        raise InputError("the output would replace an input", where=str(path), hint="name another file")
    if not target.is_file():
        return
    for kind, owned in (("the export", _is_of_an_export(target)), ("the training run", _is_of_a_run(target))):
        if owned:
            raise InputError(
                f"the output would replace a file of {kind}", where=str(path), hint="name another file"
            )


def _require_room(target: Path) -> None:
    """Refuse a file that can be neither written nor put into its folder; devices and pipes take what comes."""
    try:
        if target.is_file():
            target.open("ab").close()
        elif not target.exists():
            with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".ascmcu-"):
                pass
    except OSError as error:
        raise InputError("a file cannot be written", where=str(target), found=why(error)) from error


def owned(folder: Path) -> frozenset[str] | None:
    """The files that an export made, by their paths in its folder; None where no manifest tells."""
    try:
        files = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["files"]
        return frozenset({"manifest.json", *files})
    except (OSError, ValueError, LookupError, TypeError):
        return None


def foreign(folder: Path) -> tuple[str, ...]:
    """The files in an export's folder that no verb put there, by their paths in it; none where no manifest tells."""
    own = owned(folder)
    if own is None:
        return ()
    files = (p.relative_to(folder) for p in folder.rglob("*") if p.is_symlink() or not p.is_dir())
    return tuple(name.as_posix() for name in sorted(files) if not (name.as_posix() in own or _is_later(name)))


def _is_later(name: Path) -> bool:
    return any(_matches(name, pattern) for pattern in LATER)


def _matches(name: Path, pattern: str) -> bool:
    """Whether a relative path is of a pattern; ``folder/*`` takes all below the folder."""
    if pattern.endswith("/*"):
        return name.parts[0] == pattern.removesuffix("/*")
    return len(name.parts) == 1 and name.match(pattern)


def _is_of_an_export(file: Path) -> bool:
    """Whether a file is one that an export or a benchmark made and other verbs read. Pages can be made again."""
    for folder in file.parents:
        own = owned(folder)
        if own is not None:
            name = file.relative_to(folder)
            return name.as_posix() in own or (_is_later(name) and name.suffix not in (".html", ".svg"))
    return False


def _is_of_a_run(file: Path) -> bool:
    return file.name in _RUN and all((file.parent / name).is_file() for name in _RUN[:2])


@contextlib.contextmanager
def filling(path: Path) -> Iterator[None]:
    """An ``OSError`` inside that names no file, as that of a full disk does, names this one."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def write_whole(path: Path, content: str | bytes) -> None:
    """Write ``path``, text as UTF-8, whole or not at all; what was there before stays until then.

    A link stays: what it names is written. A pipe or a device is written to.

    Raises:
        InputError: it cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    target = real(path) if path.is_symlink() else path
    part = target.with_name(f".{target.name}.part")
    try:
        if target.exists() and not target.is_file():
            target.write_bytes(data)
            return
        part.write_bytes(data)
        if target.exists():
            part.chmod(stat.S_IMODE(target.stat().st_mode))
        part.replace(target)
    except OSError as error:
        raise InputError("a file cannot be written", where=str(path), found=why(error)) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def save_whole(path: Path, save: Callable[[Path], object]) -> None:
    """Write ``path`` by a library that takes a file's name, with the promises of ``write_whole``.

    Args:
        save: called with a path of the same name in a temporary folder.

    Raises:
        InputError: it cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="ascmcu-") as scratch:
        made = Path(scratch) / path.name
        with filling(path):
            save(made)
        write_whole(path, made.read_bytes())
