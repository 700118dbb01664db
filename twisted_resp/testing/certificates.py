"""Certificates for servers of tests: an authority, a server and a client, made on the spot.

They are made once a process, of elliptic keys, which takes some milliseconds, and their files go with the process.
"""

from __future__ import annotations

import os
import shutil
import ssl
import tempfile
from datetime import datetime, timedelta, timezone
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode
from weakref import finalize

__all__ = ["Certificates", "certificates"]

_DAYS: Final = 10 * 365
_MISSING: Final = "TLS needs cryptography and pyOpenSSL: pip install 'twisted-resp[tls]'"


class Certificates:
    """An authority, and the certificates of a server and a client that it has signed.

    >>> certificates = Certificates()
    >>> with ServerThread(tls=certificates) as server:
    ...     redis.Redis(port=server.port, **certificates.redis_options())

    All files are PEM, without passphrases. Those of another object are of another authority: a client that trusts
    that one refuses this server.

    :param hosts: names and addresses that the server's certificate is for.
    :param directory: where the files go; by default a new one, which goes with this object.
    :ivar ca_file: the authority's certificate, which clients trust.
    :ivar server_cert, server_key: the server's certificate and key.
    :ivar client_cert, client_key: a client's certificate and key.
    :raises RuntimeError: cryptography is not installed.
    """

    def __init__(
        self,
        hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "::1"),
        directory: str | os.PathLike[str] | None = None,
    ) -> None:
        authority = _Pair("twisted-resp test authority", None, ())
        if directory is None:
            directory = tempfile.mkdtemp(prefix="twisted-resp-tls-")
            # Not TemporaryDirectory, which warns when it goes by itself; a forked child owns nothing.
            finalize(self, _remove, directory, os.getpid())
        path = Path(directory)
        self.ca_file, _ = authority.write(path, "ca")
        self.server_cert, self.server_key = _Pair("twisted-resp test server", authority, hosts).write(
            path, "server"
        )
        self.client_cert, self.client_key = _Pair("twisted-resp test client", authority, ()).write(
            path, "client"
        )

    def ssl_context(self, client_certificate: bool = True) -> ssl.SSLContext:
        """A context for clients of the standard library: it trusts the server, and shows the client's certificate.

        :param client_certificate: whether to show one.
        """
        context = ssl.create_default_context(cafile=self.ca_file)
        if client_certificate:
            context.load_cert_chain(self.client_cert, self.client_key)
        return context

    @property
    def url_query(self) -> str:
        """The same for redis-py's URLs: ``f"{server.url}/0?{certificates.url_query}"``."""
        return urlencode(
            {
                "ssl_ca_certs": self.ca_file,
                "ssl_certfile": self.client_cert,
                "ssl_keyfile": self.client_key,
                "ssl_cert_reqs": "required",
            }
        )

    def redis_options(self, client_certificate: bool = True) -> dict[str, Any]:
        """The same for ``redis.Redis``, ``redis.asyncio.Redis`` and their clusters: keyword arguments.

        For ``from_url`` it is :attr:`url_query`.

        :param client_certificate: whether to show one.
        """
        options = {"ssl": True, "ssl_ca_certs": self.ca_file}
        if client_certificate:
            options.update(ssl_certfile=self.client_cert, ssl_keyfile=self.client_key)
        return options


@cache
def certificates() -> Certificates:
    """Those that servers of this process have unless they are given others.

    :raises RuntimeError: cryptography is not installed.
    """
    return Certificates()


class _Pair:
    """A certificate and its key.

    :param issuer: None for an authority, which signs itself.
    """

    def __init__(self, name: str, issuer: _Pair | None, hosts: tuple[str, ...]) -> None:
        try:
            from cryptography import x509
            from cryptography.hazmat.primitives import hashes
            from cryptography.hazmat.primitives.asymmetric import ec
        except ImportError:
            raise RuntimeError(_MISSING) from None
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        signer = issuer or self
        now = datetime.now(timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(signer.name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            # A day ago: clocks differ.
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=_DAYS))
            .add_extension(x509.BasicConstraints(issuer is None, None), critical=True)
            # Python 3.13 wants what the standard wants: https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), critical=False
            )
            .add_extension(_usage(issuer is None), critical=True)
        )
        if hosts:
            names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        self.certificate = builder.sign(signer.key, hashes.SHA256())

    def write(self, directory: Path, name: str) -> tuple[str, str]:
        """Write both to files; answers their paths."""
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        certificate, key = directory / f"{name}.crt", directory / f"{name}.key"
        certificate.write_bytes(self.certificate.public_bytes(Encoding.PEM))
        key.touch(mode=0o600)
        key.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return str(certificate), str(key)


def _remove(directory: str, process: int) -> None:
    if os.getpid() == process:
        shutil.rmtree(directory, ignore_errors=True)


def _usage(authority: bool) -> Any:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> Any:
    from cryptography import x509

    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
