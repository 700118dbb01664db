"""A few commands to make rules about."""

from __future__ import annotations

import pytest

from twisted_resp.acl.catalogue import Catalogue
from twisted_resp.acl.users import User

COMMANDS = {
    b"get": ("read", "string", "fast"),
    b"set": ("write", "string", "slow"),
    b"select": ("fast", "connection"),
    b"config": ("slow",),
    b"config|get": ("admin", "slow", "dangerous"),
    b"config|set": ("admin", "slow", "dangerous"),
}


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue(lambda: COMMANDS)


@pytest.fixture
def user(catalogue: Catalogue) -> User:
    return User(b"ann", catalogue, lambda: False)
