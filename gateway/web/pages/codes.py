"""What the closed sets of codes are called on pages: one English text a code, which is the key of the translations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.admin.refusal_meanings import REFUSAL_MEANINGS
from gateway.web.pages.words import PageWords

CODES: Final[Mapping[str, Mapping[str, str]]] = {
    "state": {
        "waiting": "waiting",
        "sending": "sending",
        "delivered": "delivered",
        "dead": "dead",
        "unrouted": "to no sink",
    },
    "held": {
        "retry": "the next attempt",
        "circuit": "the sink to work again",
        "paused": "the sink to be resumed",
        "orphaned": "the sink to be configured again",
        "order": "an earlier one of its stream",
        "owner": "an earlier one of its owner",
        "last": "everything else, because its signature came too often",
        "rate": "its turn within the sink's rate",
        "batch": "others to be sent with",
        "consumer": "a consumer to fetch it",
    },
    "held_as": {
        "true": "held, for whatever reason",
        "false": "not held",
        "conflict": "held: conflict",
        "quarantined": "held: quarantined",
    },
    "reason": {
        "refused": "the sink refused it for good",
        "expired": "it was tried for too long",
        "cancelled": "somebody cancelled it",
        "crashed": "the gateway died with it, again and again",
        "no_owner": "nobody in the sink's table owns it",
    },
    "trust": {
        "none": "nothing",
        "timestamp": "only the time",
        "fields": "the fields",
        "body": "the whole body",
    },
    "type": {
        "recording.started": "Recording started",
        "recording.file.started": "Recording file started",
        "recording.file.completed": "Recording file completed",
        "recording.ended": "Recording ended",
        "recording.failed": "Recording failed",
        "recording.archived": "Recording archived",
        "recording.confirmed": "Recording confirmed",
        "recording.missing": "Recording missing",
        "recording.overdue": "Recording overdue",
        "recording.recovered": "Recording came after all",
        "stream.started": "Stream started",
        "stream.ended": "Stream ended",
        "recording.unknown": "Unknown callback",
        "gateway.sink.down": "A sink does not work",
        "gateway.sink.up": "A sink works again",
        "gateway.delivery.dead": "Deliveries were given up",
        "gateway.source.silent": "A source is silent",
        "gateway.source.back": "A source is back",
        "gateway.refusals": "Callbacks were refused",
        "gateway.store.limit": "The store is nearly full",
        "gateway.store.ok": "The store has room again",
        "gateway.reload.refused": "The configuration was refused",
        "gateway.event.held": "Events are held",
        "gateway.key.expiring": "A key is about to end",
    },
    "sink": {
        "ready": "works",
        "paused": "paused",
        "circuit open": "does not work",
        "waits for a consumer": "waits for a consumer",
        "not configured": "not configured",
    },
    "outcome": {
        "delivered": "delivered",
        "retry": "failed, to be tried again",
        "refused": "refused for good",
        "unavailable": "the sink does not work",
        "lost": "not known, because the gateway ended meanwhile",
    },
    "refusal": {
        "malformed_body": "The body cannot be read",
        "signature_missing": "There is no signature",
        "signature_mismatch": "The signature does not fit",
        "signature_expired": "It came too late",
        "validity_too_long": "It is valid for too long",
        "trust_too_low": "The signature covers too little",
        "domain_not_allowed": "The domain or app is not allowed",
        "unknown_source": "The path names no source",
        "source_failed": "The source plugin failed",
        "method_not_allowed": "It was no POST",
        "unsupported_media_type": "The media type is not taken",
        "body_too_large": "The body is too large",
        "body_timeout": "The body did not come in time",
        "peer_not_allowed": "The address is not allowed",
        "stopping": "The gateway was stopping",
        "unverified_budget": "Too much came at once",
        "store_unavailable": "The store could not take it",
        "too_many_contents": "Too many contents came under one id",
    },
    "refusal_meaning": REFUSAL_MEANINGS,
    "act": {
        "retry": "Retry",
        "replay": "Send again",
        "cancel": "Cancel",
        "release": "Release",
        "erase": "Erase",
        "move": "Move",
    },
    "window": {"1h": "1 hour", "24h": "24 hours", "7d": "7 days"},
    "filter": {
        "sink": "Sink",
        "reason": "Dead because",
        "state": "State",
        "held": "Waits for",
        "source": "Source",
        "type": "Type",
        "stream": "Stream",
        "domain": "Domain",
        "app": "App",
        "subject": "Subject",
        "trust": "Signature covers",
        "event": "Event",
        "since": "Since",
        "until": "Until",
    },
    "job": {
        "waiting": "waiting",
        "running": "under way",
        "done": "done",
        "cancelled": "cancelled",
        "stopped": "stopped",
        "failed": "failed",
    },
}


def says(words: PageWords, group: str, code: str) -> str:
    """The name of a code; a code that is not known here is its own name, as a newer program may have written it."""
    text = CODES[group].get(code)
    if text is None:
        return words("See the text above.") if group == "refusal_meaning" else code
    return words(text)
