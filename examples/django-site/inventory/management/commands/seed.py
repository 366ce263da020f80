"""Fills an empty stockroom: always the same goods, and a user to look around with."""
import random

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils.text import slugify

from inventory.models import Category, Item, Movement

GOODS = {
    "Books": ["Atlas", "Cook book", "Field guide", "Notebook", "Novel", "Picture book"],
    "Garden": ["Flower pot", "Hand rake", "Hose", "Seed tray", "Watering can"],
    "Kitchen": ["Bread knife", "Cast-iron pan", "Colander", "Crème brûlée set", "Kettle", "Rolling pin", "Teapot"],
    "Tools": ["Bit set", "Clamp", "Hammer", "Spirit level", "Tape measure", "Wood saw"],
    "Toys": ["Kite", "Marble run", "Puppet", "Spinning top", "Wooden train"],
}
FINISH = ["blue", "copper", "green", "oak", "slate"]
USER = PASSWORD = "demo"


class Command(BaseCommand):
    help = "Fill an empty stockroom with goods and make the user demo."

    @transaction.atomic
    def handle(self, *args, **options):
        user, made = get_user_model().objects.get_or_create(
            username=USER, defaults={"is_staff": True, "is_superuser": True}
        )
        if made:
            user.set_password(PASSWORD)
            user.save()
        if not Item.objects.exists():
            self.fill(user)
        self.stdout.write(f"{Item.objects.count()} items; log in as {USER} with password {PASSWORD}")

    def fill(self, user):
        choose = random.Random(7)
        number = 1000
        for category_name, goods in GOODS.items():
            category = Category.objects.create(name=category_name, slug=slugify(category_name))
            for goods_name in goods:
                for finish in FINISH:
                    number += 1
                    item = Item.objects.create(
                        sku=f"{category_name[0]}{number}",
                        name=f"{goods_name}, {finish}",
                        category=category,
                        quantity=choose.randrange(0, 120),
                        price=f"{choose.randrange(250, 9900) / 100:.2f}",
                        description=f"{goods_name} in {finish}. Shelf {choose.randrange(1, 40)}.",
                    )
                    Movement.objects.create(item=item, user=user, amount=item.quantity, reason="first count")
