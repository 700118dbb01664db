"""ACL files: a user a line. They are read as a whole or not at all, and an error says where it is.

Comments are errors: ACL SAVE would lose them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Callable

from twisted_resp.acl.rules import UNKNOWN, RuleError, UnmatchedParenthesisError, has_spaces, merge_selectors
from twisted_resp.acl.users import User

__all__ = ["FileError", "format_users", "read_users"]

_NOTHING_CHANGED = b"WARNING: ACL errors detected, no change to the previously active ACL rules was performed"


class FileError(Exception):
    """Everything that is wrong with a file.

    :param message: the errors, one after another in one line.
    """

    def __init__(self, message: bytes) -> None:
        self.message = message
        super().__init__(message)


def read_users(data: bytes, path: bytes, create: Callable[[bytes], User]) -> dict[bytes, User]:
    """The users in the contents of a file.

    :param path: the file's name, for errors.
    :param create: makes a new user of a name.
    :raises FileError: one of the lines is not right.
    """
    users: dict[bytes, User] = {}
    found: list[bytes] = []
    for number, line in enumerate(data.split(b"\n"), 1):
        line = line.strip(b" \t\r\n")
        if not line:
            continue
        words = line.split(b" ")
        where = b"%b:%d" % (path, number)
        if words[0] != b"user" or len(words) < 2:
            found.append(where + b" should start with user keyword followed by the username. ")
        elif has_spaces(words[1]):
            found.append(b"'%b: username '%b' contains invalid characters. " % (where, words[1]))
        elif words[1] in users:
            found.append(b"WARNING: Duplicate user '%b' found on line %d. " % (words[1], number))
        else:
            user = users[words[1]] = create(words[1])
            found += _apply(user, words[2:], where)
    if found:
        raise FileError(b"".join(found) + _NOTHING_CHANGED)
    return users


def _apply(user: User, words: list[bytes], where: bytes) -> list[bytes]:
    """Apply the rules of a line; return what is wrong with it."""
    try:
        rules = merge_selectors(words)
    except UnmatchedParenthesisError:
        return [where + b": Unmatched parenthesis in selector definition."]
    found: list[bytes] = []
    told = False
    for rule in rules:
        rule = rule.strip(b"\t\r\n")
        try:
            user.apply(rule)
        except RuleError as error:
            if error.reason == UNKNOWN:
                # Only such rules may be shown: others may hold passwords.
                found.append(b"%b: Error in applying operation '%b': %b. " % (where, rule, error.reason))
            elif not told:
                # What follows may only be wrong because this was.
                found.append(b"%b: %b. " % (where, error.reason))
                told = True
    return found


def format_users(users: Iterable[User]) -> bytes:
    """The contents of a file with these users."""
    return b"".join([user.line + b"\n" for user in users])
