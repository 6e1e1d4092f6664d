"""Django application of the room."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    """The web room."""

    name = "salus.web"
    label = "web"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the room's pages and policy providers."""
        from salus.web import registration

        registration.register()
