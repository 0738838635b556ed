"""Sinks: one file a place that events are carried to."""
