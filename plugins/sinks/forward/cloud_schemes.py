"""The ways to sign a call to a cloud, as options: whose keys, for which service, and where a token is to be had."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from gateway import ONE_OR_MANY, Options, Secret, SigV4, Url

_IDENTIFIER: Final = re.compile(r"[\x21-\x7e]{1,256}", re.ASCII)
_WORDS: Final = re.compile(r"[\x20-\x7e]{1,256}", re.ASCII)
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,512}", re.ASCII)  # RFC 6749, appendix A.4


def _identifier(text: str) -> str:
    if not _IDENTIFIER.fullmatch(text):
        raise PydanticCustomError("identifier", "1 to 256 printable ASCII characters without spaces")
    return text


def _words(text: str) -> str:
    if not _WORDS.fullmatch(text):
        raise PydanticCustomError("identifier", "1 to 256 printable ASCII characters")
    return text


def _scope(text: str) -> str:
    if not _SCOPE.fullmatch(text):
        raise PydanticCustomError("scope", "a scope without spaces, quotes and backslashes; several are a list")
    return text


Identifier = Annotated[str, AfterValidator(_identifier)]
_WordsOption = Annotated[str, AfterValidator(_words)]


class SigV4Scheme(Options):
    """As AWS wants its calls signed, and whoever speaks its protocol (MinIO, many object stores)."""

    scheme: Literal["sigv4"] = Field(
        description="AWS Signature Version 4: method, path, query, headers, body and time."
    )
    access_key: Identifier = Field(description="The id of the access key (`AKIA…`, `ASIA…`).")
    secret_key: Secret = Field(description="The secret access key.")
    session_token: Secret | None = Field(None, description="The session token that belongs to temporary keys.")
    region: Identifier = Field(description="The region, such as `eu-central-1`.")
    service: Identifier = Field(
        description="The service, as its credential scope names it: `lambda`, `execute-api`, `s3`."
    )

    @model_validator(mode="after")
    def _usable(self) -> SigV4Scheme:
        try:
            self.key()
        except ValueError as error:
            raise PydanticCustomError("sigv4", "{expected}", {"expected": str(error)}) from None
        return self

    def key(self) -> SigV4:
        """What signs."""
        token = self.session_token.reveal() if self.session_token else None
        return SigV4(self.access_key, self.secret_key.reveal(), self.region, self.service, token)


class HuaweiAkSkScheme(Options):
    """As Huawei Cloud wants its calls signed: SDK-HMAC-SHA256."""

    scheme: Literal["huawei-aksk"] = Field(
        description="Huawei Cloud's SDK-HMAC-SHA256: method, path, query, headers, time, and a body in JSON."
    )
    access_key: Identifier = Field(description="The access key (AK).")
    secret_key: Secret = Field(description="The secret key (SK).")


class OAuth2Scheme(Options):
    """OAuth 2.0 client credentials (RFC 6749, 4.4): a bearer token that is fetched, kept and renewed."""

    scheme: Literal["oauth2"] = Field(
        description="A bearer token by OAuth 2.0 client credentials, kept until shortly before its end."
    )
    token_url: Url = Field(
        description="Where the token is to be had; the way there is that of `url` (proxy, `ca`, guard)."
    )
    client_id: _WordsOption = Field(description="Who asks.")
    client_secret: Secret = Field(description="The client's secret.")
    scopes: Annotated[tuple[Annotated[str, AfterValidator(_scope)], ...], ONE_OR_MANY] = Field(
        (), description="What the token is to be good for, one or several."
    )
    audience: _WordsOption | None = Field(None, description="Whom the token is for, where the server asks for that.")
    credentials: Literal["header", "body"] = Field(
        "header", description="Where id and secret stand in the request for a token: Basic authorization, or its form."
    )


AUTHORIZING: Final = frozenset({"sigv4", "huawei-aksk", "oauth2"})  # each sets the header Authorization
