"""Django application of the room."""

from django.apps import AppConfig


class PreventionConfig(AppConfig):
    """The prevention room."""

    name = "salus.prevention"
    label = "prevention"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the room's pages, periodic jobs and policy providers."""
        from salus.prevention import registration

        registration.register()
