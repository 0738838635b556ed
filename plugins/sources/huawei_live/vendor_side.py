"""The half of the source `huawei-live` that asks the vendor: for its list of recordings, and how it is to call back."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Sequence

from gateway import CallbackConfiguration, Http, ListedPage, ListSpan, Source
from plugins.sources.huawei_live.options import GLOB, HuaweiLiveOptions
from plugins.sources.huawei_live.reconcile import HuaweiReconcile


class AskingSource(Source):
    """What needs `reconcile:`. The libraries behind a call are loaded when there is one."""

    options: HuaweiLiveOptions

    @property
    def reconcile(self) -> HuaweiReconcile | None:
        return self.options.reconcile

    async def list_recordings(self, http: Http, span: ListSpan, next: str | None) -> ListedPage:
        """The vendor's list, of the domains and apps that these options allow."""
        from plugins.sources.huawei_live.listed import list_page

        return await list_page(http, self._asked, self.name, self._exact_domains, self._allows, span, next)

    def expected_configuration(self, url: str) -> Sequence[CallbackConfiguration]:
        from plugins.sources.huawei_live.callback_setup import expected_callbacks

        return expected_callbacks(self.options, url)

    async def read_configuration(self, http: Http) -> Sequence[CallbackConfiguration]:
        from plugins.sources.huawei_live.callback_setup import read_callbacks

        return await read_callbacks(http, self._asked)

    async def write_configuration(self, http: Http, wanted: CallbackConfiguration) -> str | None:
        from plugins.sources.huawei_live.callback_setup import write_callback

        return await write_callback(http, self.options, self._asked, wanted)

    @property
    def _asked(self) -> HuaweiReconcile:
        assert self.options.reconcile is not None  # nobody asks otherwise
        return self.options.reconcile

    @property
    def _exact_domains(self) -> Sequence[str]:
        """Each that is to be asked for by itself; none where a glob, or nothing, allows more than can be named."""
        domains = sorted(set(self.options.domains))
        return () if any(GLOB & set(domain) for domain in domains) else domains

    def _allows(self, domain: str, app: str) -> bool:
        return matcher(self.options.domains)(domain) and matcher(self.options.apps)(app)


def matcher(globs: Sequence[str]) -> Callable[[str], bool]:
    """Whether a text is one of these globs; none: any. Case-sensitive and the whole text, as in routes."""
    if not globs:
        return lambda text: True
    if not any(GLOB & set(glob) for glob in globs):
        return frozenset(globs).__contains__
    one = re.compile("|".join(f"(?:{fnmatch.translate(glob)})" for glob in globs))
    return lambda text: one.match(text) is not None
