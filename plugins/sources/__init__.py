"""The built-in sources: one folder or file a vendor."""
