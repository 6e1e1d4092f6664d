from django.apps import AppConfig


class SampleConfig(AppConfig):
    name = "tests.web.offline.sample"
    label = "sample"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from tests.web.offline.sample import forms

        forms.register()
