"""Django application of the room."""

from django.apps import AppConfig


class RecordConfig(AppConfig):
    """The record room."""

    name = "salus.record"
    label = "record"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the room's pages and policy providers."""
        from salus.record import registration

        registration.register()
