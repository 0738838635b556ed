"""Whether what is stored keeps the outbox's invariants: read-only, piece by piece, beside a gateway that runs."""
