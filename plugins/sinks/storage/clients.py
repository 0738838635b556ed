"""obstore's clients, made of options: who we are, where it is, how long we wait."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit, urlunsplit

from gateway import Unavailable, open_regular, require_regular
from gateway.extras import how_to_install, missing
from plugins.sinks.storage.options import Credentials, StorageOptions

if TYPE_CHECKING:
    from obstore.store import AzureStore, GCSStore, S3Store

CALL_SECONDS: Final = 300  # of one request, such as the one that joins the parts
SILENCE_SECONDS: Final = 120  # without a byte of an answer
RETRY_SECONDS: Final = 60  # within which a request that failed is made again at once


AWS: Final = "https://s3.{region}.amazonaws.com"
AZURE: Final = "https://{account}.blob.core.windows.net"
GCS: Final = "https://storage.googleapis.com"
NO_PROXY: Final = ("http://127.0.0.1:9", "*,0.0.0.0/0,::/0")
"""A proxy that nothing goes through, because without one the library takes the environment's."""


def make_store(options: StorageOptions) -> AzureStore | GCSStore | S3Store:
    """One of obstore's. Raises ModuleNotFoundError without it, and its own exceptions where the options do not fit.

    The library reads the environment (a proxy, an endpoint, a token) wherever it is told nothing, so it is told all but
    credentials that the options leave to the machine.
    """
    from obstore.store import AzureStore, GCSStore, S3Store

    rest = {"client_options": _client(options), "retry_config": _RETRIES, "prefix": options.prefix or None}
    given = options.credentials
    if options.kind == "azure":
        rest |= _provider(_azure_key(given))
        return AzureStore(options.bucket, config=_azure(options, given), **rest)
    if options.kind == "gcs":
        return GCSStore(options.bucket, config=_gcs(options, given), **rest)
    rest |= _provider(_s3_key(given))
    return S3Store(options.bucket, config=_s3(options), **rest)


def _provider(key: Mapping[str, object] | None) -> dict[str, object]:
    """The keys of the options and no token of the environment beside them; nothing where there are none."""
    return {} if key is None else {"credential_provider": lambda: {**key, "expires_at": None}}


def _s3_key(given: Credentials) -> Mapping[str, object] | None:
    if given.access_key is None or given.secret_key is None:
        return None
    return {
        "access_key_id": given.access_key.reveal(),
        "secret_access_key": given.secret_key.reveal(),
        "token": None if given.token is None else given.token.reveal(),
    }


def _azure_key(given: Credentials) -> Mapping[str, object] | None:
    if given.account_key is not None:
        return {"access_key": given.account_key.reveal()}
    return None if given.sas is None else {"sas_token": given.sas.reveal().removeprefix("?")}


def missing_library(extra: str) -> Sequence[str]:
    """A sentence where obstore is not installed; `extra` brings it."""
    return missing(extra, "obstore")


def not_installed(extra: str) -> Unavailable:
    """What is raised where it was wanted all the same."""
    return Unavailable(f"object stores need obstore: {how_to_install(extra)}")


def bucket_url(endpoint: str, bucket: str, *, path_style: bool) -> str:
    """The address of a bucket at an endpoint: in the host, or in the path."""
    parts = urlsplit(endpoint.rstrip("/"))
    if path_style:
        return urlunsplit((parts.scheme, parts.netloc, f"{parts.path}/{bucket}", "", ""))
    return urlunsplit((parts.scheme, f"{bucket}.{parts.netloc}", parts.path, "", ""))


def s3_url(options: StorageOptions) -> str:
    """The address of an S3 bucket."""
    endpoint = options.endpoint or AWS.format(region=options.region)
    return bucket_url(endpoint, options.bucket, path_style=options.path_style)


_RETRIES: Final[Any] = {"max_retries": 3, "retry_timeout": timedelta(seconds=RETRY_SECONDS)}


def _client(options: StorageOptions) -> object:
    client: dict[str, object] = {
        "timeout": timedelta(seconds=CALL_SECONDS),
        "read_timeout": timedelta(seconds=SILENCE_SECONDS),
        "allow_http": (options.endpoint or "https:").lower().startswith("http:"),
    }
    if options.ca is not None:
        with open_regular(options.ca) as file:
            client["root_certificate"] = file.read()
    if options.proxy is not None:
        client["proxy_url"] = options.proxy.reveal()
    else:
        client["proxy_url"], client["proxy_excludes"] = NO_PROXY
    return client


def _s3(options: StorageOptions) -> Any:
    endpoint = options.endpoint or AWS.format(region=options.region)
    if not options.path_style:  # the library then wants the bucket in the endpoint's host
        endpoint = bucket_url(endpoint, options.bucket, path_style=False)
    return {
        "region": options.region,
        "virtual_hosted_style_request": not options.path_style,
        "endpoint": endpoint.rstrip("/"),
        "aws_endpoint_url_s3": endpoint.rstrip("/"),
        "skip_signature": options.credentials.anonymous,
        "request_payer": "false",
    }


def _azure(options: StorageOptions, given: Credentials) -> Any:
    return {
        "account_name": given.account,
        "endpoint": options.endpoint or AZURE.format(account=given.account),
        "use_emulator": False,
        "use_fabric_endpoint": False,
        "skip_signature": given.anonymous,
    }


def _gcs(options: StorageOptions, given: Credentials) -> Any:
    config: dict[str, object] = {"base_url": options.endpoint or GCS, "skip_signature": False}
    if given.service_account is not None:
        require_regular(given.service_account)  # the library would wait for a pipe
        config["service_account"] = str(given.service_account)
    return config
