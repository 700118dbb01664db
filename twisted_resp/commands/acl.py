"""ACL and its subcommands, of the server group: https://redis.io/docs/latest/commands/?group=server"""

from __future__ import annotations

import secrets
from typing import Final

from twisted_resp import errors
from twisted_resp.acl.catalogue import CATEGORIES
from twisted_resp.acl.selectors import Selector
from twisted_resp.commands.helping import help_reply
from twisted_resp.commands.permissions import denial, look_up
from twisted_resp.commands.table import ADMIN, LOADING, NOSCRIPT, SENTINEL, STALE, command, container
from twisted_resp.errors import CommandError
from twisted_resp.resp import OK, Map, Reply, SetReply
from twisted_resp.server.client import Client
from twisted_resp.text.integers import parse_integer

GROUP = "server"

_USUAL: Final = NOSCRIPT | LOADING | STALE | SENTINEL
_ADMIN: Final = _USUAL | ADMIN
_EVERYWHERE: Final = ["request_policy:all_nodes", "response_policy:all_succeeded"]
_EACH_USER: Final = "O(N). Where N is the number of configured users."

_DEFAULT_BITS: Final = 256
_MOST_BITS: Final = 4096
_SHOWN: Final = 10

_HELP: Final = b"""
CAT [<category>]
    Return the commands in <category>, or all categories.
DELUSER <username> [<username> ...]
    Delete users, and disconnect their clients.
DRYRUN <username> <command> [<arg> ...]
    Say whether a user may run a command, without running it.
GETUSER <username>
    Return what is known of a user.
GENPASS [<bits>]
    Return a random password of 256 bits, or of <bits>.
LIST
    Return all users as lines of a configuration.
LOAD
    Replace the users by those in the ACL file.
LOG [<count> | RESET]
    Return the latest entries of the log, or empty it.
SAVE
    Write the users to the ACL file.
SETUSER <username> <rule> [<rule> ...]
    Create or change a user.
USERS
    Return the names of all users.
WHOAMI
    Return the name of this connection's user.
"""

container("ACL", "A container for Access List Control commands.", since="6.0.0", group=GROUP, flags=SENTINEL)


@command(
    "ACL CAT [category]",
    _USUAL,
    since="6.0.0",
    complexity="O(1) since the categories and commands are a fixed set.",
)
def acl_cat(client: Client, category: bytes | None = None, *rest: bytes) -> Reply:
    """Lists the ACL categories, or the commands inside a category."""
    if rest:
        raise errors.subcommand_syntax(b"ACL", client.current[1])
    if category is None:
        return [name.encode() for name in CATEGORIES]
    members = client.server.access.catalogue.members(category)
    if members is None:
        raise CommandError(b"ERR Unknown category '%b'" % errors.shown(category[:128]))
    return sorted(members)


@command(
    "ACL DELUSER username [username ...]",
    _ADMIN,
    since="6.0.0",
    complexity="O(1) amortized time considering the typical user.",
    tips=_EVERYWHERE,
)
def acl_deluser(client: Client, *names: bytes) -> Reply:
    """Deletes ACL users, and terminates their connections."""
    return client.server.access.delete(names, client)


@command("ACL DRYRUN username command [arg [arg ...]]", _ADMIN, since="7.0.0", complexity="O(1).")
def acl_dryrun(client: Client, name: bytes, *call: bytes) -> Reply:
    """Simulates the execution of a command by a user, without executing the command."""
    server = client.server
    user = server.access.find(name)
    if user is None:
        raise CommandError(b"ERR User '%b' not found" % errors.shown(name))
    args = list(call)
    entry = look_up(server, args)
    if entry is None:
        raise CommandError(b"ERR Command '%b' not found" % errors.shown(args[0]))
    if not entry.takes(len(args)):
        raise errors.wrong_arity(entry.full_name)
    denied = denial(user, entry, args)
    return OK if denied is None else denied.verdict(server, user, entry, args)


@command("ACL GENPASS [bits]", _USUAL, since="6.0.0", complexity="O(1)")
def acl_genpass(client: Client, bits: bytes | None = None, *rest: bytes) -> Reply:
    """Generates a pseudorandom, secure password that can be used to identify ACL users."""
    if rest:
        raise errors.subcommand_syntax(b"ACL", client.current[1])
    count = _DEFAULT_BITS if bits is None else parse_integer(bits)
    if count is None:
        raise CommandError(errors.NOT_AN_INTEGER)
    if not 0 < count <= _MOST_BITS:
        raise CommandError(
            b"ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to %d"
            % _MOST_BITS
        )
    # A digit for every four bits that are begun.
    return secrets.token_hex(_MOST_BITS // 8)[: (count + 3) // 4].encode()


@command(
    "ACL GETUSER username",
    _ADMIN,
    since="6.0.0",
    complexity="O(N). Where N is the number of password, command and pattern rules that the user has.",
    history=[
        ("6.2.0", "Added Pub/Sub channel patterns."),
        (
            "7.0.0",
            "Added selectors and changed the format of key and channel patterns from a list to their rule "
            "representation.",
        ),
    ],
)
def acl_getuser(client: Client, name: bytes) -> Reply:
    """Lists the ACL rules of a user."""
    user = client.server.access.find(name)
    if user is None:
        return None
    return Map(
        [
            (b"flags", SetReply(user.flags)),
            (b"passwords", list(user.passwords)),
            *_description(user.root),
            (b"selectors", [Map(_description(selector)) for selector in user.selectors[1:]]),
        ]
    )


def _description(selector: Selector) -> list[tuple[bytes, Reply]]:
    return [
        (b"commands", selector.describe_commands()),
        (b"keys", selector.describe_keys()),
        (b"channels", selector.describe_channels()),
    ]


@command("ACL LIST", _ADMIN, since="6.0.0", complexity=_EACH_USER)
def acl_list(client: Client) -> Reply:
    """Dumps the effective rules in ACL file format."""
    return [user.line for user in client.server.access.users]


@command("ACL LOAD", _ADMIN, since="6.0.0", complexity=_EACH_USER)
def acl_load(client: Client) -> Reply:
    """Reloads the rules from the configured ACL file."""
    client.server.access.load(client)
    return OK


@command(
    "ACL LOG [operation: count | RESET]",
    _ADMIN,
    since="6.0.0",
    complexity="O(N) with N being the number of entries shown.",
    history=[("7.2.0", "Added entry ID, timestamp created, and timestamp last updated.")],
)
def acl_log(client: Client, operation: bytes | None = None, *rest: bytes) -> Reply:
    """Lists recent security events generated due to ACL rules."""
    if rest:
        raise errors.subcommand_syntax(b"ACL", client.current[1])
    log = client.server.access.log
    if operation is not None and operation.lower() == b"reset":
        log.reset()
        return OK
    count = _SHOWN if operation is None else parse_integer(operation)
    if count is None:
        raise CommandError(errors.NOT_AN_INTEGER)
    now = client.server.now_ms
    shown: list[Reply] = []
    for entry in log.newest(count):
        fields: list[tuple[bytes, Reply]] = [
            (b"count", entry.count),
            (b"reason", entry.reason),
            (b"context", entry.context),
            (b"object", entry.what),
            (b"username", entry.user),
            (b"age-seconds", (now - entry.updated) / 1000),
            (b"client-info", entry.client),
        ]
        if client.server.flavour.has("7.2.0"):
            fields += [
                (b"entry-id", entry.number),
                (b"timestamp-created", entry.created),
                (b"timestamp-last-updated", entry.updated),
            ]
        shown.append(Map(fields))
    return shown


@command("ACL SAVE", _ADMIN, since="6.0.0", complexity=_EACH_USER, tips=_EVERYWHERE)
def acl_save(client: Client) -> Reply:
    """Saves the effective ACL rules in the configured ACL file."""
    client.server.access.save()
    return OK


@command(
    "ACL SETUSER username [rule [rule ...]]",
    _ADMIN,
    since="6.0.0",
    complexity="O(N). Where N is the number of rules provided.",
    tips=_EVERYWHERE,
    history=[
        ("6.2.0", "Added Pub/Sub channel patterns."),
        ("7.0.0", "Added selectors and key based permissions."),
    ],
)
def acl_setuser(client: Client, name: bytes, *rules: bytes) -> Reply:
    """Creates and modifies an ACL user and its rules."""
    client.server.access.set_user(name, rules, client)
    return OK


@command("ACL USERS", _ADMIN, since="6.0.0", complexity=_EACH_USER)
def acl_users(client: Client) -> Reply:
    """Lists all ACL users."""
    return [user.name for user in client.server.access.users]


@command("ACL WHOAMI", _USUAL, since="6.0.0", complexity="O(1)")
def acl_whoami(client: Client) -> Reply:
    """Returns the authenticated username of the current connection."""
    return client.user.name


@command("ACL HELP", LOADING | STALE | SENTINEL, since="6.0.0", complexity="O(1)")
def acl_help(client: Client) -> Reply:
    """Returns helpful text about the different subcommands."""
    return help_reply(b"ACL", _HELP)
