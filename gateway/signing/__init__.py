"""How forwards are signed and verified: Standard Webhooks and Ed25519."""
