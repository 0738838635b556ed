"""Seeing and steering a running gateway: one set of functions for the admin API, the pages and the command line."""
