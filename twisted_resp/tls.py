"""The TLS side of a server's configuration (``tls-*``), as OpenSSL takes it.

pyOpenSSL is an extra: whoever has no use for TLS need not install it, and hears of it where it is asked for.
https://redis.io/docs/latest/operate/oss_and_stack/management/security/encryption/
"""

from __future__ import annotations

import os
from inspect import signature
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IOpenSSLServerConnectionCreator,
    IProtocolFactory,
)
from twisted.internet.protocol import Factory
from zope.interface import implementer

if TYPE_CHECKING:
    from twisted_resp.server.configuration import Configuration

__all__ = ["TLS_PARAMETERS", "ClientContext", "ServerContext", "TlsError", "encrypted", "encrypted_client"]

#: The parameters that a context is made of.
TLS_PARAMETERS: Final = (
    b"tls-cert-file",
    b"tls-key-file",
    b"tls-key-file-pass",
    b"tls-ca-cert-file",
    b"tls-ca-cert-dir",
    b"tls-auth-clients",
    b"tls-protocols",
    b"tls-ciphers",
    b"tls-ciphersuites",
    b"tls-dh-params-file",
    b"tls-prefer-server-ciphers",
    b"tls-session-caching",
    b"tls-session-cache-size",
    b"tls-session-cache-timeout",
)
_PROTOCOLS: Final = {
    b"tlsv1": "OP_NO_TLSv1",
    b"tlsv1.1": "OP_NO_TLSv1_1",
    b"tlsv1.2": "OP_NO_TLSv1_2",
    b"tlsv1.3": "OP_NO_TLSv1_3",
}


_MISSING: Final = "TLS needs pyOpenSSL: pip install 'twisted-resp[tls]'"


class TlsError(Exception):
    """TLS can't be had with this configuration; the message says why."""


@implementer(IOpenSSLServerConnectionCreator)
class ServerContext:
    """What new connections are encrypted with: what Twisted asks for a connection of OpenSSL.

    The files are read when this is made, and again by :meth:`reload`; connections that exist keep what they have.

    :raises TlsError: the configuration or a file in it will not do.
    """

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._context = self._made()

    def serverConnectionForTLS(self, protocol: object) -> Any:  # noqa: N802 (Twisted's name)
        """The ``OpenSSL.SSL.Connection`` for the next client."""
        from OpenSSL import SSL

        return SSL.Connection(self._context, None)

    def reload(self) -> None:
        """Read the configuration and its files anew.

        :raises TlsError: they will not do; what was before goes on.
        """
        self._context = self._made()

    def _made(self) -> Any:
        return _context(self._configuration)


@implementer(IOpenSSLClientConnectionCreator)
class ClientContext:
    """What a connection to a master is encrypted with (``tls-replication``).

    We show ``tls-client-cert-file``, or our own certificate where there is none. Theirs must be of an authority that
    we know; whose name it has does not matter, as in Redis.

    :raises TlsError: the configuration or a file in it will not do.
    """

    def __init__(self, configuration: Configuration) -> None:
        self._context = _context(configuration, outgoing=True)

    def clientConnectionForTLS(self, protocol: object) -> Any:  # noqa: N802 (Twisted's name)
        """The ``OpenSSL.SSL.Connection`` to a server."""
        from OpenSSL import SSL

        return SSL.Connection(self._context, None)


def encrypted_client(factory: IProtocolFactory, configuration: Configuration, reactor: Any) -> Any:
    """A factory whose clients speak TLS to a server.

    :param reactor: the one that is to connect it.
    :raises TlsError: the configuration will not do.
    """
    return _wrapped(factory, ClientContext(configuration), True, reactor)


def _context(configuration: Configuration, outgoing: bool = False) -> Any:
    certificate, key = configuration[b"tls-cert-file"], configuration[b"tls-key-file"]
    password: bytes = configuration[b"tls-key-file-pass"]
    for needed in (b"tls-cert-file", b"tls-key-file"):
        if not configuration[needed]:
            raise TlsError(f"No {needed.decode()} configured!")
    try:
        from OpenSSL import SSL
    except ImportError:
        raise TlsError(_MISSING) from None
    if outgoing and configuration[b"tls-client-cert-file"]:
        certificate, key = configuration[b"tls-client-cert-file"], configuration[b"tls-client-key-file"]
        password = configuration[b"tls-client-key-file-pass"]
    authorities, directory = configuration[b"tls-ca-cert-file"], configuration[b"tls-ca-cert-dir"]
    clients = b"yes" if outgoing else configuration[b"tls-auth-clients"]
    speaks = configuration[b"tls-replication"] or configuration[b"tls-cluster"]
    if (clients != b"no" or speaks) and not (authorities or directory):
        raise TlsError(
            "Either tls-ca-cert-file or tls-ca-cert-dir must be specified when tls-cluster, "
            "tls-replication or tls-auth-clients are enabled!"
        )
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_options(_options(configuration, SSL))
    _try("load certificate", certificate, lambda: context.use_certificate_chain_file(certificate))
    _try("load private key", key, lambda: _use_key(context, key, password))
    _try("match certificate and private key", key, context.check_privatekey)
    if authorities or directory:
        _try(
            "configure CA certificate(s) file/directory",
            authorities or directory,
            lambda: context.load_verify_locations(authorities or None, directory or None),
        )
    modes = {
        b"no": SSL.VERIFY_NONE,
        b"optional": SSL.VERIFY_PEER,
        b"yes": SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT,
    }
    context.set_verify(modes[clients], None)
    _choose_ciphers(configuration, context)
    context.set_session_id(b"redis")
    if configuration[b"tls-session-caching"]:
        context.set_session_cache_mode(SSL.SESS_CACHE_SERVER)
        context.set_timeout(configuration[b"tls-session-cache-timeout"])
    else:
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    return context


def _options(configuration: Configuration, ssl: Any) -> int:
    options = ssl.OP_NO_SSLv2 | ssl.OP_NO_SSLv3 | ssl.OP_NO_COMPRESSION | ssl.OP_SINGLE_DH_USE
    wanted = configuration[b"tls-protocols"].lower().split() or [b"tlsv1.2", b"tlsv1.3"]
    unknown = [word for word in wanted if word not in _PROTOCOLS]
    if unknown:
        raise TlsError("Invalid tls-protocols specified. Use a combination of: TLSv1 TLSv1.1 TLSv1.2 TLSv1.3")
    for name, option in _PROTOCOLS.items():
        if name not in wanted:
            options |= getattr(ssl, option)
    if configuration[b"tls-prefer-server-ciphers"]:
        options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    return int(options)


def _choose_ciphers(configuration: Configuration, context: Any) -> None:
    ciphers, suites = configuration[b"tls-ciphers"], configuration[b"tls-ciphersuites"]
    parameters = configuration[b"tls-dh-params-file"]
    if ciphers:
        _try("configure ciphers", ciphers, lambda: context.set_cipher_list(ciphers))
    if suites:
        choose = getattr(context, "set_tls13_ciphersuites", None)
        if choose is None:
            raise TlsError("tls-ciphersuites needs a newer pyOpenSSL")
        _try("configure ciphersuites", suites, lambda: choose(suites))
    if parameters:
        _try("read DH parameters file", parameters, lambda: context.load_tmp_dh(parameters))


def _try(what: str, subject: bytes, action: Any) -> None:
    from OpenSSL import SSL

    try:
        action()
    except (SSL.Error, OSError, ValueError) as error:
        raise TlsError(f"Failed to {what}: {os.fsdecode(subject)}: {_reason(error)}") from None


def encrypted(factory: Factory, context: ServerContext, reactor: Any) -> Any:
    """A factory that serves the clients of another one over TLS.

    :param reactor: the one that it is to listen with.
    :raises TlsError: pyOpenSSL is not installed.
    """
    return _wrapped(factory, context, False, reactor)


def _wrapped(factory: IProtocolFactory, creator: Any, is_client: bool, reactor: Any) -> Any:
    try:
        from twisted.protocols.tls import TLSMemoryBIOFactory
    except ImportError:
        raise TlsError(_MISSING) from None
    # Small writes are put together in the next turn of a reactor: without a word of the process's own, which it would
    # install, and which need not run.
    options = {"clock": reactor} if "clock" in signature(TLSMemoryBIOFactory).parameters else {}
    wrapped: Any = TLSMemoryBIOFactory(creator, is_client, factory, **options)
    wrapped.noisy = False
    return wrapped


def _use_key(context: Any, path: bytes, password: bytes) -> None:
    """Have a context use the key in a file. OpenSSL itself would ask the terminal for a password."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from OpenSSL.crypto import PKey

    with open(path, "rb") as file:
        data = file.read()
    try:
        key = load_pem_private_key(data, password or None)
    except TypeError as error:
        if not password:
            raise ValueError(str(error)) from None
        key = load_pem_private_key(data, None)  # it needs none
    try:
        context.use_privatekey(key)
    except TypeError:  # pyOpenSSL before 24.3
        context.use_privatekey(PKey.from_cryptography_key(key))  # type: ignore[arg-type]


def _reason(error: Exception) -> str:
    details = error.args[0] if error.args else ""
    if isinstance(details, list) and details:
        return str(details[0][-1])
    return getattr(error, "strerror", None) or str(error)
