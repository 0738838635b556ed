"""The lanes: one a sink, each with its own workers, pace and circuit, so that no sink can hurt another."""
