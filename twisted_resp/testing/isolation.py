"""Each test finds the server as it was: hooks of pytest that go back to snapshots between tests.

A stack of snapshots follows the scopes of fixtures. The first is taken when the server starts. Whenever a fixture of
session, package, module or class scope has been set up, another is taken, so what such a fixture has put in is there
for each test; when the fixture ends, so does what was done since it began. What fixtures of the test itself, which are
set up after those, and the test have done is undone at the end of the test, down to the last snapshot.

A fixture of a wider scope that a test only asks for while it runs (``request.getfixturevalue``) counts as a part of
that test.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from functools import partial
from inspect import signature
from typing import TYPE_CHECKING, Any

import pytest

from twisted_resp.errors import CommandError
from twisted_resp.seeds.files import SeedError
from twisted_resp.testing.plugin import MARKER_NAMES
from twisted_resp.testing.strict import Rules, Strict

if TYPE_CHECKING:
    from twisted_resp.testing.thread import ServerThread

__all__ = ["Isolation"]


class Isolation:
    """The hooks for one server.

    :param server: it runs, and holds what every test is to find.
    :param rules: those of strict mode for every test; None for no strict mode.
    """

    def __init__(self, server: ServerThread, rules: Rules | None = None) -> None:
        self._server = server
        self._rules = rules
        self._strict: Strict | None = None
        self._snapshots = [server.snapshot()]
        self._in_test = False

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, Any, Any]:
        """A fixture is set up: what a wide one puts in stays, and a test begins with its first narrow one."""
        if fixturedef.scope == "function":
            self._begin(request.node)
        if self._in_test or not self._server.running:
            return (yield)
        fixturedef.addfinalizer(partial(self._leave, len(self._snapshots)))
        value = yield
        self._snapshots.append(self._server.snapshot())
        return value

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """A test with no fixture of its own begins here."""
        self._begin(item)
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """A test that asked for the server while it ran, or that could not be set up, leaves nothing either."""
        had_begun = self._in_test
        result = yield
        if not had_begun:
            self._end()
        return result

    def _begin(self, item: Any) -> None:
        if self._in_test:
            return
        self._in_test = True
        item.addfinalizer(self._end)
        server = self._server
        rules = self._rules
        for mark in reversed(list(item.iter_markers("resp"))) if server.running else ():
            try:
                self._apply(mark.kwargs)
                if "strict" in mark.kwargs:
                    rules = _rules_of(mark.kwargs["strict"], rules)
            except (CommandError, SeedError, TypeError, ValueError) as error:
                pytest.fail(f"@pytest.mark.resp: {error}", pytrace=False)
        if rules is not None and server.running:
            self._strict = Strict(server.journal, rules)

    def _apply(self, wanted: Mapping[str, Any]) -> None:
        """Do what a marker says.

        :raises CommandError, SeedError, TypeError, ValueError: it makes no sense.
        """
        _check_names(wanted)
        server = self._server
        when = wanted.get("freeze", False)
        if when is not False:
            server.clock.freeze(None if when is True else when)
        for name, value in wanted.get("config", {}).items():
            server.call("CONFIG", "SET", name, value)
        if "seed" in wanted:
            server.seed(wanted["seed"])

    def _end(self) -> None:
        self._in_test = False
        strict, self._strict = self._strict, None
        if not self._server.running:
            return
        findings = strict.findings() if strict is not None else []
        self._server.reset(self._snapshots[-1])
        if findings:
            pytest.fail("\n".join(["strict mode objects:", *(f"  {one}" for one in findings)]), pytrace=False)

    def _leave(self, depth: int) -> None:
        """A fixture of a wide scope has ended: go back to before it began."""
        if self._server.running and len(self._snapshots) > depth:
            del self._snapshots[depth:]
            self._server.rollback(self._snapshots[-1])


def _check_names(wanted: Mapping[str, Any]) -> None:
    """See that what a marker says means anything: what is not ours is an option of a client."""
    unknown = set(wanted).difference(MARKER_NAMES)
    if unknown:
        try:
            from redis import Redis
        except ImportError:
            return
        unknown.difference_update(signature(Redis.__init__).parameters)
    for name in sorted(unknown):
        raise TypeError(f"{name}= is neither {', '.join(MARKER_NAMES)} nor an option of redis.Redis")


def _rules_of(given: Any, rules: Rules | None) -> Rules | None:
    """The rules that a marker asks for: True, False, or a mapping of rules to change."""
    if given is True:
        return rules or Rules()
    return (rules or Rules()).with_rules(**given) if given else None
