"""Certificates of an authority that is made for a test."""

from __future__ import annotations

import datetime as dt
import ipaddress
from pathlib import Path


def certificates(folder: Path, *, separate: bool = False, ends: int = 1, host: str = "127.0.0.1") -> None:
    """ca.pem, cert.pem and key.pem for a host, which end in so many days. `separate`: the authority is another than what it
    vouches for, which some programs insist on; it never ends before tomorrow. Both say whose key they have and what it is
    for, as Python 3.13 insists (RFC 5280, 4.2.1)."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    signer = ec.generate_private_key(ec.SECP256R1()) if separate else key

    def uses(*, ca: bool) -> x509.KeyUsage:
        names = "content_commitment key_encipherment data_encipherment key_agreement encipher_only decipher_only"
        return x509.KeyUsage(
            digital_signature=True, key_cert_sign=ca, crl_sign=ca, **dict.fromkeys(names.split(), False)
        )

    def issued(name: str, whose: ec.EllipticCurvePrivateKey, *, ca: bool) -> bytes:
        named = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")]))
            .public_key(whose.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=9))
            .not_valid_after(now + dt.timedelta(days=1 if ca and separate else ends))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(uses(ca=ca), critical=True)
            .add_extension(named, critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(whose.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
            .sign(signer, hashes.SHA256())
        )
        return certificate.public_bytes(pem)

    pem = serialization.Encoding.PEM
    authority = issued("test", signer, ca=True)
    (folder / "ca.pem").write_bytes(authority)
    (folder / "cert.pem").write_bytes(issued("host", key, ca=False) if separate else authority)
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
