"""CLUSTER and its kin, of the cluster group: https://redis.io/docs/latest/commands/?group=cluster

This server is never part of a cluster. Like a redis-server with ``cluster-enabled no`` it knows these commands, sees
that they have the right number of arguments, and refuses them all with one sentence, HELP among them.
"""

from __future__ import annotations

from typing import Any, Final

from twisted_resp.commands.table import (
    ADMIN,
    FAST,
    LOADING,
    NO_ASYNC_LOADING,
    NOSCRIPT,
    STALE,
    command,
    container,
)
from twisted_resp.errors import CommandError
from twisted_resp.resp import Reply
from twisted_resp.server.client import Client

GROUP = "cluster"

_CHANGE: Final = NO_ASYNC_LOADING | ADMIN | STALE
_VARIES: Final = ("nondeterministic_output",)
_BY_NODES: Final = "O(N) where N is the total number of Cluster nodes"
_BY_SLOTS: Final = "O(N) where N is the total number of hash slot arguments"
_BY_RANGES: Final = (
    "O(N) where N is the total number of the slots between the start slot and end slot arguments."
)
_CONNECTION: Final = ("connection",)


def _declare(line: str, flags: int, since: str, complexity: str, summary: str, **more: Any) -> None:
    """Declare a command that a server without a cluster refuses. Parameters are those of :func:`command`."""

    def refuse(client: Client, *args: bytes) -> Reply:
        raise CommandError(b"ERR This instance has cluster support disabled")

    refuse.__doc__ = summary
    command(line, flags, since=since, complexity=complexity, **more)(refuse)


container("CLUSTER", "A container for Redis Cluster commands.", since="3.0.0", group=GROUP)

_declare(
    "CLUSTER ADDSLOTS slot [slot ...]",
    _CHANGE,
    "3.0.0",
    _BY_SLOTS,
    "Assigns new hash slots to a node.",
    types={"slot": "integer"},
)
_declare(
    "CLUSTER ADDSLOTSRANGE start-slot end-slot [range: start-slot end-slot ...]",
    _CHANGE,
    "7.0.0",
    _BY_RANGES,
    "Assigns new hash slot ranges to a node.",
    types={"start-slot": "integer", "end-slot": "integer"},
)
_declare(
    "CLUSTER BUMPEPOCH",
    _CHANGE,
    "3.0.0",
    "O(1)",
    "Advances the cluster config epoch.",
    tips=_VARIES,
)
_declare(
    "CLUSTER COUNT-FAILURE-REPORTS node-id",
    ADMIN | STALE,
    "3.0.0",
    "O(N) where N is the number of failure reports",
    "Returns the number of active failure reports active for a node.",
    tips=_VARIES,
)
_declare(
    "CLUSTER COUNTKEYSINSLOT slot",
    STALE,
    "3.0.0",
    "O(1)",
    "Returns the number of keys in a hash slot.",
    types={"slot": "integer"},
)
_declare(
    "CLUSTER DELSLOTS slot [slot ...]",
    _CHANGE,
    "3.0.0",
    _BY_SLOTS,
    "Sets hash slots as unbound for a node.",
    types={"slot": "integer"},
)
_declare(
    "CLUSTER DELSLOTSRANGE start-slot end-slot [range: start-slot end-slot ...]",
    _CHANGE,
    "7.0.0",
    _BY_RANGES,
    "Sets hash slot ranges as unbound for a node.",
    types={"start-slot": "integer", "end-slot": "integer"},
)
_declare(
    "CLUSTER FAILOVER [options: FORCE | TAKEOVER]",
    _CHANGE,
    "3.0.0",
    "O(1)",
    "Forces a replica to perform a manual failover of its master.",
)
_declare("CLUSTER FLUSHSLOTS", _CHANGE, "3.0.0", "O(1)", "Deletes all slots information from a node.")
_declare("CLUSTER FORGET node-id", _CHANGE, "3.0.0", "O(1)", "Removes a node from the nodes table.")
_declare(
    "CLUSTER GETKEYSINSLOT slot count",
    STALE,
    "3.0.0",
    "O(N) where N is the number of requested keys",
    "Returns the key names in a hash slot.",
    types={"slot": "integer", "count": "integer"},
    tips=_VARIES,
)
_declare(
    "CLUSTER HELP", LOADING | STALE, "5.0.0", "O(1)", "Returns helpful text about the different subcommands."
)
_declare(
    "CLUSTER INFO",
    STALE,
    "3.0.0",
    "O(1)",
    "Returns information about the state of a node.",
    tips=_VARIES,
)
_declare(
    "CLUSTER KEYSLOT key",
    STALE,
    "3.0.0",
    "O(N) where N is the number of bytes in the key",
    "Returns the hash slot for a key.",
    keys=[],
    types={"key": "string"},
)
_declare(
    "CLUSTER LINKS",
    STALE,
    "7.0.0",
    _BY_NODES,
    "Returns a list of all TCP links to and from peer nodes.",
    tips=_VARIES,
)
_declare(
    "CLUSTER MEET ip port [cluster-bus-port]",
    _CHANGE,
    "3.0.0",
    "O(1)",
    "Forces a node to handshake with another node.",
    types={"port": "integer", "cluster-bus-port": "integer"},
    argument_since={"cluster-bus-port": "4.0.0"},
    history=[("4.0.0", "Added the optional `cluster_bus_port` argument.")],
)
_declare("CLUSTER MYID", STALE, "3.0.0", "O(1)", "Returns the ID of a node.")
_declare(
    "CLUSTER MYSHARDID",
    STALE,
    "7.2.0",
    "O(1)",
    "Returns the shard ID of a node.",
    tips=_VARIES,
)
_declare(
    "CLUSTER NODES",
    STALE,
    "3.0.0",
    _BY_NODES,
    "Returns the cluster configuration for a node.",
    tips=_VARIES,
)
_declare(
    "CLUSTER REPLICAS node-id",
    ADMIN | STALE,
    "5.0.0",
    "O(N) where N is the number of replicas.",
    "Lists the replica nodes of a master node.",
    tips=_VARIES,
)
_declare(
    "CLUSTER REPLICATE node-id", _CHANGE, "3.0.0", "O(1)", "Configure a node as replica of a master node."
)
_declare(
    "CLUSTER RESET [reset-type: HARD | SOFT]",
    ADMIN | STALE | NOSCRIPT,
    "3.0.0",
    "O(N) where N is the number of known nodes. The command may execute a FLUSHALL as a side effect.",
    "Resets a node.",
)
_declare(
    "CLUSTER SAVECONFIG", _CHANGE, "3.0.0", "O(1)", "Forces a node to save the cluster configuration to disk."
)
_declare(
    "CLUSTER SET-CONFIG-EPOCH config-epoch",
    _CHANGE,
    "3.0.0",
    "O(1)",
    "Sets the configuration epoch for a new node.",
    types={"config-epoch": "integer"},
)
_declare(
    "CLUSTER SETSLOT slot <subcommand: importing: IMPORTING node-id | migrating: MIGRATING node-id | "
    "node: NODE node-id | STABLE>",
    _CHANGE,
    "3.0.0",
    "O(1)",
    "Binds a hash slot to a node.",
    types={"slot": "integer"},
)
_declare(
    "CLUSTER SHARDS",
    LOADING | STALE,
    "7.0.0",
    "O(N) where N is the total number of cluster nodes",
    "Returns the mapping of cluster slots to shards.",
    tips=_VARIES,
)
_declare(
    "CLUSTER SLAVES node-id",
    ADMIN | STALE,
    "3.0.0",
    "O(N) where N is the number of replicas.",
    "Lists the replica nodes of a master node.",
    tips=_VARIES,
    deprecated="5.0.0",
    replaced_by="`CLUSTER REPLICAS`",
)
_declare(
    "CLUSTER SLOTS",
    LOADING | STALE,
    "3.0.0",
    _BY_NODES,
    "Returns the mapping of cluster slots to nodes.",
    tips=_VARIES,
    deprecated="7.0.0",
    replaced_by="`CLUSTER SHARDS`",
    history=[("4.0.0", "Added node IDs."), ("7.0.0", "Added additional networking metadata field.")],
)
_declare(
    "ASKING",
    FAST,
    "3.0.0",
    "O(1)",
    "Signals that a cluster client is following an -ASK redirect.",
    acl=_CONNECTION,
)
_declare(
    "READONLY",
    FAST | LOADING | STALE,
    "3.0.0",
    "O(1)",
    "Enables read-only queries for a connection to a Redis Cluster replica node.",
    acl=_CONNECTION,
)
_declare(
    "READWRITE",
    FAST | LOADING | STALE,
    "3.0.0",
    "O(1)",
    "Enables read-write queries for a connection to a Redis Cluster replica node.",
    acl=_CONNECTION,
)
