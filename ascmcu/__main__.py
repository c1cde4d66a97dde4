# SPDX-License-Identifier: Apache-2.0
"""``python -m ascmcu``: the command line where no script is on the path."""

from ascmcu.cli import main

main()
