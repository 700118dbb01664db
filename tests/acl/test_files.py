from __future__ import annotations

import pytest

from twisted_resp.acl.catalogue import Catalogue
from twisted_resp.acl.files import FileError, format_users, read_users
from twisted_resp.acl.users import User

WARNING = b"WARNING: ACL errors detected, no change to the previously active ACL rules was performed"


def read(catalogue: Catalogue, data: bytes) -> dict[bytes, User]:
    return read_users(data, b"users.acl", lambda name: User(name, catalogue, lambda: False))


def test_there_and_back(catalogue: Catalogue) -> None:
    data = (
        b"user ann on nopass sanitize-payload ~a resetchannels -@all +get (%R~b resetchannels -@all +set)\n"
        b"user bob off sanitize-payload resetchannels -@all\n"
    )
    users = read(catalogue, b"\n" + data + b"  \t\r\n")
    assert list(users) == [b"ann", b"bob"]
    assert format_users(users.values()) == data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("# a comment", "users.acl:1 should start with user keyword followed by the username. "),
        ("\nuser", "users.acl:2 should start with user keyword followed by the username. "),
        ("user a\tb on", "'users.acl:1: username 'a\tb' contains invalid characters. "),
        ("user a on\nuser a off", "WARNING: Duplicate user 'a' found on line 2. "),
        ("user a (~x +get", "users.acl:1: Unmatched parenthesis in selector definition."),
        (
            "user a +nothing -@x\nuser b on",
            "users.acl:1: Error in applying operation '+nothing': Unknown command or category name in ACL. "
            "users.acl:1: Error in applying operation '-@x': Unknown command or category name in ACL. ",
        ),
        # Only the first of what may be a consequence; and no passwords.
        ("user a nonsense >secret !bad", "users.acl:1: Syntax error. "),
    ],
)
def test_errors(catalogue: Catalogue, data: str, message: str) -> None:
    with pytest.raises(FileError) as raised:
        read(catalogue, data.encode())
    assert raised.value.message == message.encode() + WARNING
