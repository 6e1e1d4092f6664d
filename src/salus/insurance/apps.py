"""Django application of the room."""

from django.apps import AppConfig


class InsuranceConfig(AppConfig):
    """The insurance room."""

    name = "salus.insurance"
    label = "insurance"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the room's pages and policy providers."""
        from salus.insurance import registration

        registration.register()
