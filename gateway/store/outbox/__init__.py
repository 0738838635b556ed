"""The rules of the outbox, once for both databases: accept, claim, settle, keep."""
