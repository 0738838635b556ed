"""A browser without scripts: keeps cookies, sends forms as browsers send them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from tests.web.doors import Served
from tests.web.raw_client import Reply

OPERATE, READ = "o" * 40, "r" * 40
CSRF = re.compile(r'name="csrf" value="([^"]+)"')


@dataclass
class Browser:
    served: Served
    host: str = "localhost:9090"
    cookies: dict[str, str] = field(default_factory=dict)
    language: str = "en"

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", path, b"", headers)

    def post(self, path: str, fields: Mapping[str, str] | None = None, **headers: str) -> Reply:
        sent = {"Origin": f"http://{self.host}", "Content-Type": "application/x-www-form-urlencoded"}
        return self.ask("POST", path, urlencode(fields or {}).encode(), sent | headers)

    def ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        usual = {"Host": self.host, "Accept-Language": self.language, "Content-Length": str(len(body))}
        if self.cookies:
            usual["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = {**usual, **{name.replace("_", "-"): value for name, value in headers.items()}}
        head = "".join(f"{name}: {value}\r\n" for name, value in sent.items() if value)
        with self.served.private() as client:
            reply = client.send(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body).reply()
        for name, value in reply.headers:
            if name == "set-cookie":
                pair, _, flags = value.partition(";")
                key, _, content = pair.partition("=")
                self.cookies[key] = content.strip('"')
                if "max-age=0" in flags.lower():
                    del self.cookies[key]
        return reply

    def sign_in(self, token: str = OPERATE, next: str = "/events") -> Reply:
        return self.post("/sign-in", {"token": token, "next": next})

    def csrf(self) -> str:
        match = CSRF.search(self.get("/audit").body.decode())
        assert match
        return match[1]

    def send(self, path: str, **fields: str) -> Reply:
        """A form of a page."""
        return self.post(path, {"csrf": self.csrf(), **fields})
