"""The way of a callback from its bytes to a committed event, and what becomes of one that is refused."""
