"""Asks vendors for their own lists of recordings, and makes events of those whose callback never came."""
