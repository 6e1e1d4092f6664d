"""Forms: one look for every field, an error summary on top, errors tied to their fields."""

from typing import Any

from django.forms.renderers import TemplatesSetting


class Renderer(TemplatesSetting):
    """Render `{{ form }}` and `{{ form.name.as_field_group }}` by the kit's templates."""

    form_template_name = "web/forms/form.html"
    field_template_name = "web/forms/field.html"


def kind(field: Any) -> str:
    """Return how a bound field is laid out: check, group (several inputs) or plain."""
    widget = field.field.widget
    if getattr(widget, "input_type", "") == "checkbox" and not hasattr(widget, "subwidgets_class"):
        return "group" if getattr(widget, "allow_multiple_selected", False) else "check"
    if getattr(widget, "input_type", "") == "radio" or field.use_fieldset:
        return "group"
    return "plain"
