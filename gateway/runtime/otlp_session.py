"""How spans go to the collector: of its answer only the head counts, because whoever answers says how long a body is."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Final

import requests
from requests.adapters import HTTPAdapter

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse  # of its second version, and the first will do

_SMALL: Final = re.compile("[0-9]{1,3}")  # of such a body the connection is kept


class HeadsOnly(HTTPAdapter):
    """Reads no body but a short one of a stated length, and takes a redirect for the refusal that it is: the spans went nowhere."""

    def build_response(self, req: requests.PreparedRequest, resp: BaseHTTPResponse) -> requests.Response:
        """Raises RequestException."""
        answer = super().build_response(req, resp)
        if not _SMALL.fullmatch(answer.headers.get("content-length", "")):
            answer.close()
            answer.raw = io.BytesIO()
        if 300 <= answer.status_code < 400:
            answer.close()
            raise requests.RequestException(f"HTTP {answer.status_code}: redirects are not followed")
        return answer


def exporting_session() -> requests.Session:
    """The connections to the collector."""
    made = requests.Session()
    made.mount("http://", HeadsOnly())
    made.mount("https://", HeadsOnly())
    return made
