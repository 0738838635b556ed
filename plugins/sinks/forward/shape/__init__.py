"""Requests that are made anew for each event: templates and expressions, each value encoded for the place it stands in."""
