"""TLS contexts of targets: always verified, 1.2 or newer, unless a target's own settings say otherwise."""

from __future__ import annotations

import ssl

from gateway.egress.via import Via


def no_tls() -> ssl.SSLContext:
    """A context that trusts nobody, for connections that use none: loading the system's authorities takes 20 ms."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def context_of(via: Via) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=via.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if via.ca is None and not context.cert_store_stats()["x509_ca"]:
        import certifi

        context.load_verify_locations(certifi.where())  # a slim image may have no authorities of its own
    if not via.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if via.certificate is not None:
        context.load_cert_chain(via.certificate, via.key)
    return context
