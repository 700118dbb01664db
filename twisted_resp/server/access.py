"""Who may do what on a server: its users, how a client becomes one of them, and what it is refused.

What a user is and what rules mean stands in :mod:`twisted_resp.acl`; the check of a call, which needs to know where its
keys are, in :mod:`twisted_resp.commands.permissions`. A client whose user may do everything never comes there
(:meth:`Client.choose_state`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Callable, Final

from twisted.logger import Logger

from twisted_resp.acl.catalogue import Catalogue
from twisted_resp.acl.files import FileError, format_users, read_users
from twisted_resp.acl.log import AccessLog
from twisted_resp.acl.rules import (
    DUPLICATE_USER,
    UNKNOWN,
    RuleError,
    UnmatchedParenthesisError,
    has_spaces,
    merge_selectors,
)
from twisted_resp.acl.users import User
from twisted_resp.errors import CommandError, shown

if TYPE_CHECKING:
    from twisted_resp.server.client import Client
    from twisted_resp.server.server import Server

__all__ = ["Access"]

_log = Logger()

_DEFAULT: Final = b"default"
_NO_FILE: Final = (
    b"ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER "
    b"command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store "
    b"users in the Redis configuration."
)
_NOT_SAVED: Final = (
    b"ERR There was an error trying to save the ACLs. Please check the server logs for more information"
)
_FILE_AND_LINES: Final = (
    b"Configuring Redis with users defined in redis.conf and at the same setting an ACL file path is invalid. This "
    b"setup is very likely to lead to configuration errors and security holes, please define either an ACL file or "
    b"declare users directly in your redis.conf, but not both."
)


class Access:
    """The users of one server.

    :ivar default: the user of clients that have not said who they are.
    :ivar superuser: who is not among the users and may do everything: the master that we follow, the append-only
        file, and calls within the process.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        #: Grows with every change.
        self.revision = 0
        #: The categories of all commands; the dispatcher says.
        self.commands: Callable[[], Mapping[bytes, Iterable[str]]] = dict
        #: Why a command of a client may not run now, or None; the dispatcher says.
        self.recheck: Callable[[Client, list[bytes]], CommandError | None] = lambda client, args: None
        self.catalogue = Catalogue(lambda: self.commands())
        self.log = AccessLog()
        self.superuser = self._unrestricted()
        self.default = self._unrestricted()
        self._users: dict[bytes, User] = {_DEFAULT: self.default}
        #: The lines of a configuration, until all of it is read: rules by name.
        self._declared: dict[bytes, list[bytes]] = {}

    def _unrestricted(self) -> User:
        user = self.create(_DEFAULT)
        user.apply_all((b"+@all", b"~*", b"&*", b"on", b"nopass"))
        return user

    def create(self, name: bytes) -> User:
        """A new user, that nobody knows yet."""
        return User(name, self.catalogue, self._all_channels)

    def _all_channels(self) -> bool:
        return bool(self._server.configuration[b"acl-pubsub-default"] == b"allchannels")

    # -- who there is

    def find(self, name: bytes) -> User | None:
        """The user of a name."""
        return self._users.get(name)

    @property
    def users(self) -> list[User]:
        """All users, by name."""
        return [self._users[name] for name in sorted(self._users)]

    @property
    def password_required(self) -> bool:
        """Whether a new client has to log in."""
        return not (self.default.no_password and self.default.enabled)

    def set_default_password(self, password: bytes) -> None:
        """``requirepass``: what the default user has to know; empty for nothing."""
        self.revision += 1
        self.default.apply_all((b"resetpass", b">" + password if password else b"nopass"))

    # -- changes

    def set_user(self, name: bytes, words: Sequence[bytes], asking: Client) -> None:
        """ACL SETUSER: all the rules, or none and an error.

        :raises CommandError: in the words of Redis.
        """
        if has_spaces(name):
            raise CommandError(b"ERR Usernames can't contain spaces or null characters")
        known = self._users.get(name)
        changed = known.copy() if known is not None else self.create(name)
        try:
            rules = merge_selectors(words)
        except UnmatchedParenthesisError as error:
            raise CommandError(
                b"ERR Unmatched parenthesis in acl selector starting at '%b'." % shown(error.word)
            ) from None
        for rule in rules:
            try:
                changed.apply(rule)
            except RuleError as error:
                raise CommandError(
                    b"ERR Error in ACL SETUSER modifier '%b': %b" % (shown(rule), error.reason)
                ) from None
        self.revision += 1
        if known is None:
            self._users[name] = changed
            return
        revoked = _channels_after(changed, known)
        known.become(changed)
        for client in self._clients_of(known):
            if revoked is not None and _listens_beyond(client, revoked):
                self._disconnect(client, asking)
            else:
                client.choose_state()

    def delete(self, names: Sequence[bytes], asking: Client) -> int:
        """ACL DELUSER: remove users and disconnect their clients; answers how many there were."""
        if _DEFAULT in names:
            raise CommandError(b"ERR The 'default' user cannot be removed")
        self.revision += 1
        deleted = 0
        for name in names:
            user = self._users.pop(name, None)
            if user is not None:
                deleted += 1
                for client in self._clients_of(user):
                    self._disconnect(client, asking)
        return deleted

    def _clients_of(self, user: User) -> list[Client]:
        return [client for client in self._server.clients.values() if client.user is user]

    def _disconnect(self, client: Client, asking: Client | None) -> None:
        client.user = self.default
        client.authenticated = False
        client.choose_state()
        if client is asking:
            client.close(True)
        else:
            client.kill()

    # -- files and configurations

    @property
    def _path(self) -> bytes:
        path: bytes = self._server.configuration[b"aclfile"]
        return path

    def load(self, asking: Client | None = None) -> None:
        """ACL LOAD: replace all users by those in the ACL file, or none.

        :raises CommandError: there is no such file, or something in it is wrong.
        """
        if not self._path:
            raise CommandError(_NO_FILE)
        try:
            with open(os.path.join(self._server.directory, self._path), "rb") as file:
                data = file.read()
            users = read_users(data, self._path, self.create)
        except OSError as error:
            raise CommandError(
                b"ERR Error loading ACLs, opening file '%b': %b"
                % (self._path, (error.strerror or "").encode())
            ) from None
        except FileError as error:
            raise CommandError(b"ERR " + error.message) from None
        users.setdefault(_DEFAULT, self._unrestricted())
        self._replace(users, asking)

    def copies(self) -> list[User]:
        """All users as they are now, for :meth:`restore`."""
        return [user.copy() for user in self._users.values()]

    def restore(self, users: Iterable[User]) -> None:
        """Let the users be as they were when :meth:`copies` was called."""
        self._replace({user.name: user.copy() for user in users}, None)

    def _replace(self, users: dict[bytes, User], asking: Client | None) -> None:
        """Put other users in the place of all that there are; clients whose user is gone are disconnected."""
        self.revision += 1
        former = dict(self._users)
        former[_DEFAULT] = self.default.copy()
        self.default.become(users[_DEFAULT])
        self._users = {**users, _DEFAULT: self.default}
        for client in list(self._server.clients.values()):
            if client.is_master or client.user is self.superuser:
                continue
            user = self._users.get(client.user.name)
            revoked = None if user is None else _channels_after(user, former[client.user.name])
            if user is None or (revoked is not None and _listens_beyond(client, revoked)):
                self._disconnect(client, asking)
            else:
                client.user = user
                client.choose_state()

    def save(self) -> None:
        """ACL SAVE: write all users to the ACL file.

        :raises CommandError: it can't be written; the log has the reason.
        """
        if not self._path:
            raise CommandError(_NO_FILE)
        path = os.path.join(self._server.directory, self._path)
        temporary = b"%b.tmp-%d-%d" % (path, os.getpid(), self._server.now_ms)
        try:
            try:
                descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
                with open(descriptor, "wb") as file:
                    file.write(format_users(self.users))
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, path)
            except BaseException:
                if os.path.exists(temporary):
                    os.unlink(temporary)
                raise
        except OSError as error:
            _log.warn("Writing ACL file for ACL SAVE: {reason}", reason=error.strerror)
            raise CommandError(_NOT_SAVED) from None

    def declare(self, words: Sequence[bytes]) -> None:
        """A line ``user <name> <rule> ...`` of a configuration: keep it until :meth:`start`.

        :raises ValueError: what is wrong with it. Names of commands are looked at later.
        """
        if len(words) < 2:
            raise ValueError("Syntax error")
        name = words[1]
        if name in self._declared:
            raise ValueError(DUPLICATE_USER.decode())
        try:
            rules = merge_selectors(words[2:])
        except UnmatchedParenthesisError:
            raise ValueError("Unmatched parenthesis in selector definition.") from None
        trial = self.create(name)
        for rule in rules:
            try:
                trial.apply(rule)
            except RuleError as error:
                if error.reason != UNKNOWN:
                    raise ValueError(error.reason.decode()) from None
        self._declared[name] = rules

    def start(self) -> None:
        """Make the users that a configuration declares, or those in its ACL file.

        :raises ValueError: what is wrong with them; the server can't start.
        """
        if self._path and self._declared:
            raise ValueError(_FILE_AND_LINES.decode())
        for name, rules in self._declared.items():
            text = name.decode("utf-8", "backslashreplace")
            if has_spaces(name):
                raise ValueError("Spaces not allowed in ACL usernames")
            user = self.create(name) if name != _DEFAULT else self.default
            user.apply(b"reset")
            for rule in rules:
                try:
                    user.apply(rule)
                except RuleError as error:
                    raise ValueError(
                        f"Error loading ACL rule '{rule.decode('utf-8', 'backslashreplace')}' for the user named "
                        f"'{text}': {error.reason.decode()}"
                    ) from None
            if not user.enabled:
                _log.info(
                    "The user '{user}' is disabled (there is no 'on' modifier in the user description). Make sure "
                    "this is not a configuration error.",
                    user=text,
                )
            self._users[name] = user
        self._declared.clear()
        if self._path:
            try:
                self.load()
            except CommandError as error:
                reason = error.message[len(b"ERR ") :].decode("utf-8", "backslashreplace")
                raise ValueError(f"Aborting Redis startup because of ACL errors: {reason}") from None


def _channels_after(new: User, old: User) -> list[Callable[[bytes, bool], bool]] | None:
    """What asks whether a subscription is still allowed after a change; None where nothing was taken away."""
    if any(selector.all_channels for selector in new.selectors):
        return None
    left = {channel for selector in new.selectors for channel in selector.channels}
    if all(not selector.all_channels and selector.channels <= left for selector in old.selectors):
        return None
    return [selector.may_use for selector in new.selectors]


def _listens_beyond(client: Client, allowed: list[Callable[[bytes, bool], bool]]) -> bool:
    """Whether a client is subscribed to something that it may not be any more."""
    names = [(pattern, True) for pattern in client.patterns]
    names += [(channel, False) for channel in (*client.channels, *client.shard_channels)]
    return not all(any(may_use(name, is_pattern) for may_use in allowed) for name, is_pattern in names)
