"""TLS contexts of targets: always verified, 1.2 or newer, unless a target's own settings say otherwise."""

from __future__ import annotations

import ssl
import sys
from dataclasses import replace
from pathlib import Path

from gateway.egress.via import Via
from gateway.text.regular_file import require_regular


def client_context(
    ca: str | Path | None = None, certificate: str | Path | None = None, key: str | Path | None = None
) -> ssl.SSLContext:
    """As `ssl.create_default_context`, except that SSLKEYLOGFILE, which would let others read all we send, is not heard.

    `certificate` and `key` are what is shown to the target. Raises OSError (ssl.SSLError is one) for files that cannot be used.
    """
    for file in (ca, certificate, key):
        if file is not None:
            require_regular(file)  # OpenSSL would wait for a pipe that took the file's place
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # names and certificates are checked
    if sys.version_info >= (3, 13):
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    if ca is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        context.load_verify_locations(cafile=ca)
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


def no_tls() -> ssl.SSLContext:
    """A context that trusts nobody, for connections that use none: loading the system's authorities takes 20 ms."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def context_of(via: Via) -> ssl.SSLContext:
    context = client_context(via.ca, via.certificate, via.key)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if via.ca is None and not context.cert_store_stats()["x509_ca"]:
        import certifi

        context.load_verify_locations(certifi.where())  # a slim image may have no authorities of its own
    return context if via.verify else _unverified(context)


def proxy_context_of(via: Via) -> ssl.SSLContext:
    """Of a proxy that is called over TLS: it is given a password, so it is always verified, and it is shown no certificate."""
    return context_of(replace(via, verify=True, certificate=None, key=None))


def _unverified(context: ssl.SSLContext) -> ssl.SSLContext:
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
