"""A selector: a set of commands, and the keys and channels that these may name.

Every user has one, its root, and may have more; a call is allowed if one of them allows all of it. What a selector
allows is worked out when a rule is given, so that a check is a look into a set. The rules on commands are kept too,
as far as later ones have not made them void: they are what ACL LIST shows.
"""

from __future__ import annotations

from typing import Final

from twisted_resp.acl.catalogue import Catalogue
from twisted_resp.acl.rules import (
    CHANNEL_AFTER_ALL,
    FIRST_ARGUMENT_OF_SUBCOMMAND,
    PATTERN_AFTER_ALL,
    SYNTAX,
    UNKNOWN,
    RuleError,
    has_spaces,
)
from twisted_resp.text.command_line import split_arguments
from twisted_resp.text.glob import Matcher, compile_glob

__all__ = ["READ", "WRITE", "Selector"]

#: What may be done to keys; or-ed.
READ: Final = 1
WRITE: Final = 2

_BOTH: Final = READ | WRITE
_MARKS: Final = {_BOTH: b"~", READ: b"%R~", WRITE: b"%W~"}


class Selector:
    """What a user may do, or a part of it.

    :param catalogue: the commands that there are.
    :param all_channels: whether it starts with all channels (``acl-pubsub-default``).
    """

    def __init__(self, catalogue: Catalogue, all_channels: bool) -> None:
        self._catalogue = catalogue
        #: Whether every command is allowed, without an exception.
        self.all_commands = False
        self.all_keys = False
        self.all_channels = all_channels
        #: Full names of the commands that are allowed, where these are not all.
        self.allowed: set[bytes] = set()
        #: First arguments, in lower case, with which a command is allowed that is not allowed otherwise.
        self.first_arguments: dict[bytes, set[bytes]] = {}
        self._from_all = False
        self._rules: list[bytes] = []
        #: Key patterns: what they allow, and what matches them.
        self._keys: dict[bytes, tuple[int, Matcher]] = {}
        self._channels: dict[bytes, Matcher] = {}

    @classmethod
    def of(cls, catalogue: Catalogue, all_channels: bool, text: bytes) -> Selector:
        """A selector from its rules between parentheses.

        :raises RuleError: one of them can't be applied.
        """
        selector = cls(catalogue, all_channels)
        for rule in split_arguments(text[1:-1]) or ():
            selector.apply(rule)
        return selector

    def copy(self) -> Selector:
        """Another one that allows the same."""
        copy = Selector(self._catalogue, self.all_channels)
        copy.all_commands = self.all_commands
        copy.all_keys = self.all_keys
        copy.allowed = set(self.allowed)
        copy.first_arguments = {name: set(words) for name, words in self.first_arguments.items()}
        copy._from_all = self._from_all
        copy._rules = list(self._rules)
        copy._keys = dict(self._keys)
        copy._channels = dict(self._channels)
        return copy

    @property
    def unrestricted(self) -> bool:
        """Whether there is nothing that it does not allow."""
        return self.all_commands and self.all_keys and self.all_channels

    # -- checks

    def may_run(self, full_name: bytes, args: list[bytes]) -> bool:
        """Whether a command is allowed, whatever keys and channels it names.

        :param args: the call, which may be allowed for its first argument.
        """
        if self.all_commands or full_name in self.allowed:
            return True
        words = self.first_arguments.get(full_name)
        return words is not None and len(args) > 1 and args[1].lower() in words

    def may_touch(self, key: bytes, needed: int) -> bool:
        """Whether a key may be named by a command that needs so much of it: ``READ``, ``WRITE``, both or nothing."""
        if self.all_keys:
            return True
        # A generator would take as long again.
        for allowed, matches in self._keys.values():  # noqa: SIM110
            if not needed & ~allowed and matches(key):
                return True
        return False

    def may_touch_any(self, needed: int) -> bool:
        """Whether every key may be named so."""
        return self.all_keys or (b"*" in self._keys and not needed & ~self._keys[b"*"][0])

    def may_use(self, channel: bytes, is_pattern: bool) -> bool:
        """Whether a channel may be named. A pattern is allowed only if it is named just so in the rules."""
        if self.all_channels:
            return True
        if is_pattern:
            return channel in self._channels
        return any(matches(channel) for matches in self._channels.values())

    @property
    def channels(self) -> set[bytes]:
        """The patterns of channels that are allowed, where these are not all."""
        return set(self._channels)

    # -- rules

    def apply(self, rule: bytes) -> None:
        """Apply a rule.

        :raises RuleError: it can't be.
        """
        word = rule.lower()
        if word in (b"allkeys", b"~*"):
            self.all_keys = True
            self._keys.clear()
        elif word == b"resetkeys":
            self.all_keys = False
            self._keys.clear()
        elif word in (b"allchannels", b"&*"):
            self.all_channels = True
            self._channels.clear()
        elif word == b"resetchannels":
            self.all_channels = False
            self._channels.clear()
        elif word in (b"allcommands", b"+@all", b"nocommands", b"-@all"):
            self._begin(word in (b"allcommands", b"+@all"))
        elif rule[:1] in (b"~", b"%"):
            self._add_keys(rule)
        elif rule[:1] == b"&":
            self._add_channels(rule[1:])
        elif rule[:2] in (b"+@", b"-@"):
            self._change_category(rule[1:], rule[:1] == b"+")
        elif rule[:1] == b"-":
            self._change(self._find(rule[1:]), False)
        elif rule[:1] == b"+":
            self._allow(rule[1:])
        else:
            raise RuleError(SYNTAX)

    def _begin(self, everything: bool) -> None:
        self.all_commands = self._from_all = everything
        self.allowed = set()
        self.first_arguments.clear()
        self._rules.clear()

    def _add_keys(self, rule: bytes) -> None:
        if self.all_keys:
            raise RuleError(PATTERN_AFTER_ALL)
        allowed, place = _BOTH, 1
        if rule[:1] == b"%":
            allowed, place = _permissions(rule)
        pattern = rule[place:]
        if has_spaces(pattern):
            raise RuleError(SYNTAX)
        if pattern in self._keys:
            allowed |= self._keys[pattern][0]
        self._keys[pattern] = allowed, compile_glob(pattern)

    def _add_channels(self, pattern: bytes) -> None:
        if self.all_channels:
            raise RuleError(CHANNEL_AFTER_ALL)
        if has_spaces(pattern):
            raise RuleError(SYNTAX)
        self._channels[pattern] = compile_glob(pattern)

    def _find(self, name: bytes) -> bytes:
        found = self._catalogue.find(name)
        if found is None:
            raise RuleError(UNKNOWN)
        return found

    def _allow(self, name: bytes) -> None:
        """``+command``, ``+command|subcommand`` or ``+command|first-argument``."""
        if b"|" not in name:
            self._change(self._find(name), True)
            return
        outer, _, inner = name.rpartition(b"|")
        outer = self._find(outer)
        if b"|" in outer:
            raise RuleError(FIRST_ARGUMENT_OF_SUBCOMMAND)
        if not inner:
            raise RuleError(SYNTAX)
        if self._catalogue.is_container(outer):
            self._change(self._find(name), True)
        else:
            self.first_arguments.setdefault(outer, set()).add(inner.lower())
            self._note(name, True)

    def _change(self, full_name: bytes, allow: bool) -> None:
        self._switch(self._catalogue.together(full_name), allow)
        self.first_arguments.pop(full_name, None)
        self._note(full_name, allow)

    def _change_category(self, name: bytes, allow: bool) -> None:
        members = self._catalogue.members(name[1:])
        if members is None:
            raise RuleError(UNKNOWN)
        self._note(name, allow)
        for member in members:
            self._switch(self._catalogue.together(member), allow)
            self.first_arguments.pop(member, None)

    def _switch(self, names: set[bytes], allow: bool) -> None:
        if self.all_commands:
            if allow:
                return
            self.all_commands = False
            self.allowed = set(self._catalogue.names)
        if allow:
            self.allowed |= names
        else:
            self.allowed -= names

    def _note(self, rule: bytes, allow: bool) -> None:
        """Keep a rule on commands for display, and drop those that it makes void."""
        rule = rule.lower()
        within = rule + b"|"
        self._rules = [
            known for known in self._rules if known[1:] != rule and not known[1:].startswith(within)
        ]
        self._rules.append((b"+" if allow else b"-") + rule)

    # -- display

    def describe_commands(self) -> bytes:
        """The rules that make the commands what they are."""
        return b" ".join([b"+@all" if self._from_all else b"-@all", *self._rules])

    def describe_keys(self) -> bytes:
        """The key patterns."""
        if self.all_keys:
            return b"~*"
        return b" ".join([_MARKS[allowed] + pattern for pattern, (allowed, _) in self._keys.items()])

    def describe_channels(self) -> bytes:
        """The patterns of channels."""
        if self.all_channels:
            return b"&*"
        return b" ".join([b"&" + pattern for pattern in self._channels])

    def describe(self) -> bytes:
        """All rules, from which ``SETUSER`` makes the same again."""
        channels = self.describe_channels()
        if not self.all_channels:
            channels = b"resetchannels " + channels
        parts = (self.describe_keys(), channels.rstrip(b" "), self.describe_commands())
        return b" ".join([part for part in parts if part])


def _permissions(rule: bytes) -> tuple[int, int]:
    """What ``%R~``, ``%W~`` or ``%RW~`` allows, and where the pattern behind it begins."""
    allowed = 0
    place = 1
    letters = {b"R": READ, b"W": WRITE}
    while place < len(rule):
        letter = rule[place : place + 1].upper()
        place += 1
        if letter == b"~" and allowed:
            return allowed, place
        if letters.get(letter, allowed) & allowed or letter not in letters:
            raise RuleError(SYNTAX)
        allowed |= letters[letter]
    if not allowed:
        raise RuleError(SYNTAX)
    return allowed, place
