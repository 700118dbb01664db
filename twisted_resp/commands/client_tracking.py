"""CLIENT TRACKING and its kin, of the connection group: https://redis.io/docs/latest/commands/client-tracking/"""

from __future__ import annotations

from typing import Final

from twisted_resp import errors
from twisted_resp.commands.numbers import integer
from twisted_resp.commands.table import LOADING, NOSCRIPT, SENTINEL, STALE, command
from twisted_resp.errors import CommandError
from twisted_resp.resp import OK, Map, Reply, SetReply
from twisted_resp.server.client import Client
from twisted_resp.server.tracking import Tracking

GROUP = "connection"

_USUAL: Final = NOSCRIPT | LOADING | STALE | SENTINEL


@command(
    "CLIENT TRACKING <status: ON | OFF> [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] "
    "[OPTOUT] [NOLOOP]",
    _USUAL,
    since="6.0.0",
    complexity="O(1). Some options may introduce additional complexity.",
    types={"client-id": "integer"},
)
def client_tracking(client: Client, status: bytes, *options: bytes) -> Reply:
    """Controls server-assisted client-side caching for the connection."""
    wanted, prefixes = _read(client, options)
    which = status.upper()
    if which == b"OFF":
        client.server.tracking.disable(client)
        return OK
    if which != b"ON":
        raise CommandError(errors.SYNTAX)
    _check(client, wanted, prefixes)
    if wanted.broadcast:
        _check_prefixes(client, prefixes)
        prefixes = prefixes or [b""]
    client.server.tracking.enable(client, wanted, prefixes)
    return OK


def _read(client: Client, options: tuple[bytes, ...]) -> tuple[Tracking, list[bytes]]:
    """Read the options of CLIENT TRACKING: what is asked for, and its prefixes."""
    wanted = Tracking(client.execute)
    prefixes: list[bytes] = []
    clients = client.server.clients
    words = iter(options)
    left = len(options)
    for word in words:
        left -= 1
        name = word.upper()
        if name == b"REDIRECT" and left:
            left -= 1
            if wanted.redirect:
                raise CommandError(b"ERR A client can only redirect to a single other client")
            wanted.redirect = integer(next(words))
            if wanted.redirect not in clients:
                raise CommandError(b"ERR The client ID you want redirect to does not exist")
        elif name == b"PREFIX" and left:
            left -= 1
            prefixes.append(next(words))
        elif name == b"BCAST":
            wanted.broadcast = True
        elif name == b"OPTIN":
            wanted.opt_in = True
        elif name == b"OPTOUT":
            wanted.opt_out = True
        elif name == b"NOLOOP":
            wanted.no_loop = True
        else:
            raise CommandError(errors.SYNTAX)
    return wanted, prefixes


def _check(client: Client, wanted: Tracking, prefixes: list[bytes]) -> None:
    """See that the options go together, and with what the client has asked for before."""
    if prefixes and not wanted.broadcast:
        raise CommandError(b"ERR PREFIX option requires BCAST mode to be enabled")
    before = client.tracking
    if before is not None and before.broadcast != wanted.broadcast:
        raise CommandError(
            b"ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling "
            b"it with a different mode."
        )
    if wanted.broadcast and (wanted.opt_in or wanted.opt_out):
        raise CommandError(b"ERR OPTIN and OPTOUT are not compatible with BCAST")
    if wanted.opt_in and wanted.opt_out:
        raise CommandError(b"ERR You can't specify both OPTIN mode and OPTOUT mode")
    if before is not None and ((wanted.opt_in and before.opt_out) or (wanted.opt_out and before.opt_in)):
        raise CommandError(
            b"ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling "
            b"it with a different mode."
        )


def _check_prefixes(client: Client, prefixes: list[bytes]) -> None:
    """See that no key has two of a client's prefixes."""
    known = sorted(client.tracking.prefixes) if client.tracking is not None else []
    for number, prefix in enumerate(prefixes):
        for other in known:
            if _overlap(prefix, other):
                raise _overlapping(prefix, b"an existing prefix", other)
        for other in prefixes[number + 1 :]:
            if _overlap(prefix, other):
                raise _overlapping(prefix, b"another provided prefix", other)


def _overlap(one: bytes, other: bytes) -> bool:
    return one.startswith(other) or other.startswith(one)


def _overlapping(prefix: bytes, which: bytes, other: bytes) -> CommandError:
    return CommandError(
        b"ERR Prefix '%b' overlaps with %b '%b'. Prefixes for a single client must not overlap."
        % (prefix, which, other)
    )


@command("CLIENT CACHING <mode: YES | NO>", _USUAL, since="6.0.0", complexity="O(1)")
def client_caching(client: Client, mode: bytes) -> Reply:
    """Instructs the server whether to track the keys in the next request."""
    tracking = client.tracking
    if tracking is None:
        raise CommandError(
            b"ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode "
            b"enabled"
        )
    word = mode.upper()
    if word not in (b"YES", b"NO"):
        raise CommandError(errors.SYNTAX)
    if word == b"YES" and not tracking.opt_in:
        raise CommandError(b"ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.")
    if word == b"NO" and not tracking.opt_out:
        raise CommandError(b"ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.")
    tracking.caching = True
    return OK


@command("CLIENT GETREDIR", _USUAL, since="6.0.0", complexity="O(1)")
def client_getredir(client: Client) -> Reply:
    """Returns the client ID to which the connection's tracking notifications are redirected."""
    return -1 if client.tracking is None else client.tracking.redirect


@command("CLIENT TRACKINGINFO", _USUAL, since="6.2.0", complexity="O(1)")
def client_trackinginfo(client: Client) -> Reply:
    """Returns information about server-assisted client-side caching for the connection."""
    tracking = client.tracking
    flags = [b"off"]
    redirect = -1
    prefixes: list[bytes] = []
    if tracking is not None:
        redirect = tracking.redirect
        prefixes = sorted(tracking.prefixes)
        shown = (
            (True, b"on"),
            (tracking.broadcast, b"bcast"),
            (tracking.opt_in, b"optin"),
            (tracking.opt_in and tracking.caching, b"caching-yes"),
            (tracking.opt_out, b"optout"),
            (tracking.opt_out and tracking.caching, b"caching-no"),
            (tracking.no_loop, b"noloop"),
            (tracking.broken, b"broken_redirect"),
        )
        flags = [word for holds, word in shown if holds]
    return Map([(b"flags", SetReply(flags)), (b"redirect", redirect), (b"prefixes", prefixes)])
