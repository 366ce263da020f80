"""Forms of the site; Django adds CSRF protection in the templates."""
from django import forms

from .models import Item, Movement


class ItemForm(forms.ModelForm):
    class Meta:
        model = Item
        fields = ["sku", "name", "category", "quantity", "price", "description"]


class MovementForm(forms.ModelForm):
    class Meta:
        model = Movement
        fields = ["amount", "reason"]


class SheetForm(forms.ModelForm):
    class Meta:
        model = Item
        fields = ["sheet"]

    def clean_sheet(self):
        sheet = self.cleaned_data["sheet"]
        if sheet and sheet.size > 20 * 1024 * 1024:
            raise forms.ValidationError("A data sheet has at most 20 MB.")
        return sheet
