"""Where the memory in use is, for INFO and MEMORY STATS.

Of the data set and the clients we have estimates (:mod:`~twisted_resp.server.memory`,
:mod:`~twisted_resp.server.client_memory`), of Python's own memory we have none, so allocator and fragmentation are
reported as if the allocator gave just what it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from twisted_resp.keyspace.tables import table_of
from twisted_resp.server.memory import EMPTY

if TYPE_CHECKING:
    from twisted_resp.server.server import Server

__all__ = ["MemoryReport", "memory_report"]


class MemoryReport(NamedTuple):
    """Bytes, but for ``keys``.

    :ivar replicas: what waits for replicas beyond the backlog.
    :ivar databases: for each database that has keys its index, and what its tables of keys and of expiries take.
    :ivar look_up: what of that is tables to look keys up in, without the entries.
    :ivar overhead: what of the memory in use is not data. (Backlog, scripts and the buffer of the append-only file are
        not in ``used`` either.)
    """

    used: int
    peak: int
    clients: int
    replicas: int
    backlog: int
    append_only: int
    scripts: int
    functions: int
    keys: int
    databases: list[tuple[int, int, int]]
    look_up: int
    overhead: int

    @property
    def dataset(self) -> int:
        """What the data take."""
        return max(0, self.used - self.overhead)

    @property
    def uncounted(self) -> int:
        """What keys are not evicted for."""
        return self.replicas + self.append_only


def memory_report(server: Server) -> MemoryReport:
    """Look where the memory is."""
    figures = server.scripting.figures()
    used = server.memory.used()
    server.statistics.peak_memory = max(server.statistics.peak_memory, used)
    kept = [database for database in server.keyspace.databases if len(database)]
    found = [(database.index, table_of(database.values), table_of(database.expires)) for database in kept]
    databases = [(index, keys.size, expiries.size) for index, keys, expiries in found]
    clients, replicas = server.client_memory.total(), server.client_memory.replicas()
    backlog = server.replication.backlog_length
    append_only = server.append_only.unwritten if server.append_only.enabled else 0
    scripts, functions = figures.get("scripts_eval", 0), figures.get("functions", 0)
    tables = sum(keys + expiries for _, keys, expiries in databases)
    return MemoryReport(
        used,
        server.statistics.peak_memory,
        clients,
        replicas,
        backlog,
        append_only,
        scripts,
        functions,
        sum(map(len, server.keyspace.databases)),
        databases,
        sum(keys.look_up + expiries.look_up for _, keys, expiries in found),
        EMPTY + clients + replicas + tables,
    )
