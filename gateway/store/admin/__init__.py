"""The people's side of the store: pages, look-ups, and what a person changes."""
