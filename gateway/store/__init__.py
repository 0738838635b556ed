"""The outbox: what was acknowledged is kept here until it arrived. One set of rules above two thin drivers."""
