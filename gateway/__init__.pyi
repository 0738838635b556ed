"""What `gateway` exports, by subject, for type checkers and editors; what each is: docs/plugins.md.

At run time `__init__.py` loads the same names when they are asked for; a test compares both.
"""

from gateway.version import __version__ as __version__

# events: what happened to a recording
from gateway.model import (
    Event as Event,
    File as File,
    Fault as Fault,
    Storage as Storage,
    Measured as Measured,
    Archived as Archived,
    Cause as Cause,
    Alarm as Alarm,
    Trust as Trust,
    Verified as Verified,
    Seal as Seal,
    event_id as event_id,
)
from gateway.events.cloudevents import (
    from_document as from_document,
    to_document as to_document,
    to_json as to_json,
    format_time as format_time,
)
from gateway.events.samples import sample as sample

# types of events
from gateway.model import (
    EVENT_TYPES as EVENT_TYPES,
    RECORDING_STARTED as RECORDING_STARTED,
    FILE_STARTED as FILE_STARTED,
    FILE_COMPLETED as FILE_COMPLETED,
    RECORDING_ENDED as RECORDING_ENDED,
    RECORDING_FAILED as RECORDING_FAILED,
    RECORDING_UNKNOWN as RECORDING_UNKNOWN,
    RECORDING_ARCHIVED as RECORDING_ARCHIVED,
    RECORDING_CONFIRMED as RECORDING_CONFIRMED,
    RECORDING_MISSING as RECORDING_MISSING,
    RECORDING_OVERDUE as RECORDING_OVERDUE,
    RECORDING_RECOVERED as RECORDING_RECOVERED,
    STREAM_STARTED as STREAM_STARTED,
    STREAM_ENDED as STREAM_ENDED,
)

# plugins: what is inherited from, and what is handed over
from gateway.plugin.base import (
    Source as Source,
    Response as Response,
    Scene as Scene,
    Played as Played,
    Sink as Sink,
)
from gateway.plugin.options import Options as Options
from gateway.plugin.callback import Callback as Callback
from gateway.model import (
    Delivery as Delivery,
    Attempt as Attempt,
    Outcome as Outcome,
    Progress as Progress,
)
from gateway.follow_up import (
    DeliveryResult as DeliveryResult,
    Done as Done,
    FollowUp as FollowUp,
)
from gateway.plugin.hookspecs import hookimpl as hookimpl

# errors: what a source and a sink say when they cannot
from gateway.errors import (
    Untrusted as Untrusted,
    Malformed as Malformed,
    DeliveryFailed as DeliveryFailed,
    Retry as Retry,
    Refused as Refused,
    Unavailable as Unavailable,
    Stopping as Stopping,
)

# options: types of fields
from gateway.fields import (
    ConfigFile as ConfigFile,
    ConfigPath as ConfigPath,
    Duration as Duration,
    Glob as Glob,
    Globs as Globs,
    Language as Language,
    Rate as Rate,
    Secret as Secret,
    SecretUrl as SecretUrl,
    Size as Size,
    Timezone as Timezone,
    Url as Url,
    ONE_OR_MANY as ONE_OR_MANY,
    Proxy as Proxy,
    between as between,
    secret as secret,
)

# targets: what is called, and what its answers mean
from gateway.egress.client import Http as Http
from gateway.egress.via import Via as Via
from gateway.egress.guard import (
    AddressGuard as AddressGuard,
    Forbidden as Forbidden,
)
from gateway.egress.answers import (
    Answer as Answer,
    Classify as Classify,
    judge as judge,
    failure_of as failure_of,
)
from gateway.egress.worker import BlockingWorker as BlockingWorker

# texts: what came from outside, made fit to be shown
from gateway.text.redaction import (
    redact as redact,
    redact_start as redact_start,
)
from gateway.text.escaping import visible as visible
from gateway.text.inert_text import inert as inert

# signatures
from gateway.signing.shared_keys import InvalidSignature as InvalidSignature
from gateway.signing.standard_webhooks import (
    WebhookKey as WebhookKey,
    sender_key as sender_key,
    sign_webhook as sign_webhook,
    verify_webhook as verify_webhook,
)

# provisional: events
from gateway.model import (
    ALL_TYPES as ALL_TYPES,
    ALARM_TYPES as ALARM_TYPES,
    SINK_DOWN as SINK_DOWN,
    SINK_UP as SINK_UP,
    DELIVERY_DEAD as DELIVERY_DEAD,
    SOURCE_SILENT as SOURCE_SILENT,
    SOURCE_BACK as SOURCE_BACK,
    REFUSALS as REFUSALS,
    STORE_LIMIT as STORE_LIMIT,
    STORE_OK as STORE_OK,
    RELOAD_REFUSED as RELOAD_REFUSED,
    EVENT_HELD as EVENT_HELD,
    KEY_EXPIRING as KEY_EXPIRING,
)
from gateway.events.alarm_text import alarm_text as alarm_text
from gateway.events.bearer_link import carries_credential as carries_credential
from gateway.events.binary_mode import (
    ATTRIBUTE_BYTES_MAX as ATTRIBUTE_BYTES_MAX,
    CLOUDEVENTS_JSON as CLOUDEVENTS_JSON,
    HEADER_PLAIN as HEADER_PLAIN,
    attribute_bytes_max as attribute_bytes_max,
    to_binary as to_binary,
)
from gateway.model import Erased as Erased
from gateway.events.cloudevents import (
    SOURCE_PREFIX as SOURCE_PREFIX,
    parse_time as parse_time,
)
from gateway.model import order_key as order_key

# provisional: sources
from gateway.plugin.vendor_api import (
    CallbackConfiguration as CallbackConfiguration,
    ListSpan as ListSpan,
    ListedPage as ListedPage,
    Reconcile as Reconcile,
)

# provisional: options
from gateway.fields import (
    CaFile as CaFile,
    MAY_BE_EMPTY as MAY_BE_EMPTY,
)
from gateway.text.signing_key import SigningKey as SigningKey
from gateway.text.suggest import suggestion as suggestion

# provisional: targets
from gateway.fields.hosts import is_loopback as is_loopback
from gateway.egress.reach import (
    reach as reach,
    reach_url as reach_url,
)
from gateway.egress.tls import client_context as client_context
from gateway.egress.faults import network_failure as network_failure
from gateway.egress.client import ANSWER_BYTES_MAX as ANSWER_BYTES_MAX
from gateway.egress.answers import (
    RETRY_AFTER_MAX as RETRY_AFTER_MAX,
    RETRY_AFTER_MIN as RETRY_AFTER_MIN,
)
from gateway.egress.worker import (
    computed as computed,
    is_small as is_small,
)
from gateway.runtime.sliding_window import SlidingWindow as SlidingWindow
from gateway.runtime.file_sync import sync_path as sync_path
from gateway.text.regular_file import (
    open_regular as open_regular,
    require_libpq_files as require_libpq_files,
    require_regular as require_regular,
)
from gateway.runtime.traces import trace_headers as trace_headers

# provisional: texts
from gateway.text.redaction import (
    MASK as MASK,
    learn_passing_secret as learn_passing_secret,
    learn_secret as learn_secret,
)
from gateway.text.escaping import (
    quoted as quoted,
    visible_json as visible_json,
)
from gateway.text.inert_text import without_gaps as without_gaps
from gateway.text.credentials import without_credentials as without_credentials
from gateway.compact_json import (
    encode_json as encode_json,
    encode_json_sorted as encode_json_sorted,
    encode_json_ascii as encode_json_ascii,
)
from gateway.text.strict_json import (
    TEXT_BYTES_MAX as TEXT_BYTES_MAX,
    decode_document as decode_document,
)

# provisional: signatures
from gateway.signing.sigv4 import SigV4 as SigV4
from gateway.signing.content_digest import (
    CONTENT_DIGEST as CONTENT_DIGEST,
    content_digest as content_digest,
)
from gateway.signing.http_messages import (
    sign_message as sign_message,
    verify_message as verify_message,
)
from gateway.signing.message_components import (
    SignedRequest as SignedRequest,
    component_problem as component_problem,
)
from gateway.signing.message_keys import (
    message_signer as message_signer,
    message_verifier as message_verifier,
    MessageSigner as MessageSigner,
)
from gateway.signing.shared_keys import signing_key as signing_key
from gateway.signing.standard_webhooks import (
    WEBHOOK_ID as WEBHOOK_ID,
    WEBHOOK_SIGNATURE as WEBHOOK_SIGNATURE,
    WEBHOOK_TIMESTAMP as WEBHOOK_TIMESTAMP,
)
