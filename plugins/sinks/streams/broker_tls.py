"""TLS to a broker: 1.2 or newer, always checked; a private authority and a client certificate by file."""

from __future__ import annotations

import ssl
from pathlib import Path

from gateway import client_context


def broker_context(ca: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """Reads the files. Raises OSError (ssl.SSLError is one) and ValueError for files that cannot be used."""
    context = client_context(ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context
