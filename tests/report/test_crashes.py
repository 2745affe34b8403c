"""A build of this report that is killed: the tests of tests/engine/test_crashes.py."""

from __future__ import annotations

import os

import pytest

from tests.engine.test_crashes import (
    Kind,
    moment,  # noqa: F401
    test_a_build_that_is_killed,  # noqa: F401
    test_a_job_that_is_killed,  # noqa: F401
    test_a_second_build_gets_one_clear_line_and_harms_nothing,  # noqa: F401
    test_control_c,  # noqa: F401
    test_no_job_outlives_a_killed_build,  # noqa: F401
)

pytestmark = pytest.mark.slow


@pytest.fixture
def kind() -> Kind:
    return Kind(35, 4.0, max(3, int(os.environ.get("WORKINGS_MOMENTS", "0"))))
