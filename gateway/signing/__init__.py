"""How requests are signed and verified: Standard Webhooks, Ed25519, and calls to clouds."""
