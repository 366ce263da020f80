"""Addresses of the inventory."""
from django.urls import path

from . import views

urlpatterns = [
    path("", views.item_list, name="item-list"),
    path("items/new/", views.new_item, name="item-new"),
    path("items/<str:sku>/", views.item, name="item"),
    path("items/<str:sku>/book/", views.book, name="item-book"),
    path("items/<str:sku>/upload/", views.upload, name="item-upload"),
    path("items/<str:sku>/sheet/", views.sheet, name="item-sheet"),
    path("export.csv", views.export, name="export"),
    path("api/items/", views.api_items, name="api-items"),
    path("api/items/<str:sku>/", views.api_item, name="api-item"),
    path("health/", views.health, name="health"),
]
