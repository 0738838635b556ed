"""The one way out: every outgoing HTTP request of every sink passes through this room."""
