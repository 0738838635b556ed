"""Where the store is: its URL without a password in it, and a file beside the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from gateway.config.document.nodes import Scalar, Table, YamlNode
from gateway.config.grammar.settings import StoreSettings
from gateway.config.validation import Validation
from gateway.text.secret import Secret
from gateway.text.store_address import parse_address, sqlite_url


def store_settings(store: StoreSettings, root: Table, validation: Validation) -> StoreSettings:
    """The settings with an absolute path, and with a password taken out of the URL, so that the URL can be shown."""
    section = root.entries.get("store")
    node: YamlNode = section.entries.get("url", section) if isinstance(section, Table) else root
    if isinstance(node, Scalar) and node.placeholder:
        return store
    try:
        address = parse_address(store.url)
    except ValueError as error:
        validation.problems.append(node.problem(found=str(error)))
        return store
    if address.backend == "sqlite":
        changes: Mapping[str, object] = {
            "url": sqlite_url(validation.base / address.path),
            "password": None,  # of a PostgreSQL that GATEWAY_STORE took the place of
        }
        if store.password is not None and not (isinstance(node, Scalar) and node.file.startswith("$")):
            validation.problems.append(
                node.problem(found="`password` for a SQLite file", expected="a PostgreSQL URL, or no `password`")
            )
        return store.model_copy(update=changes)
    url, password = without_password(store.url)
    if password is None:
        return store
    assert isinstance(node, Scalar)  # the usual store has no password
    node.secret = True
    if store.password is not None and not node.file.startswith("$"):
        validation.problems.append(
            node.problem(
                found="a password in the URL and one beside it", expected="one of them", hint="keep `password`"
            )
        )
        return store
    return store.model_copy(update={"url": url, "password": Secret(password)})


def without_password(url: str) -> tuple[str, str | None]:
    """A PostgreSQL URL without its password, and the password, wherever in the URL it stood."""
    parts = urlsplit(url)
    userinfo, at, hosts = parts.netloc.rpartition("@")
    user, colon, inline = userinfo.partition(":")
    query = parse_qsl(parts.query, keep_blank_values=True)
    named = [value for key, value in query if key == "password"]
    password = unquote(inline) if colon and inline else named[-1] if named and named[-1] else None
    rest = urlencode([(key, value) for key, value in query if key != "password"])
    # by hand, because urlunsplit drops the // of a URL without a host
    return f"{parts.scheme}://{user}{at}{hosts}{parts.path}" + (f"?{rest}" if rest else ""), password
