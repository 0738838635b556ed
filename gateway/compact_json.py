"""JSON as it is stored, sent and hashed: no blanks, and no number that JSON does not have. Every such encoder is here.

Each is made once, because making one costs as much as a short text.
"""

from __future__ import annotations

import json
from typing import Final

import msgspec

_BARE: Final = (",", ":")

encode_json: Final = json.JSONEncoder(ensure_ascii=False, separators=_BARE, allow_nan=False).encode
"""The text of a value, letters as they are. Raises ValueError for NaN and infinity, TypeError for what JSON does not know."""
encode_json_sorted: Final = json.JSONEncoder(
    ensure_ascii=False, separators=_BARE, allow_nan=False, sort_keys=True
).encode
"""`encode_json` with the keys in order, so that equal values are equal texts: for hashes, and for repeats byte for byte."""
encode_json_ascii: Final = json.JSONEncoder(separators=_BARE, allow_nan=False).encode
"""`encode_json` with every other letter as an escape: for what goes through hands that know no UTF-8."""
encode_json_or_str: Final = json.JSONEncoder(ensure_ascii=False, separators=_BARE, default=str).encode
"""For people, who would rather read something odd than nothing: what JSON does not know is written by `str`."""
encode_json_or_str_ascii: Final = json.JSONEncoder(separators=_BARE, default=str).encode
"""`encode_json_or_str` for a log that is read by programs which know no UTF-8."""
encode_struct: Final = msgspec.json.Encoder().encode
"""The bytes of a Struct, a time, or plain values, in a tenth of the time. It spells some fractions in another way, and
writes null for NaN: only for what was looked at, or is read back here."""
encode_struct_or_str: Final = msgspec.json.Encoder(enc_hook=str).encode
"""`encode_struct` for people: what it does not know is written by `str`."""
encode_structs_or_str: Final = msgspec.json.Encoder(enc_hook=str).encode_lines
"""The same of many, each on a line of its own."""
