"""Fixtures that several rooms share."""

from __future__ import annotations

import pytest
from suite_copy import Suite
from tiny import Tiny, write_tiny


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """A small experiment with gaps in its joinids; for reading only."""
    return write_tiny(tmp_path_factory.mktemp("tiny") / "experiment")


@pytest.fixture(scope="session")
def tiny_without_gaps(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """The same with consecutive joinids; for reading only."""
    return write_tiny(tmp_path_factory.mktemp("tiny") / "without_gaps", gaps=False)


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """A copy of the suite for all end-to-end tests: making its environment takes a minute."""
    return Suite(tmp_path_factory.mktemp("e2e"))
