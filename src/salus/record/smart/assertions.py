"""A client that proves itself with a signed assertion instead of a secret (`private_key_jwt`).

Source: HL7 SMART App Launch 2.2, "Client Authentication: Asymmetric"
(http://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html); RFC 7523.
"""

import json
import time
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from django.db import IntegrityError, transaction
from jwcrypto.common import JWException  # type: ignore[import-untyped]  # the library has no types
from jwcrypto.jwk import JWK, JWKSet  # type: ignore[import-untyped]  # the library has no types
from jwcrypto.jwt import JWT  # type: ignore[import-untyped]  # the library has no types

from salus.kernel.errors import Invalid
from salus.record.models import ClientKeys, SeenAssertion

KIND = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = ("RS384", "ES384", "RS256", "ES256", "RS512", "ES512")
LONGEST = 300  # seconds that an assertion may be good for
SKEW = 30  # seconds by which clocks may differ
MAX_LENGTH = 8192
_FAULTS = (JWException, ValueError, TypeError, KeyError)


def register(client_id: str, jwks: dict[str, Any]) -> ClientKeys:
    """Keep a client's public keys; raises Invalid for what is no JWK Set, or holds a private key."""
    keys = jwks.get("keys") if isinstance(jwks, dict) else None
    public = []
    for one in keys if isinstance(keys, list) else ():
        try:
            key = JWK(**one)
        except _FAULTS:
            raise Invalid("bad-keys", "A key cannot be read", fix="Give a JWK Set (RFC 7517)") from None
        if key.has_private or one.get("kty") not in {"RSA", "EC"} or not one.get("kid"):
            raise Invalid("bad-keys", "A key is private, has no kid, or is not RSA or EC")
        public.append(key.export_public(as_dict=True))
    if not public:
        raise Invalid("bad-keys", "There is no key", fix="Give a JWK Set (RFC 7517)")
    return ClientKeys.objects.update_or_create(client_id=client_id, defaults={"jwks": {"keys": public}})[0]


def client_of(assertion: str, token_address: str, *, now: float | None = None) -> str | None:
    """Return the client that an assertion proves, once; None for any that does not hold.

    `token_address` is the address that was asked, as this server knows it; a proxy in front may have
    changed its scheme, so only host and path are compared.
    """
    now = time.time() if now is None else now
    if len(assertion) > MAX_LENGTH or assertion.count(".") != 2:
        return None
    try:
        token = JWT(expected_type="JWS")
        token.leeway = SKEW
        token.deserialize(assertion)
        claimed = json.loads(token.token.objects["payload"])
        head = token.token.jose_header
        client_id = claimed["iss"]
        known = ClientKeys.objects.filter(client_id=client_id).first()
        if known is None or head.get("alg") not in ALGORITHMS or not isinstance(head.get("kid"), str):
            return None
        keys = JWKSet.from_json(json.dumps(known.jwks)).get_keys(head["kid"]) or ()
        claims = next((found for key in keys if (found := _claims(assertion, key)) is not None), None)
        if claims is None or not _hold(claims, client_id, token_address, now):
            return None
        ends = int(claims["exp"]) + SKEW
        mark = sha256(f"{client_id}\x1f{claims['jti']}".encode()).digest()
    except _FAULTS:
        return None
    return str(client_id) if _first_time(mark, ends, now) else None


def _claims(assertion: str, key: JWK) -> dict[str, Any] | None:
    try:
        # Times are judged here, not by the library, so that all of them are judged by one clock
        token = JWT(jwt=assertion, key=key, algs=list(ALGORITHMS), check_claims={}, expected_type="JWS")
        found: dict[str, Any] = json.loads(token.claims)
    except _FAULTS:
        return None
    return found


def _hold(claims: dict[str, Any], client_id: str, token_address: str, now: float) -> bool:
    ends, begins = claims.get("exp"), claims.get("nbf", now)
    if not isinstance(ends, int | float) or isinstance(ends, bool) or not isinstance(begins, int | float):
        return False
    if not now - SKEW <= ends <= now + LONGEST + SKEW or begins > now + SKEW:
        return False
    if claims.get("sub") != client_id or not isinstance(claims.get("jti"), str) or not claims["jti"]:
        return False
    asked = urlsplit(token_address)
    given = claims.get("aud")
    for one in given if isinstance(given, list) else [given]:
        said = urlsplit(one) if isinstance(one, str) else urlsplit("")
        if said.scheme in {"http", "https"} and said.netloc == asked.netloc:
            return said.path.rstrip("/") == asked.path.rstrip("/")
    return False


def _first_time(mark: bytes, ends: int, now: float) -> bool:
    """Note that an assertion was used; False if it was before."""
    SeenAssertion.objects.filter(ends__lt=int(now)).delete()
    try:
        with transaction.atomic():
            SeenAssertion(mark=mark, ends=ends).save(force_insert=True)
    except IntegrityError:
        return False
    return True
