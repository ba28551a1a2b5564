"""What most of these tests look at: the store where it is by default."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from support.namespaces import Namespaces


@pytest.fixture
def store(namespace: Namespaces) -> Path:
    """The store of the programs in namespaces, where it is when nobody names another place."""
    return namespace.lib_folder / "tapwrap" / "errors.db"
