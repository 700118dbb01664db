"""The same for ``unittest`` and ``trial``: mix in, and each test finds a server as the class wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from twisted_resp.testing.factory import ControlledFactory
from twisted_resp.testing.thread import ServerThread, Snapshot

if TYPE_CHECKING:
    import unittest

    from twisted.trial.unittest import TestCase as TrialCase

    UnittestBase = unittest.TestCase
    TrialBase = TrialCase
else:
    UnittestBase = TrialBase = object

__all__ = ["RespFactoryMixin", "RespServerMixin"]


class RespServerMixin(UnittestBase):
    """A server in a thread for each class; each test starts from its seed.

    ``trial`` has no fixtures of classes: there each test has a server of its own.

    >>> class QueueTest(RespServerMixin, unittest.TestCase):
    ...     resp_settings = {"seed": {"queue": ["a"]}}
    ...
    ...     def test_pop(self):
    ...         client = self.resp_server.redis_client()

    :cvar resp_settings: what :class:`ServerThread` takes.
    """

    resp_settings: ClassVar[dict[str, Any]] = {}
    resp_server: ServerThread
    _resp_start: Snapshot

    @classmethod
    def setUpClass(cls) -> None:
        """Start the server."""
        super().setUpClass()
        cls.resp_server = _started(cls.resp_settings)
        cls.addClassCleanup(cls.resp_server.stop)
        cls._resp_start = cls.resp_server.snapshot()

    def setUp(self) -> None:
        """See that it is left as it was."""
        super().setUp()
        if hasattr(self, "resp_server"):
            self.addCleanup(self.resp_server.reset, self._resp_start)
        else:
            self.resp_server = _started(self.resp_settings)
            self.addCleanup(self.resp_server.stop)


def _started(settings: dict[str, Any]) -> ServerThread:
    server = ServerThread(**settings)
    server.start()
    return server


class RespFactoryMixin(TrialBase):
    """A server in the running reactor for each test of ``twisted.trial``: ``self.resp_factory``, on its ``port``.

    :cvar resp_settings: what :class:`ControlledFactory` takes.
    """

    resp_settings: ClassVar[dict[str, Any]] = {}
    resp_factory: ControlledFactory

    def setUp(self) -> Any:
        """Start the server; trial waits for its end."""
        self.resp_factory = ControlledFactory(**self.resp_settings)
        self.resp_factory.listen()
        self.addCleanup(self.resp_factory.close)
        return super().setUp()
