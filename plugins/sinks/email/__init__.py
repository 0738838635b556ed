"""The sink `email`: one mail an event, or one digest a batch, over SMTP with TLS."""

from plugins.sinks.email.sink import Email

__all__ = ["Email"]
