"""What waits for long for the owners of a sink is said to people, who find in each delivery whose target fails."""

from __future__ import annotations

from pathlib import Path

from gateway.errors import Unavailable
from gateway.model import Delivery
from gateway.plugin import Options, Sink
from gateway.testing import running


class PostingOptions(Options):
    url: str = ""


class Posting(Sink):
    """Posts to whoever owns it; one of them cannot be reached."""

    type = "posting"
    Options = PostingOptions
    options: PostingOptions
    owner_columns = {"url": "url"}

    async def deliver(self, delivery: Delivery) -> str:
        if self.options.url == "gone":
            raise Unavailable("nobody answers")
        return "ok"


async def test_owners_who_are_not_reached_for_long_need_a_person(tmp_path: Path) -> None:
    (tmp_path / "owners.csv").write_text("owner,url\nlive,gone\n")
    config = {
        "sources": {"live": {"type": "huawei-live", "keys": ["demo-0123456789abcdef0123456789abcdef"]}},
        "sinks": {"studios": {"type": "posting", "directory": {"file": "owners.csv", "key": "event.data.app"}}},
        "routes": [{"to": ["studios"]}],
    }
    async with running(config, plugins=[Posting], folder=tmp_path) as gateway:
        for _ in range(4):
            await gateway.send()
        await gateway.advance(60)
        assert [one.kind for one in (await gateway.gateway.admin.overview("1h")).attention] == []
        await gateway.advance(16 * 60)
        [one] = (await gateway.gateway.admin.overview("1h")).attention
        assert (one.kind, one.about, one.count) == ("owner.behind", "studios", 4)
        assert one.text == "studios does not get through to some owners: 4 deliveries wait, some for long"
        assert one.link == "/deliveries?sink=studios&state=waiting"
        said = {row.last_error for row in gateway.deliveries("studios")}
        assert "to live: nobody answers" in said
