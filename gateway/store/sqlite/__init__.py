"""The outbox on one SQLite file."""
