"""Owners: whose chat, mail or URL a sink's event goes to, out of a table that the configuration names."""
