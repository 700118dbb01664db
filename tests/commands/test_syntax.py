"""What follows from a command's syntax line."""

from __future__ import annotations

import pytest

from twisted_resp.commands.syntax import Syntax


@pytest.mark.parametrize(
    ("line", "arity", "keys"),
    [
        ("GET key", 2, (1, 1, 1)),
        ("DEL key [key ...]", -2, (1, -1, 1)),
        ("SET key value [NX | XX] [GET] [EX seconds | PX milliseconds | KEEPTTL]", -3, (1, 1, 1)),
        ("MSET key value [key value ...]", -3, (1, -1, 2)),
        ("LPOS key element [RANK rank] [COUNT num-matches] [MAXLEN len]", -3, (1, 1, 1)),
        ("BLPOP key [key ...] timeout", -3, (1, -2, 1)),
        ("BLMPOP timeout numkeys key [key ...] <LEFT | RIGHT> [COUNT count]", -5, (0, 0, 0)),
        ("RENAME key newkey", 3, (1, 2, 1)),
        ("LMOVE source destination <LEFT | RIGHT> <LEFT | RIGHT>", 5, (1, 2, 1)),
        ("LCS key1 key2 [LEN] [IDX]", -3, (1, 2, 1)),
        ("PFMERGE destkey [sourcekey [sourcekey ...]]", -2, (1, -1, 1)),
        ("SINTERSTORE destination key [key ...]", -3, (1, -1, 1)),
        ("BITOP <AND | OR | XOR | NOT> destkey key [key ...]", -4, (2, -1, 1)),
        ("ZUNIONSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]]", -4, (1, 1, 1)),
        ("XREAD [COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]", -4, (0, 0, 0)),
        ("OBJECT ENCODING key", 3, (2, 2, 1)),
        ("CONFIG GET parameter [parameter ...]", -3, (0, 0, 0)),
        ("REPLICAOF <host port | NO ONE>", 3, (0, 0, 0)),
        ("PING [message]", -1, (0, 0, 0)),
    ],
)
def test_arity_and_legacy_range(line: str, arity: int, keys: tuple[int, int, int]) -> None:
    syntax = Syntax.parse(line)
    assert syntax.arity == arity
    assert syntax.legacy_range == keys
