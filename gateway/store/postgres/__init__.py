"""The outbox on PostgreSQL, shared by many gateways."""
