from django.db import models


class Contact(models.Model):
    name = models.CharField(max_length=80)
    address = models.CharField(max_length=80)
    version = models.PositiveIntegerField(default=1)
    temperature = models.DecimalField(max_digits=3, decimal_places=1, default="36.5")
    note = models.CharField(max_length=200, blank=True)


class Visit(models.Model):
    """Not unique on purpose: a visit written twice must show."""

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="visits")
    submission = models.UUIDField()
    day = models.DateField()
    temperature = models.DecimalField(max_digits=3, decimal_places=1)
    state = models.CharField(max_length=8)
    note = models.CharField(max_length=200, blank=True)
    by = models.CharField(max_length=80)
