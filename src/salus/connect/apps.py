"""Django application of the room."""

from django.apps import AppConfig


class ConnectConfig(AppConfig):
    """The connect room."""

    name = "salus.connect"
    label = "connect"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the room's pages and policy providers."""
        from salus.connect import registration

        registration.register()
