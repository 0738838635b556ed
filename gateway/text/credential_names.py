"""Which names of fields spell a credential: one table of words and of their exceptions, for every source and plugin."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from typing import Final

_NAMES_CACHED_MAX: Final = 4096  # verdicts kept; a vendor's fields are a few hundred names
_NAME_CHARS_MAX: Final = 256  # characters looked at

_WORD: Final = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+[0-9]*|[A-Z]+[0-9]*")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


SECRETS: Final = _set(
    "secret secrets password passwords passwd passwds pwd passcode passcodes passphrase passphrases credential credentials "
    "cred creds cookie cookies jwt jwts authorization token tokens bearer csrf xsrf otp totp passkey passkeys apikey apikeys "
    "authkey accesskey accesskeys secretkey streamkey privatekey sharedkey signkey signingkey authsign authtoken authcode dsn mnemonic"
)
"""Words that name a credential wherever they stand in a name."""

LAST: Final = _set("signature signatures sign sig hmac auth oauth pass pin sas")
"""Words that name one at the end of a name only: `auth_sign`, but not `sign_type`."""

ENDS: Final = ("secret", "password", "passwd", "passcode", "passphrase", "credential", "credentials", "token", "signature",
               "apikey", "accesskey", "authkey", "secretkey", "streamkey", "privatekey", "signingkey", "sessionkey",
               "masterkey", "sharedkey", "licensekey", "encryptionkey", "clientkey", "accountkey", "publishkey", "pushkey",
               "ingestkey", "rtmpkey", "authorization", "cookie", "jwt")  # fmt: skip
"""The same where a name is written in one: `streamkey`, `wssecret`, `XAUTHTOKEN`."""

PAIRS: Final = frozenset(
    {("access", "code"), ("auth", "code"), ("authorization", "code"), ("security", "code"), ("verification", "code"),
     ("pin", "code"), ("mfa", "code"), ("recovery", "code"), ("backup", "code"), ("login", "code"), ("connection", "string"), ("access", "key"), ("auth", "timestamp")}
)  # fmt: skip
"""Two words that name one together, `access_key` also before `_id`; `auth_timestamp` because it is half of a signature."""

OF_A_SECRET: Final = _set(
    "api access auth authentication authorization account admin aes app application client cloud consumer content crypto "
    "decrypt decryption deploy drm encrypt encryption hls host hmac ingest integration jwt license licence live master "
    "oauth partner private publish publisher push relay rsa rtmp rtmps secret secure security server service session shared sign "
    "signing srt ssh ssl stream streaming subscription tls user webhook write read x"
)
"""Words before `key` that make a secret of it whatever follows: `stream_key_value`, `api_key_base64`."""

OF_NO_SECRET: Final = _set(
    "public object objects storage file files filename s3 oss cos obs gcs blob bucket media asset folder directory dir path "
    "prefix image thumbnail thumb poster snapshot video audio source src destination dest target input output upload "
    "manifest playlist segment chunk part recording record recordings partition sort primary foreign row cache routing "
    "idempotency dedup dedupe deduplication event map lookup index locale translation message label tag group order "
    "sorting hot short shortcut arrow enter space escape tab function soft dtmf pressed any foreign candidate composite "
    "unique natural surrogate column field json hash range music musical metric template parent child root node item entry "
    "document doc backup archive"
)
"""Words before `key` that make the name of a thing of it: `object_key`, `public_key`, `sort_key`."""

ABOUT: Final = _set(
    "count counts length size type kind expiry expires expired expire expiration at in ttl policy policies required require "
    "enabled enable disabled protected protection present exists version algorithm alg limit limits usage used format "
    "strength scheme method mode status state consent budget bucket rate rotation rotated age frame frames interval "
    "intervals endpoint issuer uri url"
)
"""Words that, at the end, say something about a credential and are none: `token_count`, `password_required`."""

ASKED: Final = _set("has is needs requires require use uses with without max min total num number count any no")
"""Words that, at the beginning, do the same: `has_password`, `max_tokens`."""

_KEY: Final = frozenset({"key", "keys"})
_KEY_ITSELF: Final = _set("value values data hex base material pair pairs pem plaintext text string")
_OBJECT_PARENTS: Final = _set("storage object file s3 oss cos obs gcs blob bucket artifact asset segment")
_OBJECT_SIBLINGS: Final = frozenset(
    {"bucket", "bucketname", "bucketarn", "region", "location", "etag", "object", "path", "prefix", "container", "storage",
     "size", "versionid", "sequencer"}
)  # fmt: skip
_NUMBERED: Final = frozenset({"s3"})  # whose digit is part of the word
_ELSEWHERE: Final = ("密码", "密钥", "口令", "令牌", "秘钥")
_NO_SIGN: Final = _set("call plus minus dollar equals percent pound vital star zodiac traffic stop road")
VALUES: Final = ("value", "val", "v", "content")
"""Names beside `key` or `name` in a pair."""


def names_credential(name: str) -> bool:
    """Whether a field of this name, in no particular place, holds a credential."""
    return verdict_of(name) is not False


@lru_cache(_NAMES_CACHED_MAX)
def verdict_of(name: str) -> bool | None:
    """True or False, or None for a bare `key`, which only its place can tell."""
    words = words_of(name)
    if not words:
        return any(word in name for word in _ELSEWHERE)
    if words in (["key"], ["keys"]):
        return None
    first, last = words[0], words[-1]
    if last in ABOUT or (len(words) > 1 and first in ASKED):
        return False
    if any(word in SECRETS for word in words) or any(pair in PAIRS for pair in pairwise(words)):
        return not _is_consumed(words)
    if last in LAST:
        return not (last == "sign" and len(words) > 1 and words[-2] in _NO_SIGN)
    together = "".join(words)
    return together.endswith(ENDS) or _is_secret_key(words)


def _is_secret_key(words: list[str]) -> bool:
    for at, word in enumerate(words):
        if word not in _KEY or at == 0:
            continue
        before, after = words[at - 1], words[at + 1 :]
        if not after:
            return before not in OF_NO_SECRET
        if before in OF_A_SECRET and before not in OF_NO_SECRET and after != ["id"] and after[-1] != "name":
            return True
        if after[-1] in _KEY_ITSELF and before not in OF_NO_SECRET:
            return True
    if words[0] in _KEY and len(words) > 1:
        return words[-1] in {"material", "pem", "plaintext", "hex", "pair"}
    return False


def _is_consumed(words: list[str]) -> bool:
    """`prompt_tokens` and `tokens_used` count what a language model read."""
    return "tokens" in words and bool({"prompt", "completion", "input", "output", "cached", "used"} & set(words))


def is_bare_key_secret(parent: str, names: Iterable[str]) -> bool:
    """Whether a bare `key` is a credential in an object with these names, which its own parent calls so.

    It is the name of a thing where the object is a stored one, or says a bucket or a value beside it.
    """
    beside = set(names)
    if any(verdict_of(name) for name in beside):
        return True  # {key: …, secret: …} is a login, wherever it stands
    words = words_of(parent)
    if words and not _OBJECT_PARENTS.isdisjoint({words[-1], words[-1].removesuffix("s")}):
        return False
    together = {"".join(words_of(name)) for name in beside}
    return _OBJECT_SIBLINGS.isdisjoint(together) and together.isdisjoint(VALUES)


def words_of(name: str) -> list[str]:
    """`streamKey2`, `stream-key` and `STREAM_KEY` are all [stream, key]."""
    plain = name if name.isascii() else unicodedata.normalize("NFKC", name)
    found = (word.lower() for word in _WORD.findall(plain))
    return [word if word in _NUMBERED else word.rstrip("0123456789") for word in found]
