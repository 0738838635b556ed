"""Whether a server, or a file's place, has what the store asks of it."""
