"""What signs the requests of one forward: made once of its options, asked at each attempt."""

from __future__ import annotations

import functools
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from gateway import (
    CONTENT_DIGEST,
    WEBHOOK_SIGNATURE,
    MessageSigner,
    Refused,
    SignedRequest,
    WebhookKey,
    content_digest,
    message_signer,
    sender_key,
    sign_message,
    sign_webhook,
)
from plugins.sinks.forward.cloud_schemes import HuaweiAkSkScheme, OAuth2Scheme, SigV4Scheme
from plugins.sinks.forward.message_scheme import MessageSignatureScheme
from plugins.sinks.forward.signatures import GitHubScheme, Signature, StandardWebhooksScheme
from plugins.vendors.huawei_aksk import sign_call

HUB_SIGNATURE: Final = "x-hub-signature-256"


class Signers:
    """All signatures but those that stand in a body and but a token, which has to be fetched."""

    def __init__(self, signs: Sequence[Signature]) -> None:
        self.webhook_keys: tuple[WebhookKey, ...] = ()
        self.github: bytes | None = None
        self.oauth2: OAuth2Scheme | None = None
        self._message: MessageSignatureScheme | None = None
        self._message_key: MessageSigner | None = None
        self._cloud: SigV4Scheme | HuaweiAkSkScheme | None = None
        for scheme in signs:
            match scheme:
                case StandardWebhooksScheme():
                    self.webhook_keys = tuple(sender_key(secret.reveal()) for secret in scheme.secrets)
                case GitHubScheme():
                    self.github = scheme.secret.reveal().encode()
                case MessageSignatureScheme():
                    self._message = scheme
                    self._message_key = message_signer(scheme.key.reveal())
                case OAuth2Scheme():
                    self.oauth2 = scheme
                case SigV4Scheme() | HuaweiAkSkScheme():
                    self._cloud = scheme

    def load(self) -> None:
        """Load the libraries behind the keys. Raises ImportError."""
        sign_webhook("first", 0, b"", self.webhook_keys)
        if self._message_key is not None:
            self._message_key.sign(b"")

    def content_headers(self, id: str, timestamp: int, content: bytes) -> dict[str, str]:
        """What says whose these bytes are; `timestamp` is seconds since 1970."""
        headers = {}
        if self.webhook_keys:
            headers[WEBHOOK_SIGNATURE] = sign_webhook(id, timestamp, content, self.webhook_keys)
        if self.github is not None:
            headers[HUB_SIGNATURE] = "sha256=" + hmac.new(self.github, content, hashlib.sha256).hexdigest()
        return headers

    def request_headers(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes, now: datetime
    ) -> dict[str, str]:
        """What says whose this whole request is, with all its other headers; last, because it covers them. Raises Refused."""
        if self._cloud is None and self._message is None:
            return {}
        url = wire_url(url)
        added = self._message_headers(method, url, headers, content, now)
        return added | self._cloud_headers(method, url, {**headers, **added}, content, now)

    def _message_headers(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes, now: datetime
    ) -> dict[str, str]:
        if self._message is None or self._message_key is None:
            return {}
        digest = {CONTENT_DIGEST: content_digest(content)}
        created = int(now.timestamp())
        try:
            return digest | sign_message(
                SignedRequest(method, url, [*headers.items(), *digest.items()]),
                self._message_key,
                self._message.components,
                created=created,
                expires=created + int(self._message.validity.total_seconds()),
                keyid=self._message.keyid,
                label=self._message.label,
            )
        except ValueError as error:
            raise Refused(f"the request cannot be signed: {error}") from None

    def _cloud_headers(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes, now: datetime
    ) -> dict[str, str]:
        if self._cloud is None:
            return {}
        if isinstance(self._cloud, SigV4Scheme):
            return self._cloud.key().sign(method, url, headers, content, now)
        added = sign_call(
            method,
            url,
            headers,
            content,
            access_key=self._cloud.access_key,
            secret_key=self._cloud.secret_key.reveal(),
            now=now,
        )
        return {name.lower(): value for name, value in added.items()}


@functools.lru_cache(maxsize=256)
def wire_url(url: str) -> str:
    """The URL as the client sends it: a signature is over these characters."""
    import httpx  # loaded by the client long before, and too heavy for a start without a forward

    parsed = httpx.URL(url)
    return f"{parsed.raw_scheme.decode()}://{parsed.netloc.decode()}{parsed.raw_path.decode()}"
