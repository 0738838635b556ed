"""What a configuration describes arrives where it is used."""

from __future__ import annotations

from datetime import timedelta

from gateway.assembly import keep_of
from gateway.config.grammar.store import StoreSettings
from gateway.store.store import Keep


def test_each_setting_of_keep_arrives_where_it_is_used() -> None:
    spans = {"delivered": 11, "unrouted": 12, "dead": 13}
    settings = StoreSettings.model_validate(
        {
            "remember": "40d",
            "keep": {name: f"{days}d" for name, days in spans.items()} | {"refused": 14},
            "limits": {"waiting": 15, "free_disk": "16MiB"},
        }
    )
    assert keep_of(settings) == Keep(
        remember=timedelta(days=40),
        **{name: timedelta(days=days) for name, days in spans.items()},
        refused=14,
        waiting=15,
        free_disk=16 << 20,
    )
