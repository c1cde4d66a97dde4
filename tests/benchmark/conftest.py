# SPDX-License-Identifier: Apache-2.0
"""What the tests of benchmarks share."""

from tests.support.patience import patient as patient
