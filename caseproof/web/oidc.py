"""Logging in with an OpenID Connect provider: the code flow with PKCE, a state and a nonce.

What the provider says counts where its own key signed it, for us, for this log-in, and where it vouches for the mail
address (``email_verified`` is true). Who has that address here is another matter (``TeamLogins.by_email``).
"""

from __future__ import annotations

import base64
import hmac
import secrets
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any
from urllib.parse import quote, urlsplit

from authlib.common.security import is_secure_transport
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import get_well_known_url
from itsdangerous import BadData, URLSafeTimedSerializer
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from caseproof.config.settings import Settings
from caseproof.http.client import CallFailed, HttpClient
from caseproof.web.provider import FLOW_SECONDS, ProviderDown, ProviderRefused

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures that the provider alone can make: none by a secret that we have too, and never "none"."""
_READ_AGAIN_SECONDS = 3600.0
_SKEW_SECONDS = 60
_CONNECT_SECONDS, _READ_SECONDS = 5.0, 10.0
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class Provider:
    """The provider of the settings. Safe to use from several threads.

    Its keys are read anew for a signature that they do not fit, at most every ``new_keys_seconds``.
    """

    def __init__(self, settings: Settings, *, new_keys_seconds: float = 30.0) -> None:
        secret = settings.oidc_client_secret
        self._issuer = str(settings.oidc_issuer)
        self._client_id = settings.oidc_client_id
        self._client_secret = secret.get_secret_value() if secret else ""
        self._back = f"{settings.public}/login/provider/back"
        self._new_keys_seconds = new_keys_seconds
        # Another one after each start: a log-in that was under way then is begun again.
        self._flows = URLSafeTimedSerializer(secrets.token_bytes(32), salt="oidc")
        self._lock = threading.Lock()
        self._told: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, KeySet] | None = None

    def begin(self, after: str) -> tuple[str, str]:
        """Where to send the browser, and what it is to keep until it comes back. Raises ProviderDown."""
        told = self._metadata()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        address = prepare_grant_uri(
            told["authorization_endpoint"], self._client_id, "code", redirect_uri=self._back, scope="openid email",
            state=state, nonce=nonce, code_challenge=create_s256_code_challenge(verifier), code_challenge_method="S256",
        )  # fmt: skip
        return str(address), str(self._flows.dumps([state, nonce, verifier, after]))

    def finish(self, query: Mapping[str, str], kept: str) -> tuple[str, str]:
        """Who came back, and where they wanted to go. Raises ProviderRefused, ProviderDown."""
        try:
            state, nonce, verifier, after = self._flows.loads(kept, max_age=FLOW_SECONDS)
        except (BadData, ValueError) as error:
            raise _refused("it took too long, or it was begun in another browser") from error
        if not hmac.compare_digest(query.get("state", "").encode(), state.encode()):
            raise _refused("it belongs to another log-in")
        told = self._metadata()
        says_iss = told.get("authorization_response_iss_parameter_supported") is True
        if query.get("iss", told["issuer"] if not says_iss else "") != told["issuer"]:
            raise _refused("it comes from another provider")
        if not query.get("code"):
            raise _refused("the provider let nobody in")
        tokens = self._tokens(told, query["code"], verifier)
        claims = self._claims(told, tokens, nonce)
        return self._verified_email(told, tokens, claims), after

    # -- what the provider says --------------------------------------------------------------------------------------

    def _tokens(self, told: Mapping[str, Any], code: str, verifier: str) -> dict[str, Any]:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self._back, "code_verifier": verifier}
        headers, form["client_id"] = {}, self._client_id
        ways = told.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if self._client_secret and "client_secret_basic" in ways:
            pair = f"{quote(self._client_id, safe='')}:{quote(self._client_secret, safe='')}"
            headers = {"Authorization": f"Basic {_base64(pair)}"}
        elif self._client_secret:
            form["client_secret"] = self._client_secret
        answer = self._ask("POST", told["token_endpoint"], form=form, headers=headers)
        if not (isinstance(answer, dict) and isinstance(answer.get("id_token"), str)):
            raise _refused("the provider takes its own code no more, or does not know our client")
        return answer

    def _claims(self, told: Mapping[str, Any], tokens: Mapping[str, Any], nonce: str) -> CodeIDToken:
        wanted = {name: {"essential": True, "value": value} for name, value in self._names(told).items()}
        try:
            try:
                token = jwt.decode(tokens["id_token"], self._key_set(told), algorithms=list(ALGORITHMS))
            except (JoseError, ValueError):  # it may have other keys since
                token = jwt.decode(tokens["id_token"], self._key_set(told, anew=True), algorithms=list(ALGORITHMS))
            params = {"nonce": nonce, "client_id": self._client_id, "access_token": tokens.get("access_token")}
            claims = CodeIDToken(token.claims, token.header, wanted, params)
            claims.validate(int(time.time()), _SKEW_SECONDS)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise _refused("what the provider says is not signed by it, or not for this log-in") from error
        return claims

    def _names(self, told: Mapping[str, Any]) -> dict[str, str]:
        return {"iss": told["issuer"], "aud": self._client_id}

    def _verified_email(self, told: Mapping[str, Any], tokens: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
        said: Mapping[str, Any] = claims
        if "email" not in said and told.get("userinfo_endpoint") and tokens.get("access_token"):
            headers = {"Authorization": f"Bearer {tokens['access_token']}"}
            found = self._ask("GET", _usable(told["userinfo_endpoint"]), headers=headers)
            if not isinstance(found, dict) or found.get("sub") != claims["sub"]:
                raise _refused("the provider tells of two people")
            said = found
        email = said.get("email")
        if not isinstance(email, str) or said.get("email_verified") is not True:
            raise _refused("the provider does not vouch for a mail address (`email_verified`)")
        return email

    # -- asking it ---------------------------------------------------------------------------------------------------

    def _metadata(self) -> dict[str, Any]:
        with self._lock:
            if self._told is not None and time.monotonic() - self._told[0] < _READ_AGAIN_SECONDS:
                return self._told[1]
            told = self._ask("GET", _usable(get_well_known_url(self._issuer, external=True)))
            if not isinstance(told, dict) or str(told.get("issuer", "")).rstrip("/") != self._issuer.rstrip("/"):
                raise _down("what answers there is another issuer, or no provider")
            for name in _ENDPOINTS:
                _usable(told.get(name))
            self._told = (time.monotonic(), told)
            return told

    def _key_set(self, told: Mapping[str, Any], *, anew: bool = False) -> KeySet:
        with self._lock:
            age = time.monotonic() - self._keys[0] if self._keys else None
            if self._keys is None or age is None or age > (self._new_keys_seconds if anew else _READ_AGAIN_SECONDS):
                found = self._ask("GET", told["jwks_uri"])
                try:
                    self._keys = (time.monotonic(), KeySet.import_key_set(found))
                except (JoseError, ValueError, TypeError, KeyError) as error:
                    raise _down("its keys cannot be read") from error
            return self._keys[1]

    def _ask(self, method: str, address: str, **options: Any) -> Any:
        """The JSON that is answered; None where it is no success or no JSON. Raises ProviderDown."""
        parts = urlsplit(address)
        base, path = f"{parts.scheme}://{parts.netloc}", parts.path.lstrip("/")
        client = HttpClient(base, connect_seconds=_CONNECT_SECONDS, read_seconds=_READ_SECONDS)
        with closing(client):
            try:
                answer = client.ask(method, f"{path}?{parts.query}" if parts.query else path, **options)
            except CallFailed as failed:
                raise _down(str(failed)) from None
        if answer.is_server_error:
            raise _down(f"it answers {answer.status}")
        return answer.json() if answer.is_success else None


def _usable(address: object) -> str:
    """An address that we may speak to: https, or on this machine. Raises ProviderDown."""
    if not isinstance(address, str) or not is_secure_transport(address):
        raise _down("an address of it is missing, or not https")
    return address


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _down(why: str) -> ProviderDown:
    return ProviderDown(
        f"The login provider gives no usable answer: {why}.",
        "Try again, or look at CASEPROOF_OIDC_ISSUER. `caseproof people link NAME` is the way in until then.",
    )


def _refused(why: str) -> ProviderRefused:
    return ProviderRefused(f"Nobody was logged in: {why}.", "Log in once more.")
