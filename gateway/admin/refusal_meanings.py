"""What each code of a refused callback means and what to do; the details of one callback are in its own text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

REFUSAL_MEANINGS: Final[Mapping[str, str]] = {
    "malformed_body": "The body cannot be read where verification or identity need it.",
    "signature_missing": "There is no signature. In the vendor's console, the callback's authentication is off, or the URL was called by somebody else.",
    "signature_mismatch": "The signature fits none of the configured keys and formulas. Compare the key, and `sign_type`, with the vendor's console.",
    "signature_expired": "It came after the time it was signed for. Look at this machine's clock, and at how long the vendor's first attempts took.",
    "validity_too_long": "It was signed for a time further ahead than `max_validity` or `tolerance` allows. Look at this machine's clock.",
    "trust_too_low": "The signature covers less than this source's `min_trust` asks for.",
    "domain_not_allowed": "The domain or the app is not in this source's `domains` or `apps`.",
    "unknown_source": "The path names no source. Compare it with `path` of the source, or its name: callbacks come to `/hooks/{path}`.",
    "source_failed": "The source plugin itself failed; the log has its traceback.",
}
