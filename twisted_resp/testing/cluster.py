"""Servers that pass for a Redis Cluster: each serves its slots, and redirects what belongs elsewhere.

There is no gossip, no vote and no failover: a test says which node has which slot. Towards clients the nodes behave as
those of a cluster do: ``MOVED``, ``ASK``, ``TRYAGAIN``, ``CROSSSLOT`` and ``CLUSTERDOWN`` as the keys ask for them, and
the ``CLUSTER`` subcommands that client libraries use. Commands inside scripts are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from hashlib import sha1
from itertools import groupby
from typing import TYPE_CHECKING, Any, Callable, ClassVar

from twisted_resp.commands import dispatch
from twisted_resp.errors import CommandError
from twisted_resp.in_process import as_argument
from twisted_resp.resp import OK, Map, Reply, Verbatim
from twisted_resp.server.client import Client
from twisted_resp.server.server import Server
from twisted_resp.testing.calls import Call
from twisted_resp.testing.faults.errors import NAMED_ERRORS
from twisted_resp.testing.thread import ServerThread
from twisted_resp.text.crc import KEY_SLOTS, key_slot
from twisted_resp.text.integers import parse_integer

if TYPE_CHECKING:
    from twisted_resp.server.interception import Execute

__all__ = ["ServerCluster"]

_SLOT_DOWN = CommandError(b"CLUSTERDOWN Hash slot not served")
_CROSS_SLOT = CommandError(NAMED_ERRORS["CROSSSLOT"].sentence)
_TRY_AGAIN = CommandError(NAMED_ERRORS["TRYAGAIN"].sentence)
_ONE_DATABASE = CommandError(b"ERR SELECT is not allowed in cluster mode")
_BAD_SLOT = CommandError(b"ERR Invalid or out of range slot")


class ServerCluster:
    """Several servers in threads that pass for a Redis Cluster. One is enough for a client library.

    >>> with ServerCluster(3) as cluster:
    ...     client = redis.RedisCluster.from_url(cluster.url)
    ...     client.set("key", "value")

    :param nodes: how many; the slots are divided among them.
    :param settings: what :class:`~twisted_resp.testing.ServerThread` takes.
    :ivar nodes: the servers.
    """

    def __init__(self, nodes: int = 3, **settings: Any) -> None:
        if not 1 <= nodes <= KEY_SLOTS:
            raise ValueError("a cluster has at least one node, and no more than slots")
        self.nodes = [ServerThread(**settings) for _ in range(nodes)]
        self._slots = _Slots()
        self._running = ExitStack()

    def __enter__(self) -> ServerCluster:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """That of the first node, from which clients learn about the others."""
        return self.nodes[0].url

    def start(self) -> None:
        """Start all nodes, and divide the slots among them."""
        with ExitStack() as stack:
            for node in self.nodes:
                stack.enter_context(node)
            count = len(self.nodes)
            for place, node in enumerate(self.nodes):
                first, last = place * KEY_SLOTS // count, (place + 1) * KEY_SLOTS // count - 1
                self.assign(range(first, last + 1), node)
                layer = _Node(node.factory.server, _address(node), self._slots)
                node.run(node.factory.server.interception.add, layer.meet)
            self._running = stack.pop_all()

    def stop(self) -> None:
        """Stop all nodes."""
        self._running.close()
        self._slots = _Slots()

    def node_of(self, key: str | bytes) -> ServerThread:
        """The node that serves a key.

        :raises LookupError: none of ours does.
        """
        owner = self._slots.owners[self.slot(key)]
        for node in self.nodes:
            if _address(node) == owner:
                return node
        raise LookupError(f"{key!r} belongs to {owner}")

    @staticmethod
    def slot(key: str | bytes) -> int:
        """The slot of a key."""
        return key_slot(as_argument(key))

    def assign(self, slots: int | range, to: ServerThread | str | None) -> None:
        """Say who serves some slots from now on. Keys stay where they are.

        :param to: a node, any other ``host:port``, or None: nobody, so their keys get CLUSTERDOWN.
        """
        owner = _address(to) if isinstance(to, ServerThread) else to
        for slot in [slots] if isinstance(slots, int) else slots:
            self._slots.owners[slot] = owner
            self._slots.targets.pop(slot, None)

    def migrate(self, slot: int, to: ServerThread | str) -> None:
        """Let a slot be on its way to another node, until it is assigned.

        Its owner answers ASK for keys that it does not have; a node that is asked serves them after ASKING.
        """
        self._slots.targets[slot] = _address(to) if isinstance(to, ServerThread) else to


class _Slots:
    """Who has which slot: addresses, which all nodes read."""

    def __init__(self) -> None:
        self.owners: list[str | None] = [None] * KEY_SLOTS
        #: Where slots are on their way to.
        self.targets: dict[int, str] = {}

    def ranges(self) -> Iterator[tuple[int, int, str]]:
        """Slots in a row with one owner: first, last, owner."""
        for owner, slots in groupby(range(KEY_SLOTS), self.owners.__getitem__):
            if owner is not None:
                places = list(slots)
                yield places[0], places[-1], owner

    def addresses(self) -> list[str]:
        """The owners, each once."""
        return list(dict.fromkeys(owner for owner in self.owners if owner is not None))


class _Node:
    """One node's view: a layer between its connections and its dispatcher."""

    def __init__(self, server: Server, address: str, slots: _Slots) -> None:
        self._server = server
        self._address = address
        self._slots = slots

    def meet(self, client: Client, args: list[bytes], go_on: Execute) -> Reply:
        """Answer what the cluster answers; hand on the rest."""
        call = Call(client, args)
        answer = self._ANSWERS.get(call.name)
        fits = call.entry is not None and call.entry.takes(len(args))
        if fits and client.transaction is None:
            if answer is not None:
                return answer(self, call)
            if call.name == b"info":
                return _of_cluster(go_on(client, args))
        asking, client.asking = client.asking, False
        error = self._refusal(call, asking) if fits else None
        return go_on(client, args) if error is None else dispatch.reject(client, args, error, call.entry)

    def _refusal(self, call: Call, asking: bool) -> CommandError | None:
        """Why this node does not serve a call, in Redis' order."""
        if call.name == b"select" and call.args[1] != b"0":
            return _ONE_DATABASE
        slots = {key_slot(key) for key in call.keys}
        if not slots:
            return None
        if len(slots) > 1:
            return _CROSS_SLOT
        (slot,) = slots
        owner, target = self._slots.owners[slot], self._slots.targets.get(slot)
        if owner is None:
            return _SLOT_DOWN
        missing = 0 if target is None else sum(not call.client.db.exists(key) for key in call.keys)
        if owner == self._address:
            if not missing:
                return None
            if missing < len(call.keys):
                return _TRY_AGAIN
            return CommandError(f"ASK {slot} {target}")
        if asking and target == self._address:
            return _TRY_AGAIN if missing and len(call.keys) > 1 else None
        return CommandError(f"MOVED {slot} {owner}")

    # -- what clients ask of a cluster

    def _cluster_slots(self, call: Call) -> Reply:
        return [
            [first, last, [*_host_and_port(owner), _node_id(owner), []]]
            for first, last, owner in self._slots.ranges()
        ]

    def _cluster_shards(self, call: Call) -> Reply:
        shards = []
        for address in self._slots.addresses():
            ends = [
                end
                for first, last, owner in self._slots.ranges()
                if owner == address
                for end in (first, last)
            ]
            host, port = _host_and_port(address)
            node = {
                b"id": _node_id(address), b"port": port, b"ip": host, b"endpoint": host, b"role": b"master",
                b"replication-offset": 0, b"health": b"online",
            }  # fmt: skip
            shards.append(Map([(b"slots", ends), (b"nodes", [node])]))
        return shards

    def _cluster_nodes(self, call: Call) -> Reply:
        lines = []
        for address in self._slots.addresses():
            spans = [
                f"{first}-{last}" if first != last else f"{first}"
                for first, last, owner in self._slots.ranges()
                if owner == address
            ]
            flags = "myself,master" if address == self._address else "master"
            name, bus = _node_id(address).decode(), _host_and_port(address)[1] + 10000
            lines.append(f"{name} {address}@{bus} {flags} - 0 0 1 connected {' '.join(spans)}\n")
        return Verbatim(b"txt", "".join(lines).encode())

    def _cluster_info(self, call: Call) -> Reply:
        served = sum(owner is not None for owner in self._slots.owners)
        state = "ok" if served == KEY_SLOTS else "fail"
        size = len(self._slots.addresses())
        facts = {
            "cluster_state": state, "cluster_slots_assigned": served, "cluster_slots_ok": served,
            "cluster_slots_pfail": 0, "cluster_slots_fail": 0, "cluster_known_nodes": size, "cluster_size": size,
            "cluster_current_epoch": 1, "cluster_my_epoch": 1, "cluster_stats_messages_sent": 0,
            "cluster_stats_messages_received": 0, "total_cluster_links_buffer_limit_exceeded": 0,
        }  # fmt: skip
        return Verbatim(b"txt", "".join(f"{name}:{value}\r\n" for name, value in facts.items()).encode())

    def _cluster_myid(self, call: Call) -> Reply:
        return _node_id(self._address)

    def _cluster_keyslot(self, call: Call) -> Reply:
        return key_slot(call.args[2])

    def _cluster_countkeysinslot(self, call: Call) -> Reply:
        slot = _slot_number(call.args[2])
        return slot if isinstance(slot, CommandError) else len(self._keys_in(slot))

    def _cluster_getkeysinslot(self, call: Call) -> Reply:
        slot, count = _slot_number(call.args[2]), parse_integer(call.args[3])
        if isinstance(slot, CommandError) or count is None or count < 0:
            return slot if isinstance(slot, CommandError) else CommandError(b"ERR Invalid number of keys")
        return self._keys_in(slot)[:count]

    def _keys_in(self, slot: int) -> list[bytes]:
        return [key for key in self._server.keyspace.databases[0].values if key_slot(key) == slot]

    def _asking(self, call: Call) -> Reply:
        call.client.asking = True
        return OK

    def _read_only(self, call: Call) -> Reply:
        return OK

    _ANSWERS: ClassVar[Mapping[bytes, Callable[[_Node, Call], Reply]]] = {
        b"cluster|slots": _cluster_slots,
        b"cluster|shards": _cluster_shards,
        b"cluster|nodes": _cluster_nodes,
        b"cluster|info": _cluster_info,
        b"cluster|myid": _cluster_myid,
        b"cluster|keyslot": _cluster_keyslot,
        b"cluster|countkeysinslot": _cluster_countkeysinslot,
        b"cluster|getkeysinslot": _cluster_getkeysinslot,
        b"asking": _asking,
        b"readonly": _read_only,
        b"readwrite": _read_only,
    }


def _address(node: ServerThread) -> str:
    return f"{node.host}:{node.port}"


def _host_and_port(address: str) -> tuple[bytes, int]:
    host, _, port = address.rpartition(":")
    return host.encode(), int(port)


def _node_id(address: str) -> bytes:
    """The same for an address every time."""
    return sha1(address.encode()).hexdigest().encode()


def _slot_number(text: bytes) -> int | CommandError:
    slot = parse_integer(text)
    return _BAD_SLOT if slot is None or not 0 <= slot < KEY_SLOTS else slot


def _of_cluster(info: Reply) -> Reply:
    """INFO as a node of a cluster tells it."""
    if not isinstance(info, Verbatim):
        return info
    text = info.value.replace(b"cluster_enabled:0", b"cluster_enabled:1")
    return Verbatim(info.format, text.replace(b"redis_mode:standalone", b"redis_mode:cluster"))
