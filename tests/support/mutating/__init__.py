# SPDX-License-Identifier: Apache-2.0
"""One wrong edit at a time in our own source, to see whether a test turns red (``tools/mutate``)."""
