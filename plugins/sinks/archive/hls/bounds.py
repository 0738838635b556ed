"""How much of a recording's playlists is read: whoever names an address may have written what lies there."""

from __future__ import annotations

from typing import Final

PLAYLIST_BYTES_MAX: Final = 8 * 1024 * 1024  # bytes of one playlist, asked before anything looks into it
PLAYLISTS_BYTES_MAX: Final = 32 * 1024 * 1024  # bytes of all playlists of one recording: they are in memory together
LINES_MAX: Final = 200_000  # lines of one playlist: a day in segments of two seconds has half of that
LINE_CHARS_MAX: Final = 16 * 1024  # characters: a signed address has 2,000, a licence in a key's address some more
ADDRESSES_MAX: Final = 50_000  # addresses in one playlist
PLAYLISTS_MAX: Final = 128  # playlists of one recording: the master, its variants and renditions
OBJECTS_MAX: Final = 100_000  # files of one recording beside its playlists
VARIABLES_MAX: Final = 256  # variables defined in one playlist
VARIABLE_CHARS_MAX: Final = 4 * 1024  # characters of a variable's value
ADDRESS_CHARS_MAX: Final = 8 * 1024  # characters of an address with its variables filled in
KEY_BYTES_MAX: Final = 64 * 1024  # bytes of a key's file: AES-128 has 16
DATA_BYTES_MAX: Final = 16 * 1024 * 1024  # bytes of what EXT-X-SESSION-DATA names
