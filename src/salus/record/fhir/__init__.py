"""The FHIR R4 API under /fhir: a raw ASGI application over the resource store, for integrators and apps."""
