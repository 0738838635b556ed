"""The options of the sink `feed`: where it lies, what it is called, and what an item says."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import quote

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from gateway import Language, Options, Trust, Url, visible
from plugins.sinks.cards.options import CardTimezone
from plugins.sinks.cards.template import TEMPLATE_CHARS_MAX, try_out
from plugins.sinks.cards.text import Invalid
from plugins.sinks.feed.publishable import AddressKind
from plugins.sinks.storage.options import StorageOptions

ITEMS_MAX: Final = 1000
_FOLDER_ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.-]{0,20}://[^\s?#]{0,1000}/", re.A)
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}://", re.A)
_FILE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,99}", re.A)


def _one_line(text: str) -> str:
    if not text.strip() or visible(text) != text:
        raise PydanticCustomError("line", "a text of one line without control characters")
    return text


def _file_name(text: str) -> str:
    if not _FILE_NAME.fullmatch(text):
        raise PydanticCustomError("file_name", "a name of letters, digits, - and _, without a folder and an end")
    return text


def _folder_address(text: str) -> str:
    if not _FOLDER_ADDRESS.fullmatch(text):
        raise PydanticCustomError(
            "folder_address", "an address that ends in a slash, such as https://media.example.com/feed/"
        )
    return text


def _image(text: str) -> str:
    if not text.lower().endswith((".jpg", ".png")):
        raise PydanticCustomError("image", "the address of a .jpg or .png, because podcast directories take no other")
    return text


OneLine = Annotated[str, Field(max_length=500), AfterValidator(_one_line)]
FileName = Annotated[str, AfterValidator(_file_name)]
FolderUrl = Annotated[Url, AfterValidator(_folder_address)]


class Served(Options):
    """Files of an archive that a web server has, too."""

    below: str = Field(
        description="The folder (a path beside the configuration file) or the address that they are stored below."
    )
    at: FolderUrl = Field(description="The address in the web that takes its place.")

    @field_validator("below")
    @classmethod
    def _as_stored(cls, text: str, info: ValidationInfo) -> str:
        """As the addresses of archived files begin."""
        if not text.strip() or not text.isprintable():
            raise PydanticCustomError("below", "a folder, or an address such as https://recordings.example.com/")
        if _SCHEME.match(text) is None:
            base = (info.context or {}).get("base")
            folder = Path(text).expanduser() if base is None else Path(base) / Path(text).expanduser()
            text = f"file://{quote(os.fsencode(folder.absolute()))}"
        return text.rstrip("/") + "/"


class FeedOptions(StorageOptions):
    """Where it lies, what it is called, and what an item says."""

    name: FileName = Field(
        "feed", description="What its files are called: NAME.xml is the RSS, NAME.json the JSON Feed."
    )
    formats: Annotated[tuple[Literal["rss", "json"], ...], Field(min_length=1)] = Field(
        ("rss", "json"), description="Which of the two are written."
    )
    title: OneLine = Field(description="What the feed is called.")
    link: Url = Field(description="The page that the feed belongs to.")
    description: OneLine | None = Field(None, description="A sentence about it; absent: its title.")
    url: FolderUrl | None = Field(
        None, description="The address under which `to` is served, so that the feed can say where it is itself."
    )
    items: int = Field(50, ge=1, le=ITEMS_MAX, description="How many recordings it lists, the newest.")
    public: tuple[Served, ...] = Field(
        (), description="Where archived files can be opened; of two that fit, the longer `below` holds."
    )
    addresses: Annotated[tuple[AddressKind, ...], Field(min_length=1)] = Field(
        ("archived", "play"),
        description="Which address of a file is published, the first that it has. A signed one never is.",
    )
    min_trust: Trust = Field(
        Trust.FIELDS,
        description="What the vendor's signature must cover at least; an event with less is refused, because anybody could "
        "have put its address there.",
    )
    author: OneLine | None = Field(None, description="Who makes the recordings, for podcast directories.")
    email: Annotated[str, Field(pattern=r"^[^@\s<>]{1,64}@[^@\s<>]{1,255}$")] | None = Field(
        None, description="The owner's address, for podcast directories. It is public."
    )
    image: Annotated[Url, AfterValidator(_image)] | None = Field(
        None, description="The feed's picture, a .jpg or .png."
    )
    category: OneLine | None = Field(None, description="A category of podcast directories, such as Education.")
    explicit: bool = Field(False, description="Whether it is not for children.")
    timezone: CardTimezone = "UTC"
    language: Language = Field(
        "en",
        description="The feed's language; its own words are Chinese for `zh`, else English. Default: `locale.language`.",
    )
    item_title: Annotated[str, Field(max_length=TEMPLATE_CHARS_MAX)] | None = Field(
        None, description="A Jinja2 template of an item's title, in the place of stream and time."
    )
    item_text: Annotated[str, Field(max_length=TEMPLATE_CHARS_MAX)] | None = Field(
        None,
        description="A Jinja2 template of an item's text, plain lines, in the place of what is known of the files.",
    )

    @field_validator("item_title", "item_text")
    @classmethod
    def _can_be_rendered(cls, text: str | None, info: ValidationInfo) -> str | None:
        given = info.data
        if text is not None and {"timezone", "language"} <= given.keys():
            try:
                try_out(text, None, given["timezone"], given["language"], "none")
            except Invalid as error:
                raise PydanticCustomError(
                    "template", "a template that works: {problem}", {"problem": str(error)}
                ) from None
        return text

    @property
    def rss_name(self) -> str:
        """Of the RSS file."""
        return f"{self.name}.xml"

    @property
    def json_name(self) -> str:
        """Of the JSON Feed."""
        return f"{self.name}.json"

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.email is not None and self.author is None:
            raise PydanticCustomError("needed", "`author` beside `email`")
        return self
