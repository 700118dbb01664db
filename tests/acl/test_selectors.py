"""What a selector allows after rules, and how these are shown."""

from __future__ import annotations

import pytest

from twisted_resp.acl import rules
from twisted_resp.acl.catalogue import Catalogue
from twisted_resp.acl.rules import RuleError
from twisted_resp.acl.selectors import READ, WRITE, Selector
from twisted_resp.acl.users import User

ALL = {b"get", b"set", b"select", b"config", b"config|get", b"config|set"}


@pytest.fixture
def selector(catalogue: Catalogue) -> Selector:
    return Selector(catalogue, all_channels=False)


def runnable(selector: Selector) -> set[bytes]:
    return {name for name in ALL if selector.may_run(name, [name])}


@pytest.mark.parametrize(
    ("given", "allowed", "shown"),
    [
        ("", "", "-@all"),
        ("+get", "get", "-@all +get"),
        ("+GET -get", "", "-@all -get"),
        ("+@all", "all", "+@all"),
        ("allcommands", "all", "+@all"),
        ("+@all -config", "get set select", "+@all -config"),
        ("+@all -get +get", "all", "+@all +get"),
        ("+@all -@all +get nocommands", "", "-@all"),
        ("+config", "config config|get config|set", "-@all +config"),
        ("+config -config|set", "config config|get", "-@all +config -config|set"),
        ("-config|set +config", "config config|get config|set", "-@all +config"),
        ("+config|get", "config|get", "-@all +config|get"),
        ("+@string -set", "get", "-@all +@string -set"),
        ("+@STRING -@write", "get", "-@all +@string -@write"),
        # A container takes its subcommands along.
        ("+@slow", "set config config|get config|set", "-@all +@slow"),
        ("+select|0 +select|1", "", "-@all +select|0 +select|1"),
        ("+select|0 +select", "select", "-@all +select"),
    ],
)
def test_commands(selector: Selector, given: str, allowed: str, shown: str) -> None:
    for rule in given.encode().split():
        selector.apply(rule)
    assert runnable(selector) == (ALL if allowed == "all" else set(allowed.encode().split()))
    assert selector.describe_commands() == shown.encode()


def test_first_arguments(selector: Selector) -> None:
    selector.apply(b"+select|Zero")
    assert selector.may_run(b"select", [b"select", b"ZERO"])
    assert not selector.may_run(b"select", [b"select", b"1"])
    assert not selector.may_run(b"select", [b"select"])
    selector.apply(b"-select")
    assert not selector.may_run(b"select", [b"select", b"zero"])


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("+nothing", rules.UNKNOWN),
        ("-nothing", rules.UNKNOWN),
        ("+", rules.UNKNOWN),
        ("+@nothing", rules.UNKNOWN),
        ("+config|nothing", rules.UNKNOWN),
        ("-config|", rules.UNKNOWN),
        ("-select|0", rules.UNKNOWN),
        ("+select|", rules.SYNTAX),
        ("+config|get|x", rules.FIRST_ARGUMENT_OF_SUBCOMMAND),
        ("+select|0|x", rules.UNKNOWN),
        ("nonsense", rules.SYNTAX),
        ("%~a", rules.SYNTAX),
        ("%", rules.SYNTAX),
        ("%RX~a", rules.SYNTAX),
        ("%RR~a", rules.SYNTAX),
        ("~a b", rules.SYNTAX),
        ("~a\0", rules.SYNTAX),
        ("&a b", rules.SYNTAX),
    ],
)
def test_errors(selector: Selector, given: str, reason: bytes) -> None:
    before = selector.describe()
    with pytest.raises(RuleError) as raised:
        selector.apply(given.encode())
    assert raised.value.reason == reason
    assert selector.describe() == before


def test_keys(selector: Selector) -> None:
    for rule in (b"~both:*", b"%R~read:*", b"%w~write:*", b"%WR~either"):
        selector.apply(rule)
    assert selector.may_touch(b"both:1", READ | WRITE)
    assert selector.may_touch(b"read:1", READ)
    assert not selector.may_touch(b"read:1", WRITE)
    assert selector.may_touch(b"write:1", WRITE)
    assert not selector.may_touch(b"write:1", READ | WRITE)
    # EXISTS and the like need neither, but may not name what no pattern matches.
    assert selector.may_touch(b"write:1", 0)
    assert not selector.may_touch(b"other", 0)
    assert selector.describe_keys() == b"~both:* %R~read:* %W~write:* ~either"


def test_a_pattern_for_reading_and_for_writing_is_one_for_both(selector: Selector) -> None:
    selector.apply(b"%R~a")
    selector.apply(b"%W~a")
    assert selector.describe_keys() == b"~a"


def test_keys_that_a_call_does_not_name(selector: Selector) -> None:
    selector.apply(b"~a*")
    assert not selector.may_touch_any(READ)
    selector.apply(b"%R~*")
    assert selector.may_touch_any(READ)
    assert not selector.may_touch_any(WRITE)
    selector.apply(b"allkeys")
    assert selector.may_touch_any(READ | WRITE)


def test_after_all_keys_no_pattern_means_anything(selector: Selector) -> None:
    selector.apply(b"~*")
    with pytest.raises(RuleError) as raised:
        selector.apply(b"~a")
    assert raised.value.reason == rules.PATTERN_AFTER_ALL
    selector.apply(b"resetkeys")
    selector.apply(b"~a")
    assert selector.describe_keys() == b"~a"


def test_channels(selector: Selector) -> None:
    selector.apply(b"&news:*")
    assert selector.may_use(b"news:1", False)
    assert not selector.may_use(b"news:1", True)
    assert selector.may_use(b"news:*", True)
    assert not selector.may_use(b"other", False)
    selector.apply(b"allchannels")
    assert selector.may_use(b"other", False)
    with pytest.raises(RuleError) as raised:
        selector.apply(b"&a")
    assert raised.value.reason == rules.CHANNEL_AFTER_ALL
    selector.apply(b"resetchannels")
    assert not selector.may_use(b"news:1", False)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("", "resetchannels -@all"),
        ("~a %R~b &c +get", "~a %R~b resetchannels &c -@all +get"),
        ("allkeys allchannels allcommands", "~* &* +@all"),
    ],
)
def test_description(selector: Selector, given: str, shown: str) -> None:
    for rule in given.encode().split():
        selector.apply(rule)
    assert selector.describe() == shown.encode()
    assert selector.copy().describe() == shown.encode()


def test_a_copy_goes_its_own_way(user: User) -> None:
    user.apply_all([b"on", b"+@all", b"-config", b"+select|0", b"~a", b"&c", b"(~b +get)"])
    before = user.describe()
    copy = user.copy()
    assert copy.describe() == before
    copy.apply_all([b"+config|get", b"+select|1", b"~b", b"&d", b"clearselectors", b">secret"])
    assert user.describe() == before
