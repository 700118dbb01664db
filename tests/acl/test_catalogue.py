from __future__ import annotations

import pytest

from twisted_resp.acl.catalogue import Catalogue


def test_look_up(catalogue: Catalogue) -> None:
    assert catalogue.find(b"Config|GET") == b"config|get"
    assert catalogue.find(b"nothing") is None
    assert catalogue.is_container(b"config")
    assert not catalogue.is_container(b"get")
    assert catalogue.together(b"config") == {b"config", b"config|get", b"config|set"}
    assert catalogue.together(b"get") == {b"get"}
    assert catalogue.members(b"STRING") == {b"get", b"set"}
    assert catalogue.members(b"geo") == set()
    assert catalogue.members(b"nothing") is None


def test_commands_are_not_asked_for_before_a_rule_names_one() -> None:
    def commands() -> dict[bytes, tuple[str, ...]]:
        pytest.fail("nobody has named a command")

    Catalogue(commands)
