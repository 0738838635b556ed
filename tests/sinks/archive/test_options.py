"""Options of the archive: each mistake in words, and a client for each kind of store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from plugins.sinks.archive import ArchiveOptions
from plugins.sinks.archive.sink import open_storage
from plugins.sinks.storage.clients import make_store
from plugins.sinks.storage.options import StorageOptions

OBS = "https://obs.cn-north-4.myhuaweicloud.com"
KEYS = {"access_key": "AK-canary-0123456789", "secret_key": "SK-canary-0123456789"}
AZURE = {"account": "acc", "account_key": "QUtjYW5hcnk="}
PRIVATE = {"endpoint": OBS, "bucket": "vendor", **KEYS}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"to": ""}, "a folder, or `s3://bucket/prefix`"),
        ({"to": "s3:///x"}, "with the name of a bucket"),
        ({"to": "s4://bucket"}, "and no `s4://`; there are: file, s3, gs, az"),
        ({"to": "https://bucket.s3.example.com"}, "and no `https://`"),
        ({"to": "s3://AK:SK@bucket"}, "keys belong into `credentials`"),
        ({"to": "s3://bucket/a?x=1"}, "without query"),
        ({"to": "s3://bucket/../x"}, "without `..`"),
        ({"to": "s3://bucket//x"}, "without `..` and empty parts"),
        ({"to": "file://host/x"}, "with three slashes"),
        ({"to": "x", "endpoint": OBS}, "`endpoint` says nothing to a folder"),
        ({"to": "x", "credentials": KEYS}, "says nothing to a folder"),
        ({"to": "x", "spool": {"limit": 1}}, "`spool` says nothing to a folder"),
        ({"to": "x", "verify": "none", "on_mismatch": "fail"}, "`on_mismatch` says nothing with `verify: none`"),
        ({"to": "x", "bandwidth": "1KiB"}, "at least 16KiB"),
        ({"to": "x", "allow": "10.0.0.0/33"}, "an address or a network"),
        ({"to": "s3://bucket", "credentials": {"access_key": "x"}}, "together, or neither"),
        ({"to": "s3://bucket", "credentials": {"token": "x"}}, "`token` goes with"),
        ({"to": "s3://bucket", "credentials": {"anonymous": True, **KEYS}}, "alone, or keys"),
        ({"to": "s3://bucket", "credentials": AZURE}, "`credentials.account` says nothing to S3"),
        ({"to": "s3://bucket", "endpoint": "http://127.0.0.1:9000"}, "`path_style: true`"),
        ({"to": "gs://bucket", "credentials": {"anonymous": True}}, "`credentials.anonymous` says nothing to GCS"),
        ({"to": "gs://bucket", "region": "x"}, "`region` says nothing to GCS"),
        ({"to": "az://container"}, "`credentials.account`"),
        ({"to": "x", "private": [{**PRIVATE, "prefix": "live"}]}, "pattern"),
        ({"to": "x", "private": [{**PRIVATE, "prefix": "/live/"}]}, "pattern"),
    ],
)
def test_a_mistake_is_said_in_words_and_shows_no_key(options: Mapping[str, Any], text: str) -> None:
    with pytest.raises(ValidationError) as raised:
        ArchiveOptions.model_validate(options)
    said = [error["msg"] for error in raised.value.errors(include_input=False)]
    assert any(text in one for one in said), said
    assert "canary" not in str(said)


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ({"to": "/srv/a b"}, "file:///srv/a%20b/x/y%20%252F.mp4"),
        ({"to": "file:///srv/a%20b"}, "file:///srv/a%20b/x/y%20%252F.mp4"),
        ({"to": "s3://bucket/p/", "credentials": KEYS}, "https://bucket.s3.us-east-1.amazonaws.com/p/x/y%20%252F.mp4"),
        (
            {"to": "s3://bucket", "endpoint": OBS, "region": "cn-north-4", "credentials": {**KEYS, "token": "t"}},
            "https://bucket.obs.cn-north-4.myhuaweicloud.com/x/y%20%252F.mp4",
        ),
        (
            {"to": "s3://bucket", "endpoint": "http://minio:9000/", "path_style": True},
            "http://minio:9000/bucket/x/y%20%252F.mp4",
        ),
        ({"to": "gs://bucket/p"}, "https://storage.googleapis.com/bucket/p/x/y%20%252F.mp4"),
        ({"to": "az://box/p", "credentials": AZURE}, "https://acc.blob.core.windows.net/box/p/x/y%20%252F.mp4"),
        ({"to": "az://box", "credentials": {"account": "acc", "sas": "sv=1&sig=x"}}, "https://acc.blob.core.windows.net/box/x/y%20%252F.mp4"),
    ],
)  # fmt: skip
def test_every_kind_of_store_can_be_made_and_says_where_its_objects_are(options: Mapping[str, Any], url: str) -> None:
    read = StorageOptions.model_validate(options)
    assert open_storage(read, extra="archive").url("x/y %2F.mp4") == url
    if read.kind != "folder":
        assert "canary" not in str(make_store(read))


def test_a_service_account_is_read_from_its_file(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    kind = serialization.PrivateFormat.PKCS8
    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, kind, serialization.NoEncryption()
    )
    account = {
        "type": "service_account",
        "client_email": "a@b.example",
        "private_key_id": "1",
        "private_key": key.decode(),
    }
    (tmp_path / "account.json").write_text(json.dumps(account))
    options = {"to": "gs://bucket", "credentials": {"service_account": "account.json"}}
    read = StorageOptions.model_validate(options, context={"base": tmp_path})
    assert make_store(read) is not None


def test_a_folder_lies_beside_the_configuration_file(tmp_path: Path) -> None:
    assert StorageOptions.model_validate({"to": "kept"}, context={"base": tmp_path}).folder == tmp_path / "kept"
    assert ArchiveOptions.model_validate({"to": "s3://bucket"}, context={"base": tmp_path}).spool.folder == (
        tmp_path / "archive-spool"
    )
