"""Passwords, selectors and the state of a user."""

from __future__ import annotations

import hashlib

import pytest

from twisted_resp.acl import rules
from twisted_resp.acl.catalogue import Catalogue
from twisted_resp.acl.rules import RuleError, UnmatchedParenthesisError, has_spaces, merge_selectors
from twisted_resp.acl.users import User

HASH = hashlib.sha256(b"secret").hexdigest().encode()


def test_a_new_user_may_do_nothing(user: User) -> None:
    assert user.line == b"user ann off sanitize-payload resetchannels -@all"
    assert user.restricted
    assert not user.accepts(b"")


def test_passwords(user: User) -> None:
    user.apply_all([b"on", b">secret", b"#" + HASH, b">other"])
    assert list(user.passwords) == [HASH, hashlib.sha256(b"other").hexdigest().encode()]
    assert user.accepts(b"secret")
    assert user.accepts(b"other")
    assert not user.accepts(b"wrong")
    user.apply(b"<secret")
    assert not user.accepts(b"secret")
    user.apply(b"off")
    assert not user.accepts(b"other")
    user.apply_all([b"on", b"nopass"])
    assert user.passwords == {}
    assert user.accepts(b"anything")
    user.apply(b">again")
    assert not user.no_password
    user.apply(b"resetpass")
    assert not user.accepts(b"again")


def test_a_hash_can_be_removed_without_knowing_the_password(user: User) -> None:
    user.apply_all([b">secret", b"!" + HASH])
    assert user.passwords == {}
    with pytest.raises(RuleError) as raised:
        user.apply(b"!" + HASH)
    assert raised.value.reason == rules.NO_SUCH_PASSWORD


@pytest.mark.parametrize("word", [b"#short", b"!short", b"#" + HASH.upper(), b"#" + HASH + b"0"])
def test_bad_hashes(user: User, word: bytes) -> None:
    with pytest.raises(RuleError) as raised:
        user.apply(word)
    assert raised.value.reason == rules.BAD_HASH


def test_selectors(user: User) -> None:
    user.apply(b"(~a +get)")
    user.apply(b"(%R~b   +@read &c)")
    assert user.describe() == (
        b"off sanitize-payload resetchannels -@all (~a resetchannels -@all +get) "
        b"(%R~b resetchannels &c -@all +@read)"
    )
    with pytest.raises(RuleError):
        user.apply(b"(+nothing)")
    user.apply(b"clearselectors")
    assert user.describe() == b"off sanitize-payload resetchannels -@all"


def test_reset(user: User) -> None:
    before = user.describe()
    user.apply_all([b"on", b">x", b"+@all", b"~*", b"&*", b"(+get)", b"skip-sanitize-payload", b"", b"reset"])
    assert user.describe() == before


def test_acl_pubsub_default(catalogue: Catalogue) -> None:
    user = User(b"ann", catalogue, lambda: True)
    user.apply(b"(~a)")
    assert user.describe() == b"off sanitize-payload &* -@all (~a &* -@all)"
    user.apply_all([b"resetchannels", b"reset"])
    assert user.describe() == b"off sanitize-payload &* -@all"


def test_who_may_do_everything_is_not_restricted(user: User) -> None:
    user.apply_all([b"+@all", b"~*"])
    assert user.restricted
    user.apply(b"&*")
    assert not user.restricted
    user.apply(b"-get")
    assert user.restricted
    user.apply(b"(+@all ~* &*)")
    assert not user.restricted


def test_merge_selectors() -> None:
    assert merge_selectors([b"on", b"(~a", b"+get", b"-set)", b"(+get)", b"off"]) == [
        b"on", b"(~a +get -set)", b"(+get)", b"off",
    ]  # fmt: skip
    with pytest.raises(UnmatchedParenthesisError) as raised:
        merge_selectors([b"on", b"(~a", b"+get"])
    assert raised.value.word == b"(~a"


def test_names_with_spaces() -> None:
    assert has_spaces(b"a b")
    assert has_spaces(b"a\0")
    assert not has_spaces(b"a-b")
