"""The refusal of an event that is trusted less than a sink's `min_trust` asks for."""

from __future__ import annotations

from gateway import Delivery, Refused, Trust


def too_little_trust(delivery: Delivery, min_trust: Trust, who: str) -> Refused | None:
    """Why it is refused; None: it is trusted enough. `who` does what with it, such as "the sink copies fetches files"."""
    covered = delivery.event.trust
    if covered.rank >= min_trust.rank:
        return None
    return Refused(
        f"the vendor's signature covers `{covered}` of this event, and {who} only for `{min_trust}` or more (min_trust)"
    )
