"""The string group: https://redis.io/docs/latest/commands/?group=string"""

from __future__ import annotations

from twisted_resp.commands.table import DENYOOM, FAST, READONLY, WRITE, command
from twisted_resp.keyspace.events import STRING
from twisted_resp.resp import OK, Reply
from twisted_resp.server.client import Client

GROUP = "string"


@command("GET key", READONLY | FAST, since="1.0.0", complexity="O(1)", keys=["RO access"])
def get(client: Client, key: bytes) -> Reply:
    """Returns the string value of a key."""
    return client.db.read_string(key)


@command("SET key value [NX | XX] [GET]", WRITE | DENYOOM, since="1.0.0", complexity="O(1)", keys=["RW access update variable_flags"])
def set_(client: Client, key: bytes, value: bytes, *options: bytes) -> Reply:
    """Sets the string value of a key."""
    client.db.store(key, value, b"set", STRING)
    return OK
