"""Recordings: what the events of a stream are joined into, behind the callbacks."""
