"""How a form field reads: label above, help below, the error at the field and in a summary."""

from django.forms.renderers import TemplatesSetting


class Renderer(TemplatesSetting):
    """Fields and forms rendered by our own templates; set as ``FORM_RENDERER``."""

    form_template_name = "components/form.html"
    field_template_name = "components/field.html"
