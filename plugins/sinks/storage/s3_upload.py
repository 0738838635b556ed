"""An upload to S3 in parts that goes on after a crash: its id is remembered, and the parts that are there are asked for.

obstore has no upload id to remember, so these few calls are made here (API: CreateMultipartUpload, UploadPart, ListParts,
CompleteMultipartUpload).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape, unescape
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

from gateway import Answer, Retry, SigV4, Unavailable, Via, failure_of
from plugins.sinks.storage.clients import CALL_SECONDS, s3_url
from plugins.sinks.storage.disk import Disk
from plugins.sinks.storage.options import StorageOptions
from plugins.sinks.storage.storage import Resume, TellSent

RESUMED_BYTES_MIN: Final = 32 * 2**20  # of a body; a shorter one begins anew as quickly
PART_SECONDS: Final = 120.0  # of one part's request
_LIST_BYTES: Final = 2**20  # of one answer that lists a thousand parts
_PART: Final = re.compile(r"<Part>(.*?)</Part>", re.S)
_CODE: Final = re.compile(r"<Code>([A-Za-z]{1,64})</Code>", re.A)


class NoSuchUpload(Exception):
    """The store has given the upload up, or never had it."""


class S3Upload:
    """One object of `size` bytes in parts of `part` bytes each, out of a file."""

    def __init__(
        self, options: StorageOptions, disk: Disk, key: str, path: Path, size: int, part: int, resume: Resume
    ) -> None:
        given = options.credentials
        assert given.access_key is not None
        assert given.secret_key is not None
        token = None if given.token is None else given.token.reveal()
        self._signer = SigV4(given.access_key.reveal(), given.secret_key.reveal(), options.region, "s3", token)
        self._via = Via(proxy=None if options.proxy is None else options.proxy.reveal(), ca=options.ca)
        whole = f"{options.prefix}/{key}" if options.prefix else key
        self._url = f"{s3_url(options)}/{quote(whole)}"
        self._place = options.to
        self._disk = disk
        self._path = path
        self._size = size
        self._part = part
        self._resume = resume

    async def send_parts(self, headers: Mapping[str, str], sent: TellSent) -> None:
        """Put what is not there yet, and join the parts. Raises Retry (what was put stays put) and Unavailable."""
        arguments = {"url": self._url, "size": self._size, "part": self._part, "headers": dict(headers)}
        memo = self._resume.memo
        upload, parts = str(memo.get("id", "")), None
        if upload and memo.get("of") == arguments:
            parts = await self._parts(upload)
        if parts is None:
            upload, parts = await self._start_upload(headers), {}
            memo.update({"id": upload, "of": arguments})
            await self._resume.keep()
        for number in range(1, -(-self._size // self._part) + 1):
            length = min(self._part, self._size - (number - 1) * self._part)
            if number not in parts:
                parts[number] = await self._put_part(upload, number, length)
            sent(length)
        await self._join(upload, parts)
        memo.clear()

    async def _start_upload(self, headers: Mapping[str, str]) -> str:
        try:
            answer = await self._call("POST", {"uploads": ""}, b"", headers)
        except NoSuchUpload:
            raise Unavailable(f"{self._place} is not there", status=404) from None
        if upload := _element_text(answer.body.decode("utf-8", "replace"), "UploadId"):
            return upload
        raise Retry(f"{self._place} began no upload: {answer.quoted}", service=True)

    async def _parts(self, upload: str) -> dict[int, str] | None:
        """The ETags of the parts that are there whole; None where the upload is not there."""
        parts: dict[int, str] = {}
        marker = "0"
        while True:
            try:
                query = {"uploadId": upload, "part-number-marker": marker, "max-parts": "1000"}
                text = (await self._call("GET", query, limit=_LIST_BYTES)).body.decode("utf-8", "replace")
            except NoSuchUpload:
                return None
            for part in _PART.findall(text):
                number, etag, size = (_element_text(part, name) for name in ("PartNumber", "ETag", "Size"))
                if number.isdecimal() and etag and size == str(self._length(int(number))):
                    parts[int(number)] = etag
            before, marker = marker, _element_text(text, "NextPartNumberMarker")
            if _element_text(text, "IsTruncated") != "true" or not marker.isdecimal() or int(marker) <= int(before):
                return parts

    def _length(self, number: int) -> int:
        return max(0, min(self._part, self._size - (number - 1) * self._part))

    async def _put_part(self, upload: str, number: int, length: int) -> str:
        def piece_of_file() -> bytes:
            with self._path.open("rb") as file:
                file.seek((number - 1) * self._part)
                return file.read(length)

        piece = await self._disk.work(piece_of_file, self._path.parent)
        try:
            answer = await self._call(
                "PUT", {"partNumber": str(number), "uploadId": upload}, piece, seconds=PART_SECONDS
            )
        except NoSuchUpload:
            self._resume.memo.clear()
            raise Retry(f"{self._place} has given up the upload; it begins anew") from None
        if etag := answer.headers.get("etag", ""):
            return str(etag)
        raise Retry(f"{self._place} gave part {number} no ETag", service=True)

    async def _join(self, upload: str, parts: Mapping[int, str]) -> None:
        listed = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(etag, quote=False)}</ETag></Part>"
            for number, etag in sorted(parts.items())
        )
        body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
        try:
            answer = await self._call("POST", {"uploadId": upload}, body, seconds=CALL_SECONDS)
        except (
            NoSuchUpload
        ):  # it was joined, and nobody heard of it; or it is gone: whoever looks for the object finds out
            self._resume.memo.clear()
            return
        if "<Error>" in (text := answer.body.decode("utf-8", "replace")):  # S3 says so in a 200
            raise Retry(
                f"{self._place} did not join the parts: {_element_text(text, 'Code') or answer.quoted}", service=True
            )

    async def _call(
        self,
        method: str,
        query: Mapping[str, str],
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        seconds: float = PART_SECONDS,
        limit: int = 64 * 1024,
    ) -> Answer:
        url = f"{self._url}?{urlencode(query, quote_via=quote)}"
        given = dict(headers or {})
        given |= self._signer.sign(method, url, given, body, self._resume.http.clock.now())
        return await self._resume.http.request(
            method,
            url,
            content=None if method == "GET" else body,
            headers=given,
            timeout=seconds,
            via=self._via,
            limit=limit,
            classify=self._judge,
        )

    def _judge(self, answer: Answer) -> None:
        if 200 <= answer.status < 300:
            return
        found = _CODE.search(answer.excerpt)
        code = found[1] if found else f"HTTP {answer.status}"
        if answer.status == 404 and code in ("NoSuchUpload", "HTTP 404"):
            raise NoSuchUpload
        if answer.status in (401, 403):
            raise Unavailable(f"{self._place} does not let us in: {code}", status=answer.status)
        if answer.status == 404:
            raise Unavailable(f"{self._place} is not there: {code}", status=answer.status)
        after = getattr(failure_of(answer), "after", None)
        raise Retry(f"{self._place}: {code}", after, status=answer.status, service=True)


def _element_text(xml: str, name: str) -> str:
    """What the first element of this name holds; empty where there is none."""
    found = re.search(rf"<{name}>([^<]*)</{name}>", xml)
    return unescape(found[1]) if found else ""
