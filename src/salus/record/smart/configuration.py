"""What SMART apps and back-end systems must know to get a token: `.well-known/smart-configuration`."""

from urllib.parse import urlsplit

import orjson

CAPABILITIES = (
    "launch-standalone",
    "client-public",
    "client-confidential-symmetric",
    "client-confidential-asymmetric",
    "context-standalone-patient",
    "permission-patient",
    "permission-user",
    "permission-v1",
    "permission-v2",
    "authorize-post",
)
SCOPES = (
    "launch/patient",
    "offline_access",
    "patient/*.rs",
    "user/*.rs",
    "user/*.cruds",
    "system/*.rs",
    "system/*.cruds",
)


def origin(base: str) -> str:
    """Return the scheme and host of an address."""
    parts = urlsplit(base)
    return f"{parts.scheme}://{parts.netloc}"


def endpoints(base: str) -> dict[str, str]:
    """Return the OAuth addresses that belong to a FHIR base address."""
    root = origin(base)
    return {
        "authorize": f"{root}/oauth/authorize/",
        "token": f"{root}/oauth/token/",
        "introspect": f"{root}/oauth/introspect/",
        "revoke": f"{root}/oauth/revoke_token/",
    }


def document(base: str) -> bytes:
    """Return the SMART configuration.

    Source: HL7 SMART App Launch 2.2, "Conformance" (http://hl7.org/fhir/smart-app-launch/conformance.html).
    """
    address = endpoints(base)
    return orjson.dumps(
        {
            "issuer": origin(base),
            "authorization_endpoint": address["authorize"],
            "token_endpoint": address["token"],
            "introspection_endpoint": address["introspect"],
            "revocation_endpoint": address["revoke"],
            "token_endpoint_auth_methods_supported": [
                "client_secret_basic",
                "client_secret_post",
                "private_key_jwt",
            ],
            "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
            "grant_types_supported": ["authorization_code", "client_credentials", "refresh_token"],
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": list(SCOPES),
            "capabilities": list(CAPABILITIES),
        }
    )
