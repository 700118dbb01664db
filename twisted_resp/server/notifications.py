"""Keyspace notifications: events of keys as messages on channels.

The keyspace has a listener of ours only while ``notify-keyspace-events`` asks for something.
https://redis.io/docs/latest/develop/use/keyspace-notifications/
"""

from __future__ import annotations

from twisted_resp.keyspace.database import Database
from twisted_resp.keyspace.events import ALL, KEY_MISS, KEYEVENT, KEYSPACE, NEW
from twisted_resp.keyspace.keyspace import Keyspace
from twisted_resp.server.channels import Channels

__all__ = ["Notifications"]

_GROUPS = ALL | KEY_MISS | NEW


class Notifications:
    """Publishes the events of a keyspace to ``__keyspace@<db>__:<key>`` and ``__keyevent@<db>__:<event>``."""

    def __init__(self, keyspace: Keyspace, channels: Channels) -> None:
        self._keyspace = keyspace
        self._channels = channels
        self._flags = 0

    @property
    def flags(self) -> int:
        """What is published, see :mod:`twisted_resp.keyspace.events`."""
        return self._flags

    def configure(self, flags: int) -> None:
        """Say what to publish: groups of events, and KEYSPACE or KEYEVENT or both; neither goes alone."""
        self._flags = flags
        keyspace = self._keyspace
        listeners = [listener for listener in keyspace.on_event if listener != self._publish]
        if flags & _GROUPS and flags & (KEYSPACE | KEYEVENT):
            listeners.append(self._publish)
        keyspace.on_event = listeners

    def _publish(self, database: Database, key: bytes, event: bytes, group: int) -> None:
        flags, channels = self._flags, self._channels
        if not flags & group or not (channels.channels or channels.patterns):
            return
        if flags & KEYSPACE:
            channels.publish(b"__keyspace@%d__:%b" % (database.index, key), event)
        if flags & KEYEVENT:
            channels.publish(b"__keyevent@%d__:%b" % (database.index, event), key)
