"""One file a chat service: its card, its limits, its signature, and what its answers mean."""
