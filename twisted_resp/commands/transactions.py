"""The transactions group: https://redis.io/docs/latest/develop/interact/transactions/"""

from __future__ import annotations

from typing import Final

from twisted_resp import errors
from twisted_resp.commands import dispatch
from twisted_resp.commands.table import (
    ADMIN,
    ALLOW_BUSY,
    FAST,
    LOADING,
    NO_AUTH,
    NOSCRIPT,
    SKIP_SLOWLOG,
    STALE,
    command,
)
from twisted_resp.errors import CommandError
from twisted_resp.resp import NULL_ARRAY, OK, Reply
from twisted_resp.server.client import Client, Transaction

GROUP = "transactions"

_FLAGS: Final = NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY


@command("MULTI", _FLAGS, since="1.2.0", complexity="O(1)")
def multi(client: Client) -> Reply:
    """Starts a transaction."""
    if client.transaction is not None:
        raise CommandError(b"ERR MULTI calls can not be nested")
    client.transaction = Transaction()
    client.choose_state()
    return OK


@command(
    "EXEC",
    NOSCRIPT | LOADING | STALE | SKIP_SLOWLOG,
    since="1.2.0",
    complexity="Depends on commands in the transaction",
)
def exec_(client: Client) -> Reply:
    """Executes all commands in a transaction."""
    transaction = client.transaction
    if transaction is None:
        raise CommandError(b"ERR EXEC without MULTI")
    dirty = client.server.watching.is_dirty(client)
    if transaction.failed or dirty:
        client.discard_transaction()
        if transaction.failed:
            raise CommandError(errors.EXEC_ABORTED)
        return NULL_ARRAY
    client.server.watching.unwatch(client)
    client.last_command = b"exec"
    could_block, client.can_block = client.can_block, False
    client.in_exec = client.server.in_exec = True
    # Users and their rights may have changed since, or change now.
    careful = client.user.restricted or transaction.flags & (NO_AUTH | ADMIN)
    call = dispatch.call_permitted if careful else dispatch.call
    try:
        return [call(client, entry, args) for entry, args in transaction.queue]
    finally:
        client.can_block = could_block
        client.in_exec = client.server.in_exec = False
        client.discard_transaction()


@command("DISCARD", _FLAGS, since="2.0.0", complexity="O(N), when N is the number of queued commands")
def discard(client: Client) -> Reply:
    """Discards a transaction."""
    if client.transaction is None:
        raise CommandError(b"ERR DISCARD without MULTI")
    client.discard_transaction()
    return OK


@command("WATCH key [key ...]", _FLAGS, since="2.2.0", complexity="O(1) for every key.", keys=["RO"])
def watch(client: Client, *keys: bytes) -> Reply:
    """Monitors changes to keys to determine the execution of a transaction."""
    if client.transaction is not None:
        raise CommandError(b"ERR WATCH inside MULTI is not allowed")
    for key in keys:
        client.server.watching.watch(client, key)
    return OK


@command("UNWATCH", _FLAGS, since="2.2.0", complexity="O(1)")
def unwatch(client: Client) -> Reply:
    """Forgets about watched keys of a transaction."""
    client.server.watching.unwatch(client)
    return OK
