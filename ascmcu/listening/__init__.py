# SPDX-License-Identifier: Apache-2.0
"""Audio without end: what windows share, and what is decided from their scores."""
