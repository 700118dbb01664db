"""A user: a name, passwords, and selectors that say what it may do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from hmac import compare_digest
from typing import Callable, Final

from twisted_resp.acl.catalogue import Catalogue
from twisted_resp.acl.rules import BAD_HASH, NO_SUCH_PASSWORD, RuleError
from twisted_resp.acl.selectors import Selector

__all__ = ["User"]

_HASH: Final = re.compile(rb"[0-9a-f]{64}")


class User:
    """A user, at first one that may do nothing and can't log in.

    :param catalogue: the commands that there are.
    :param all_channels: asked whether a new selector allows all channels (``acl-pubsub-default``).
    """

    def __init__(self, name: bytes, catalogue: Catalogue, all_channels: Callable[[], bool]) -> None:
        self.name = name
        self._catalogue = catalogue
        self._all_channels = all_channels
        self.enabled = False
        #: Whether any password will do.
        self.no_password = False
        self.sanitizes_payloads = True
        #: SHA-256 in hexadecimal, in order of arrival.
        self.passwords: dict[bytes, None] = {}
        #: The root selector and the others.
        self.selectors: list[Selector] = [Selector(catalogue, all_channels())]
        #: Whether there is anything that it may not do.
        self.restricted = True

    def __repr__(self) -> str:
        return f"<User {self.name!r}>"

    @property
    def root(self) -> Selector:
        """The selector that rules outside of parentheses change."""
        return self.selectors[0]

    def copy(self) -> User:
        """Another one of the same name, with the same rules."""
        copy = User(self.name, self._catalogue, self._all_channels)
        copy.become(self)
        return copy

    def become(self, other: User) -> None:
        """Take the rules of another user."""
        self.enabled = other.enabled
        self.no_password = other.no_password
        self.sanitizes_payloads = other.sanitizes_payloads
        self.passwords = dict(other.passwords)
        self.selectors = [selector.copy() for selector in other.selectors]
        self._consider()

    def accepts(self, password: bytes) -> bool:
        """Whether the user may log in with a password."""
        if not self.enabled:
            return False
        if self.no_password:
            return True
        hashed = _hashed(password)
        return any(compare_digest(hashed, known) for known in self.passwords)

    # -- rules

    def apply(self, rule: bytes) -> None:
        """Apply a rule of ``ACL SETUSER``.

        :raises RuleError: it can't be.
        """
        word = rule.lower()
        mark = rule[:1]
        if not rule:
            return
        if word in (b"on", b"off"):
            self.enabled = word == b"on"
        elif word in (b"skip-sanitize-payload", b"sanitize-payload"):
            self.sanitizes_payloads = word == b"sanitize-payload"
        elif word in (b"nopass", b"resetpass"):
            self.no_password = word == b"nopass"
            self.passwords.clear()
        elif mark in (b">", b"#"):
            self.passwords[_password(rule)] = None
            self.no_password = False
        elif mark in (b"<", b"!"):
            password = _password(rule)
            if password not in self.passwords:
                raise RuleError(NO_SUCH_PASSWORD)
            del self.passwords[password]
        elif mark == b"(" and rule[-1:] == b")":
            self.selectors.append(Selector.of(self._catalogue, self._all_channels(), rule))
        elif word == b"clearselectors":
            del self.selectors[1:]
        elif word == b"reset":
            self.become(User(self.name, self._catalogue, self._all_channels))
        else:
            self.root.apply(rule)
        self._consider()

    def apply_all(self, rules: Sequence[bytes]) -> None:
        """Apply rules that are known to be right."""
        for rule in rules:
            self.apply(rule)

    def _consider(self) -> None:
        self.restricted = not any(selector.unrestricted for selector in self.selectors)

    # -- display

    @property
    def flags(self) -> list[bytes]:
        """What is said of it but its passwords and what it may do."""
        flags = [b"on" if self.enabled else b"off"]
        if self.no_password:
            flags.append(b"nopass")
        flags.append(b"sanitize-payload" if self.sanitizes_payloads else b"skip-sanitize-payload")
        return flags

    def describe(self) -> bytes:
        """All rules, from which ``SETUSER`` makes the same user again."""
        parts = [*self.flags, *(b"#" + password for password in self.passwords), self.root.describe()]
        parts += [b"(" + selector.describe() + b")" for selector in self.selectors[1:]]
        return b" ".join(parts)

    @property
    def line(self) -> bytes:
        """The user as a line of a configuration or of an ACL file."""
        return b"user " + self.name + b" " + self.describe()


def _hashed(password: bytes) -> bytes:
    return sha256(password).hexdigest().encode()


def _password(rule: bytes) -> bytes:
    """The hash of the password that a rule adds or removes.

    :raises RuleError: it is to be a hash, and is none.
    """
    if rule[:1] in (b">", b"<"):
        return _hashed(rule[1:])
    if _HASH.fullmatch(rule[1:]) is None:
        raise RuleError(BAD_HASH)
    return rule[1:]
