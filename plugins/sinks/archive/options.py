"""The options of the sink `archive`: where files go, under which name, how fast, and what is checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal, cast

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from gateway import ONE_OR_MANY, ConfigPath, Options, Secret, Size, Trust, Url, between
from plugins.sinks.archive.hls.options import HlsOptions
from plugins.sinks.archive.key import DEFAULT_KEY, KeyTemplate
from plugins.sinks.holders import Answering, Networks
from plugins.sinks.storage.options import StorageOptions

EXTRA: Final = "archive"


def _template(text: str) -> str:
    try:
        KeyTemplate(text)
    except ValueError as error:
        raise PydanticCustomError("key", str(error)) from None
    return text


class SpoolOptions(Options):
    """Where a file lies until it is whole, on its way to an object store. In front of a folder it is the folder's own."""

    folder: ConfigPath = Field(
        default=Path("archive-spool"), description="Made with mode 0700. It outlives a restart, so no temporary folder."
    )
    limit: Annotated[Size, between(0)] = Field(
        default=20 * 2**30,
        description="Bytes of all files in it. A file that does not fit goes straight through, and an upload that is interrupted "
        "begins anew with the download.",
    )


class PrivateBucket(Options):
    """A bucket of the vendor's (or yours) whose objects are private, and the keys that may read below one prefix of it."""

    endpoint: Url = Field(description="The S3 service's address, such as `https://obs.cn-north-4.myhuaweicloud.com`.")
    bucket: str = Field(description="The bucket's name.", max_length=255, pattern=r"^[A-Za-z0-9._-]+$")
    prefix: str = Field(
        description="What the object's key must begin with, such as `live/`, with a slash at its end; empty is the whole bucket.",
        max_length=500,
        pattern=r"^(?:[^/].*/)?$",
    )
    region: str = Field("us-east-1", description="The region that is signed for.", max_length=64)
    path_style: bool = Field(False, description="Name the bucket in the path when signing.")
    access_key: Secret = Field(description="The access key's id (AK).")
    secret_key: Secret = Field(description="The secret access key (SK).")
    token: Secret | None = Field(None, description="The session token of temporary keys.")


class ArchiveOptions(StorageOptions):
    """Where files go, under which name, how fast, and what is checked."""

    key: Annotated[str, AfterValidator(_template)] = Field(
        DEFAULT_KEY,
        description="The name of a file below `to`: text and fields in braces, a time with a format (`{ended_at:%Y/%m/%d}`, UTC). "
        "Each value is one segment, made harmless. HLS gets a folder of this name.",
    )
    only: Annotated[tuple[str, ...], ONE_OR_MANY] = Field(
        (), description="Formats that are copied, such as `mp4`; empty: all."
    )
    min_trust: Trust = Field(
        Trust.FIELDS,
        description="What the vendor's signature must cover at least; an event with less is refused, because its address "
        "is called.",
    )
    allow: Networks = Field(
        (),
        description="Networks from which files may be fetched although they are not public, such as 10.0.0.0/8. No other "
        "private address is ever called.",
    )
    parallel: int = Field(
        4,
        ge=1,
        le=64,
        description="Transfers of this sink at once; of those that wait, the one whose link ends first goes first.",
    )
    bandwidth: Annotated[Size, between(16 * 2**10)] | None = Field(
        None,
        description="Bytes a second of all downloads of this sink together, such as `20MiB`; absent: as fast as it goes.",
    )
    max_size: Annotated[Size, between(1)] = Field(
        200 * 2**30, description="A longer file is refused, so that an answer without an end fills no disk."
    )
    verify: Literal["size", "none"] = Field(
        "size", description="`size`: compare what came with what the callback said (of HLS, its duration)."
    )
    on_mismatch: Literal["tell", "fail"] = Field(
        "tell",
        description="Where they differ: `tell` keeps the file and says so in the event that follows, `fail` refuses the delivery.",
    )
    overwrite: bool = Field(
        False,
        description="Whether another file under the same key may be written over. Otherwise the new one gets `-2`; the same "
        "file again is no second one either way.",
    )
    hls: HlsOptions = Field(
        HlsOptions(), description="Of HLS: what becomes of its keys, and how long a segment may be."
    )
    confirm: Answering = Field(Answering(), description="For whose files you answer, as for the sink `confirm`.")
    spool: SpoolOptions = Field(
        # read like one that was written, because its folder lies beside the configuration file
        cast(SpoolOptions, {}),
        description="Where files wait on their way to an object store.",
    )
    private: tuple[PrivateBucket, ...] = Field(
        (),
        description="Buckets whose objects are read with keys, and not by the link as it came. Only for an event of trust "
        "`fields` or more, only as its signed `download_url` says.",
    )

    @model_validator(mode="after")
    def _heard(self) -> ArchiveOptions:
        """What would be read and not heard is a mistake."""
        if self.kind == "folder" and "spool" in self.model_fields_set:
            raise PydanticCustomError(
                "archive", "`spool` says nothing to a folder, where files wait in `.spool` of their own"
            )
        if self.verify == "none" and "on_mismatch" in self.model_fields_set:
            raise PydanticCustomError("archive", "`on_mismatch` says nothing with `verify: none`")
        return self
