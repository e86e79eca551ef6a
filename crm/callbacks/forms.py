"""What is to be handled once more."""

from django import forms


class ReplayForm(forms.Form):
    """One row, or every row of a reason; exactly one of the two."""

    event_id = forms.IntegerField(required=False, min_value=1, max_value=2**31 - 1)
    reason = forms.CharField(required=False, max_length=255, strip=False)

    def clean(self) -> dict:
        cleaned = super().clean()
        if bool(cleaned.get("event_id")) == bool(cleaned.get("reason")):
            self.add_error(None, forms.ValidationError("", code="one_of_two"))
        return cleaned
