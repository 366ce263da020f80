"""The one app of the site."""
from django.apps import AppConfig


class InventoryConfig(AppConfig):
    name = "inventory"
