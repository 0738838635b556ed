"""The built-in plugins: they come in as everybody's do, through entry points."""
