"""The admin API under /api/v1, for those who hold a token."""
