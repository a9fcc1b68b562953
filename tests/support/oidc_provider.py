"""A small OpenID Connect provider that really signs: on loopback, with one client, and wrong where a test wants it."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey

CLIENT, SECRET = "caseproof", "s3cret/with+signs"


class OidcProvider:
    """``person`` is who logs in there, as claims; ``claims`` takes the place of some of the ID token's.

    ``sign_with`` is the key it signs by, ``header`` that token's header; ``metadata`` takes the place of what it says
    of itself. ``asked`` are the paths that were called.
    """

    def __init__(self) -> None:
        provider = self

        class Door(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider._answer(self, {})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                provider._answer(self, {name: values[0] for name, values in parse_qs(body).items()})

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self._server.daemon_threads = True
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        self.key = ECKey.generate_key("P-256", {"kid": "one", "use": "sig"})
        self.well()

    def well(self) -> None:
        """Nothing is wrong any more."""
        self.person: dict[str, Any] = {"sub": "42", "email": "operator@example.com", "email_verified": True}
        self.claims: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.sign_with: Any = self.key
        self.header: dict[str, Any] = {"alg": "ES256", "kid": "one"}
        self.id_token: str | None = None
        self.in_userinfo = False
        self.codes: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, door: Any, form: dict[str, str]) -> None:
        path, query = urlsplit(door.path).path, urlsplit(door.path).query
        self.asked.append(path)
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        if path == "/authorize":
            code = secrets.token_urlsafe(8)
            self.codes[code] = asked
            door.send_response(302)
            back = {"code": code, "state": asked["state"], "iss": self.issuer}
            door.send_header("Location", f"{asked['redirect_uri']}?{urlencode(back)}")
            door.end_headers()
            return
        told = {
            "/.well-known/openid-configuration": self._metadata,
            "/keys": lambda: KeySet([self.key]).as_dict(private=False),
            "/token": lambda: self._token(door, form),
            "/userinfo": lambda: self.person if door.headers["Authorization"] == "Bearer access" else None,
        }[path]()
        body = json.dumps(told).encode()
        door.send_response(200 if told is not None else 400)
        door.send_header("Content-Type", "application/json")
        door.send_header("Content-Length", str(len(body)))
        door.end_headers()
        door.wfile.write(body)

    def _metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
        } | self.metadata

    def _token(self, door: Any, form: dict[str, str]) -> dict[str, Any] | None:
        """RFC 6749 and 7636: a code once, to the client that shows its secret and the verifier."""
        pair = f"{quote(CLIENT, safe='')}:{quote(SECRET, safe='')}".encode()
        basic = f"Basic {base64.b64encode(pair).decode()}"
        asked = self.codes.pop(form.get("code", ""), None)
        if asked is None or door.headers["Authorization"] != basic or form["redirect_uri"] != asked["redirect_uri"]:
            return None
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=")
        if asked["code_challenge_method"] != "S256" or challenge.decode() != asked["code_challenge"]:
            return None
        return {"access_token": "access", "token_type": "Bearer", "id_token": self.id_token or self._signed(asked)}

    def _signed(self, asked: dict[str, str]) -> str:
        now = int(time.time())
        said = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        said |= {"sub": self.person["sub"]} if self.in_userinfo else self.person
        said = {name: value for name, value in (said | self.claims).items() if value is not None}
        if self.header["alg"] == "none":
            parts = [
                base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode() for one in (self.header, said)
            ]
            return f"{parts[0]}.{parts[1]}."
        return jwt.encode(self.header, said, self.sign_with, algorithms=[self.header["alg"]])


def stranger_key() -> ECKey:
    """A key that the provider does not have, by its name."""
    return ECKey.generate_key("P-256", {"kid": "one", "use": "sig"})


def shared_key(text: str) -> OctKey:
    """What somebody signs with who knows the client's secret, or takes the provider's public key for one."""
    return OctKey.import_key({"kty": "oct", "k": base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()})
