"""Callbacks of any vendor that signs with an HMAC: the signed text is a template, the fields are a map."""

from plugins.sources.hmac.source import Hmac

__all__ = ["Hmac"]
