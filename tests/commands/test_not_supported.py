"""CLUSTER and MODULE: a server that is in no cluster and loads no modules says so as Redis does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.commands.conftest import Engine, SideBySide

NO_CLUSTER = b"ERR This instance has cluster support disabled"


@pytest.mark.parametrize(
    "words", ["ASKING", "READONLY", "READWRITE", "CLUSTER HELP", "CLUSTER INFO", "CLUSTER KEYSLOT a"]
)
def test_no_cluster(engine: Engine, words: str) -> None:
    assert engine.error(*words.split()) == NO_CLUSTER


def test_modules(engine: Engine) -> None:
    assert engine.call("MODULE", "LIST") == []
    assert engine.error("MODULE", "LOAD", "/x.so").startswith(b"ERR MODULE command not allowed.")
    engine.server.configuration[b"enable-module-command"] = b"yes"
    assert engine.error("MODULE", "LOAD", "/x.so") == (
        b"ERR Error loading the extension. Please check the server logs."
    )
    assert engine.error("MODULE", "LOADEX", "/x.so").startswith(b"ERR Error loading the extension.")
    assert engine.error("MODULE", "UNLOAD", "x").startswith(b"ERR Error unloading module: no such module")
    assert engine.call("MODULE", "HELP")[1] == b"LIST"


def test_beside_redis(side_by_side: SideBySide) -> None:
    side_by_side.start()
    for words in (
        "CLUSTER", "CLUSTER NOSUCH", "CLUSTER INFO", "CLUSTER INFO x", "CLUSTER ADDSLOTS", "CLUSTER SLOTS",
        "READONLY", "READWRITE x", "ASKING", "MODULE", "MODULE LIST", "MODULE LOAD", "MODULE LOAD /x",
        "MODULE UNLOAD x", "MODULE NOSUCH",
    ):  # fmt: skip
        side_by_side.check(*words.split())
