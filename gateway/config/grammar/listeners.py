"""The two listeners: the public one for callbacks, the private one for health, metrics and people."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from gateway.config.grammar.identifiers import ConfiguredName
from gateway.config.grammar.network import FileMode, Host, Network
from gateway.config.grammar.section import Section
from gateway.fields import ConfigPath, Duration, Secret, Size, Url, between, parse_duration, parse_size, secret

SPARED_BODY_BYTES: Final = 16 * 1024  # bytes: a body under it is never closed to save memory
HOOKS: Final = "/hooks/"  # what stands before the path of every source
SOCKET_PATH_BYTES_MAX: Final = 107  # bytes: what sockaddr_un holds on Linux, without the NUL


def callback_url(listener: str, path: str) -> str:
    """Where the callbacks of the source at `path` come to, whole; `listener` is its URL."""
    return f"{listener}{':' if listener.startswith('unix:') else ''}{HOOKS}{path}"


def listener_url(host: str, port: int, uds: Path | None) -> str:
    """`http://127.0.0.1:8080`, or `unix:/run/gateway/ingress.sock`."""
    if uds is not None:
        return f"unix:{uds}"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class ListenerAddress(Section):
    """Where one of the two listeners is."""

    host: Annotated[Host, Field(description="Address or name to listen on; `0.0.0.0` is every IPv4 address.")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Field(ge=0, le=65535, description="TCP port; 0 takes a free one.")] = 8080
    uds: Annotated[
        ConfigPath | None, Field(description="Path of a unix socket to listen on, instead of host and port.")
    ] = None
    uds_mode: Annotated[FileMode, Field(description="Permissions of the unix socket, in octal digits.")] = 0o660

    @field_validator("uds")
    @classmethod
    def _short_enough(cls, path: Path | None) -> Path | None:
        if path is not None and len(os.fsencode(path)) > SOCKET_PATH_BYTES_MAX:
            raise PydanticCustomError(
                "uds", f"a path that is, from the root, at most {SOCKET_PATH_BYTES_MAX} bytes long"
            )
        return path

    @property
    def address(self) -> tuple[str, int] | str:
        """(host, port), or the path of the unix socket."""
        return str(self.uds) if self.uds is not None else (self.host, self.port)

    @property
    def url(self) -> str:
        """As the file has it."""
        return listener_url(self.host, self.port, self.uds)


class ServerSettings(ListenerAddress):
    """The public listener, for callbacks alone."""

    max_body: Annotated[
        Size,
        between(1024, 16 * 1024 * 1024),
        Field(
            description="Largest body of a callback; a larger one is answered 413. For a vendor whose callbacks are known "
            "to be smaller, or larger, its own default holds: less where this is written down and is less, more only by "
            "`max_body` of the source."
        ),
    ] = parse_size("256KiB")
    unverified_bytes: Annotated[
        Size,
        between(1024 * 1024),
        Field(
            description="Memory for all bodies together whose signature was not checked yet. Past it the largest of the "
            "address that holds most is answered 503. At least 16 KiB for each of `connections`."
        ),
    ] = parse_size("32MiB")
    body_timeout: Annotated[
        Duration, between("100ms", "10m"), Field(description="Time in which a request's body must have come.")
    ] = parse_duration("10s")
    shutdown_grace: Annotated[
        Duration,
        between("0", "1h"),
        Field(description="Time that what is being sent has to end when the gateway stops."),
    ] = parse_duration("20s")
    trusted_proxies: Annotated[
        tuple[Network, ...], Field(description="Addresses or networks of proxies whose `X-Forwarded-For` is believed.")
    ] = ()
    connections: Annotated[
        int, Field(ge=1, le=100_000, description="Most open connections; past it the oldest incomplete one is closed.")
    ] = 1000

    def callback_url(self, path: str) -> str:
        """Where the callbacks of the source at `path` come to: what the vendor calls, but for proxies before it."""
        return callback_url(self.url, path)

    @model_validator(mode="after")
    def _every_connection_fits_in(self) -> Self:
        needed = self.connections * SPARED_BODY_BYTES
        if self.unverified_bytes < needed:
            raise PydanticCustomError(
                "unverified_bytes",
                "`unverified_bytes` of at least {needed}MiB, 16 KiB for each of `connections`, or fewer connections",
                {"needed": -(-needed // 2**20)},
            )
        return self


class TokenSettings(Section):
    """One admin token."""

    name: Annotated[ConfiguredName, Field(description="What logs call the holder of this token.")]
    token: Annotated[Secret, secret(min_length=32), Field(description="The token itself: at least 32 characters.")]
    role: Annotated[
        Literal["read", "operate", "pull"],
        Field(
            description="`read` looks, `operate` changes things as well, `pull` does neither: a consumer, which only "
            "fetches from `sinks`."
        ),
    ] = "read"
    sinks: Annotated[
        tuple[ConfiguredName, ...],
        Field(description="With the role `pull`: the sinks of the type pull that it fetches from."),
    ] = ()

    @model_validator(mode="after")
    def _consumers_have_sinks(self) -> Self:
        if self.role == "pull" and not self.sinks:
            raise PydanticCustomError("sinks", "`sinks` beside the role `pull`: the names of sinks of the type pull")
        if self.role != "pull" and self.sinks:
            raise PydanticCustomError(
                "sinks", "`sinks` only beside the role `pull`; {role} sees all", {"role": self.role}
            )
        return self


class AdminSettings(ListenerAddress):
    """The private listener: health, readiness and metrics."""

    port: Annotated[int, Field(ge=0, le=65535, description="TCP port; 0 takes a free one.")] = 9090
    public_url: Annotated[
        Url | None,
        Field(
            description="Address of the dashboard as people reach it, such as https://gateway.example.com. Links in alarms "
            "begin with it. Default: that of the listener, where it names one."
        ),
    ] = None
    hosts: Annotated[
        tuple[Host, ...], Field(description="Names, beside localhost, that a request's Host header may hold.")
    ] = ()
    token: Annotated[
        Annotated[Secret, secret(min_length=32)] | None,
        Field(
            description="Short for one entry of `tokens`, called admin, with the role `operate`. "
            "Left out, or `${NAME:-}` that comes out empty: none."
        ),
    ] = None
    tokens: Annotated[tuple[TokenSettings, ...], Field(description="Admin tokens, for the API.")] = ()

    @model_validator(mode="after")
    def _one_list(self) -> Self:
        names = [token.name for token in self.tokens]
        if len(set(names)) < len(names):
            raise PydanticCustomError("tokens", "two of `tokens` have the same name")
        if self.token is not None and "admin" in names:
            raise PydanticCustomError(
                "tokens", "`token` is short for one called admin, and `tokens` has one of that name"
            )
        return self

    @property
    def page(self) -> str | None:
        """Address of the dashboard, without a slash at its end; None: nobody knows it."""
        if self.public_url is not None:
            return str(self.public_url).rstrip("/")
        if self.uds is not None or self.port == 0 or self.host in {"0.0.0.0", "::"}:  # noqa: S104  compared, not listened on
            return None
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def all_tokens(self) -> Sequence[TokenSettings]:
        """`tokens`, and `token` as the entry it is short for."""
        if self.token is None:
            return self.tokens
        return (TokenSettings(name="admin", token=self.token, role="operate"), *self.tokens)
