"""An archive into a folder of this test, and events whose files a server on loopback has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from gateway import Delivery, Done, File, FollowUp, Trust
from gateway.testing import delivery, event, opened
from plugins.sinks.archive import Archive
from tests.sinks.archive.media_server import MediaServer, media_server

HERE = "127.0.0.0/8"
KEYS = {"access_key": "AK-canary-0123456789", "secret_key": "SK-canary-0123456789"}
Opening = Callable[..., AbstractAsyncContextManager[Archive]]


@pytest.fixture
def archive(tmp_path: Path) -> Opening:
    """An opened sink; its folder is `tmp_path/kept`."""
    (tmp_path / "kept").mkdir()

    def opening(options: Mapping[str, Any] | None = None, **more: Any) -> AbstractAsyncContextManager[Archive]:
        given = {"to": str(tmp_path / "kept"), "key": "{stream}/{job_id}.{format}", "allow": HERE, **(options or {})}
        return opened(Archive, given, name="keep", **more)

    return opening


@pytest.fixture
async def server() -> AsyncIterator[MediaServer]:
    async with media_server() as one:
        yield one


def of(*urls: str, size: int | None = None, **changes: Any) -> Delivery:
    """A delivery of an event with a file at each address; `size` is what its callback says."""
    files = tuple(File(format="mp4", download_url=url, size_bytes=size) for url in urls)
    return delivery(event(**{"files": files, "trust": Trust.FIELDS, "stream": "main", "job_id": "job", **changes}))


def archived(answer: object) -> FollowUp:
    """The one event that follows."""
    assert isinstance(answer, Done), answer
    [follow_up] = answer.events
    return follow_up


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """moto's S3, with the bucket `kept`."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def place(endpoint: str, bucket: str = "kept") -> dict[str, Any]:
    return {"to": f"s3://{bucket}/live", "endpoint": endpoint, "path_style": True, "credentials": KEYS}


def archive_in(endpoint: str, tmp_path: Path, **changes: Any) -> AbstractAsyncContextManager[Archive]:
    """A sink whose bucket is at this endpoint, and whose spool is in the test's folder."""
    options = {**place(endpoint), "key": "{stream}/{name}.{format}", "allow": HERE}
    return opened(Archive, {**options, "spool": {"folder": str(tmp_path / "spool")}, **changes}, name="keep")


@pytest.fixture
def bucket(endpoint: str) -> Iterator[Any]:
    """boto3's view of it, empty."""
    import boto3

    s3 = boto3.resource(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=KEYS["access_key"],
        aws_secret_access_key=KEYS["secret_key"],
        region_name="us-east-1",
    )
    one = s3.create_bucket(Bucket="kept")
    yield one
    one.objects.all().delete()
    for upload in one.multipart_uploads.all():
        upload.abort()
    one.delete()  # because moto has one memory a process, whoever makes the next bucket of this name
