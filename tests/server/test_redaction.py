"""What is a secret, and what is not."""

from __future__ import annotations

import pytest

from twisted_resp.server.redaction import redacted


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("AUTH secret", "AUTH *"),
        ("AUTH user secret", "AUTH * *"),
        ("hello 3 AUTH user secret SETNAME me", "hello 3 AUTH * * SETNAME me"),
        ("CONFIG SET requirepass secret", "CONFIG SET requirepass *"),
        ("config set hz 10 MasterAuth secret timeout 5", "config set hz 10 MasterAuth * timeout 5"),
        ("config set hz requirepass", "config set hz requirepass"),
        ("config get requirepass", "config get requirepass"),
        ("acl setuser me >secret +@all", "acl setuser * * *"),
        ("acl whoami", "acl whoami"),
        ("migrate host 6379 key 0 100 AUTH secret KEYS a", "migrate host 6379 key 0 100 AUTH * KEYS a"),
        ("migrate host 6379 key 0 100 auth2 user secret", "migrate host 6379 key 0 100 auth2 * *"),
        ("SET auth secret", "SET auth secret"),
    ],
)
def test_redacted(words: str, shown: str) -> None:
    expected = [b"(redacted)" if word == "*" else word.encode() for word in shown.split()]
    assert redacted(words.encode().split()) == expected


def test_nothing_is_copied_where_nothing_is_secret() -> None:
    args = [b"SET", b"key", b"value"]
    assert redacted(args) is args
