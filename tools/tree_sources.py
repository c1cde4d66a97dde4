# SPDX-License-Identifier: Apache-2.0
"""C of networks by whatever tree PYTHONPATH names, for ``tools/before_after``: only calls that every tree has.

Reads lines ``model<TAB>board<TAB>schedule<TAB>folder`` and answers each with ``ok`` or what went wrong.
"""

from __future__ import annotations

import sys

from ascmcu import api
from ascmcu.errors import AscmcuError


def main() -> None:
    """Answer until the input ends; everything that is not an answer goes to standard error."""
    answers, sys.stdout = sys.stdout, sys.stderr
    path, compiled = "", None
    for line in sys.stdin:
        model, board, schedule, folder = line.rstrip("\n").split("\t")
        try:
            if path != model or compiled is None:
                path, compiled = model, None
                compiled = api.compile_model(model)
            api.build(compiled, board, folder, schedule=schedule, output="library")  # type: ignore[arg-type]
            answer = "ok"
        except AscmcuError as error:
            answer = " ".join(f"{error.what} {error.found or ''}".split())
        except Exception as error:  # another tree's defect is a line of the table
            answer = f"{type(error).__name__}: {error}".replace("\n", " ")
        print(answer, file=answers, flush=True)


if __name__ == "__main__":
    main()
