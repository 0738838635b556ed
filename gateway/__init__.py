"""Recording Gateway: what a plugin author imports. What is not in `__all__` is private.

Names are loaded when they are first asked for, because `gateway health` and `gateway --help` must not pay for the rest.
`__init__.pyi` beside this says the same to type checkers and editors.
"""

from __future__ import annotations

import importlib
from typing import Final

from gateway.version import __version__

_STABLE: Final = (
    # events: what happened to a recording
    ("gateway.model", "Event File Fault Storage Measured Archived Cause Alarm Trust Verified Seal event_id"),
    ("gateway.events.cloudevents", "from_document to_document to_json format_time"),
    ("gateway.events.samples", "sample"),
    # types of events
    ("gateway.model", "EVENT_TYPES RECORDING_STARTED FILE_STARTED FILE_COMPLETED RECORDING_ENDED RECORDING_FAILED"),
    ("gateway.model", "RECORDING_ARCHIVED RECORDING_CONFIRMED RECORDING_MISSING RECORDING_OVERDUE RECORDING_RECOVERED"),
    ("gateway.model", "RECORDING_UNKNOWN STREAM_STARTED STREAM_ENDED"),
    # plugins: what is inherited from, and what is handed over
    ("gateway.plugin.callback", "Callback"),
    ("gateway.plugin.base", "Source Response Scene Played Sink"),
    ("gateway.plugin.options", "Options"),
    ("gateway.model", "Delivery Attempt Outcome Progress"),
    ("gateway.follow_up", "DeliveryResult Done FollowUp"),
    ("gateway.plugin.hookspecs", "hookimpl"),
    # errors: what a source and a sink say when they cannot
    ("gateway.errors", "Untrusted Malformed DeliveryFailed Retry Refused Unavailable Stopping"),
    # options: types of fields
    ("gateway.fields", "ConfigFile ConfigPath Duration Glob Globs Language Rate Secret SecretUrl Size Timezone Url"),
    ("gateway.fields", "ONE_OR_MANY Proxy between secret"),
    # targets: what is called, and what its answers mean
    ("gateway.egress.client", "Http"),
    ("gateway.egress.via", "Via"),
    ("gateway.egress.guard", "AddressGuard Forbidden"),
    ("gateway.egress.answers", "Answer Classify judge failure_of"),
    ("gateway.egress.worker", "BlockingWorker"),
    # texts: what came from outside, made fit to be shown
    ("gateway.text.redaction", "redact redact_start"),
    ("gateway.text.escaping", "visible"),
    ("gateway.text.inert_text", "inert"),
    # signatures
    ("gateway.signing.shared_keys", "InvalidSignature"),
    ("gateway.signing.standard_webhooks", "WebhookKey sender_key sign_webhook verify_webhook"),
)
_PROVISIONAL: Final = (
    # events
    ("gateway.model", "ALL_TYPES ALARM_TYPES SINK_DOWN SINK_UP DELIVERY_DEAD SOURCE_SILENT SOURCE_BACK REFUSALS"),
    ("gateway.model", "STORE_LIMIT STORE_OK RELOAD_REFUSED EVENT_HELD KEY_EXPIRING"),
    ("gateway.events.alarm_text", "alarm_text"),
    ("gateway.events.bearer_link", "carries_credential"),
    ("gateway.events.binary_mode", "ATTRIBUTE_BYTES_MAX CLOUDEVENTS_JSON HEADER_PLAIN attribute_bytes_max to_binary"),
    ("gateway.model", "Erased"),
    # sources: what the vendor's own API says
    ("gateway.plugin.vendor_api", "CallbackConfiguration ListSpan ListedPage Reconcile"),
    ("gateway.events.cloudevents", "SOURCE_PREFIX parse_time"),
    ("gateway.model", "order_key"),
    # options
    ("gateway.fields", "CaFile MAY_BE_EMPTY"),
    ("gateway.text.signing_key", "SigningKey"),
    ("gateway.text.suggest", "suggestion"),
    # targets
    ("gateway.fields.hosts", "is_loopback"),
    ("gateway.egress.reach", "reach reach_url"),
    ("gateway.egress.tls", "client_context"),
    ("gateway.egress.faults", "network_failure"),
    ("gateway.egress.client", "ANSWER_BYTES_MAX"),
    ("gateway.egress.answers", "RETRY_AFTER_MAX RETRY_AFTER_MIN"),
    ("gateway.egress.worker", "computed is_small"),
    ("gateway.runtime.traces", "trace_headers"),
    ("gateway.runtime.sliding_window", "SlidingWindow"),
    ("gateway.runtime.file_sync", "sync_path"),
    ("gateway.text.regular_file", "open_regular require_libpq_files require_regular"),
    # texts
    ("gateway.text.redaction", "MASK learn_passing_secret learn_secret"),
    ("gateway.text.escaping", "quoted visible_json"),
    ("gateway.text.inert_text", "without_gaps"),
    ("gateway.text.credentials", "without_credentials"),
    ("gateway.text.strict_json", "TEXT_BYTES_MAX decode_document"),
    ("gateway.compact_json", "encode_json encode_json_sorted encode_json_ascii"),
    # signatures
    ("gateway.signing.sigv4", "SigV4"),
    ("gateway.signing.content_digest", "CONTENT_DIGEST content_digest"),
    ("gateway.signing.http_messages", "sign_message verify_message"),
    ("gateway.signing.message_components", "SignedRequest component_problem"),
    ("gateway.signing.message_keys", "message_signer message_verifier MessageSigner"),
    ("gateway.signing.shared_keys", "signing_key"),
    ("gateway.signing.standard_webhooks", "WEBHOOK_ID WEBHOOK_SIGNATURE WEBHOOK_TIMESTAMP"),
)
_ROOM_OF: Final = {name: room for room, names in (*_STABLE, *_PROVISIONAL) for name in names.split()}

__all__ = ["__version__", *sorted(_ROOM_OF)]  # noqa: PLE0604  # because ruff cannot see that they are strings


def __getattr__(name: str) -> object:
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'gateway' has no attribute {name!r}")
    value: object = getattr(importlib.import_module(_ROOM_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
