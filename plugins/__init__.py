"""The built-in plugins: they come in by the same door as everybody's, through entry points."""
