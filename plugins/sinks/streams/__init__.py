"""What the sinks for brokers share: the message, its place, the options of a connection, and how a connection is kept."""
