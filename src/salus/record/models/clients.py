"""Tables of SMART clients: the public keys of those that prove themselves with a signed assertion."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class ClientKeys(models.Model):
    """The public keys (a JWK Set) that a client registered; the private ones never leave it."""

    client_id = models.CharField(_("OAuth client"), max_length=200, primary_key=True)
    jwks = models.JSONField(_("public keys"))

    class Meta:
        """Names."""

        db_table = "record_clientkeys"
        verbose_name = _("client's keys")
        verbose_name_plural = _("clients' keys")

    def __str__(self) -> str:
        return self.client_id


class SeenAssertion(models.Model):
    """An assertion that was used, by the hash of its client and id, until it would have ended anyway."""

    mark = models.BinaryField(primary_key=True, max_length=32)
    ends = models.BigIntegerField(db_index=True)

    class Meta:
        """Names."""

        db_table = "record_seenassertion"
