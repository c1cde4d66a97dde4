# SPDX-License-Identifier: Apache-2.0
"""``python -m ascmcu``: the command line without its script."""

from ascmcu.cli import main

main()
