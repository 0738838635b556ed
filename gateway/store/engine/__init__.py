"""What runs the rules: one writer with its queue, one reader, sessions, migrations."""
