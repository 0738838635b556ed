"""The options of a storage: where it is, and who we are there."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from gateway import ConfigFile, Options, Proxy, Secret, Url, suggestion

KINDS: Final = {"file": "folder", "s3": "s3", "gs": "gcs", "az": "azure"}
_BUCKET: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9])?", re.A)
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://", re.A)
_EXPECTED: Final = "a folder, or `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`"


class Credentials(Options):
    """Who we are at an object store. All left out: what the machine has (environment variables, an instance's role)."""

    access_key: Secret | None = Field(default=None, description="S3: the access key's id (AK).")
    secret_key: Secret | None = Field(default=None, description="S3: the secret access key (SK).")
    token: Secret | None = Field(default=None, description="S3: the session token of temporary keys.")
    account: str | None = Field(default=None, description="Azure: the storage account's name.")
    account_key: Secret | None = Field(default=None, description="Azure: the account's key.")
    sas: Secret | None = Field(default=None, description="Azure: a shared access signature, as the query of a URL.")
    service_account: ConfigFile | None = Field(
        default=None, description="GCS: the JSON file of a service account's key."
    )
    anonymous: bool = Field(
        default=False, description="S3 and Azure: sign nothing, for a store that lets everybody write."
    )

    @model_validator(mode="after")
    def _together(self) -> Credentials:
        if (self.access_key is None) != (self.secret_key is None):
            raise PydanticCustomError("credentials", "`access_key` and `secret_key` together, or neither")
        if self.token is not None and self.access_key is None:
            raise PydanticCustomError("credentials", "`token` goes with `access_key` and `secret_key`")
        if self.anonymous and self.model_fields_set - {"anonymous"}:
            raise PydanticCustomError("credentials", "`anonymous: true` alone, or keys")
        return self


class StorageOptions(Options):
    """Where files are kept."""

    to: str = Field(
        description="Where: a folder (a path beside the configuration file, or `file:///path`), `s3://bucket/prefix` for S3 "
        "and all that speak it (OBS, COS, OSS, MinIO), `gs://bucket/prefix`, or `az://container/prefix`."
    )
    endpoint: Url | None = Field(
        None,
        description="S3: the service's address where it is not AWS, such as `https://obs.cn-north-4.myhuaweicloud.com`; "
        "Azure and GCS: another than the usual one.",
    )
    region: str = Field("us-east-1", description="S3: the region that is signed for.", max_length=64)
    path_style: bool = Field(
        False,
        description="S3: name the bucket in the path (`https://host/bucket/key`) and not in the host. MinIO and a host that is an "
        "address want it; OBS, COS and OSS do not.",
    )
    credentials: Credentials = Field(Credentials(), description="Who we are there.")
    ca: ConfigFile | None = Field(None, description="A PEM file of authorities to trust beside the system's.")
    proxy: Proxy | None = Field(None, description="An http or https proxy on the way to the object store.")

    @field_validator("to")
    @classmethod
    def _place(cls, text: str, info: ValidationInfo) -> str:
        scheme = _SCHEME.match(text)
        if not text.strip() or not text.isprintable():
            raise PydanticCustomError("to", _EXPECTED)
        if scheme is None:
            base = (info.context or {}).get("base")
            return str(Path(text).expanduser() if base is None else Path(base) / Path(text).expanduser())
        parts = urlsplit(text)
        if scheme[1].lower() not in KINDS:
            near = suggestion(scheme[1].lower(), tuple(KINDS))
            raise PydanticCustomError("to", f"{_EXPECTED}, and no `{scheme[1]}://`{near}")
        if parts.query or parts.fragment or parts.username is not None:
            raise PydanticCustomError("to", f"{_EXPECTED}, without query and user name; keys belong into `credentials`")
        if scheme[1].lower() == "file":
            if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
                raise PydanticCustomError("to", "`file:///path`, with three slashes")
        elif not _BUCKET.fullmatch(parts.netloc):
            raise PydanticCustomError("to", f"{_EXPECTED}, with the name of a bucket")
        if any(part in (".", "..") for part in parts.path.split("/")) or "//" in parts.path:
            raise PydanticCustomError("to", f"{_EXPECTED}, without `..` and empty parts")
        return text

    @model_validator(mode="after")
    def _fits(self) -> StorageOptions:
        kind, given = self.kind, self.credentials
        fields: dict[str, tuple[str, ...]] = {
            "folder": (),
            "s3": ("access_key", "secret_key", "token", "anonymous"),
            "gcs": ("service_account",),
            "azure": ("account", "account_key", "sas", "anonymous"),
        }
        if strange := sorted(given.model_fields_set - set(fields[kind])):
            raise PydanticCustomError("storage", f"`credentials.{strange[0]}` says nothing to {_NAMES[kind]}")
        if kind == "azure" and given.account is None:
            raise PydanticCustomError("storage", "`credentials.account`: Azure's storage account")
        said = {"folder": {"endpoint", "region", "path_style", "ca", "proxy"}, "s3": set[str]()}
        idle = said.get(kind, {"region", "path_style"}) & self.model_fields_set
        if idle:
            raise PydanticCustomError("storage", f"`{sorted(idle)[0]}` says nothing to {_NAMES[kind]}")
        if kind == "s3" and self.endpoint is not None and not self.path_style and _is_address(self.endpoint):
            raise PydanticCustomError("storage", "`path_style: true`, because an address has no host for each bucket")
        return self

    @property
    def kind(self) -> str:
        """`folder`, `s3`, `gcs` or `azure`."""
        scheme = _SCHEME.match(self.to)
        return "folder" if scheme is None else KINDS[scheme[1].lower()]

    @property
    def folder(self) -> Path:
        """Of a storage of the kind `folder`."""
        return Path(unquote(urlsplit(self.to).path)) if _SCHEME.match(self.to) else Path(self.to)

    @property
    def bucket(self) -> str:
        """Of an object store."""
        return urlsplit(self.to).netloc

    @property
    def prefix(self) -> str:
        """What stands before every key in the bucket, without slashes around it."""
        return urlsplit(self.to).path.strip("/")


def _is_address(url: str) -> bool:
    try:
        ip_address(urlsplit(url).hostname or "")
    except ValueError:
        return False
    return True


_NAMES: Final = {"folder": "a folder", "s3": "S3", "gcs": "GCS", "azure": "Azure"}
