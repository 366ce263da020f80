"""The inventory in Django's admin."""
from django.contrib import admin

from .models import Category, Item, Movement


@admin.register(Category)
class CategoryAdmin(admin.ModelAdmin):
    prepopulated_fields = {"slug": ["name"]}


@admin.register(Item)
class ItemAdmin(admin.ModelAdmin):
    list_display = ["sku", "name", "category", "quantity", "price", "updated"]
    list_filter = ["category"]
    search_fields = ["sku", "name"]


@admin.register(Movement)
class MovementAdmin(admin.ModelAdmin):
    list_display = ["at", "item", "amount", "reason", "user"]
    date_hierarchy = "at"
