"""Pages of the site: list, item, forms, upload, downloads, JSON."""
import csv
import hashlib
import json

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Count, F, Q, Sum
from django.http import FileResponse, Http404, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from .forms import ItemForm, MovementForm, SheetForm
from .models import Category, Item, Movement

PAGE = 20
RECENT = 5


def chosen(request):
    """The items that the query string asks for."""
    items = Item.objects.select_related("category")
    if text := request.GET.get("q", "").strip():
        items = items.filter(Q(name__icontains=text) | Q(sku__icontains=text))
    if slug := request.GET.get("category"):
        items = items.filter(category__slug=slug)
    return items


@require_http_methods(["GET", "HEAD"])
def item_list(request):
    page = Paginator(chosen(request), PAGE).get_page(request.GET.get("page"))
    query = request.GET.copy()
    query.pop("page", None)
    recent = request.session.get("recent", [])
    return render(
        request,
        "inventory/list.html",
        {
            "page": page,
            "query": query.urlencode(),
            "categories": Category.objects.annotate(size=Count("items")),
            "recent": Item.objects.filter(sku__in=recent),
            "totals": Item.objects.aggregate(pieces=Sum("quantity"), value=Sum(F("quantity") * F("price"))),
        },
    )


@require_http_methods(["GET", "HEAD"])
def item(request, sku):
    found = get_object_or_404(Item.objects.select_related("category"), sku=sku)
    recent = [other for other in request.session.get("recent", []) if other != sku]
    request.session["recent"] = [sku, *recent][:RECENT]
    return render(
        request,
        "inventory/item.html",
        {
            "item": found,
            "movements": found.movements.select_related("user")[:10],
            "movement_form": MovementForm(),
            "sheet_form": SheetForm(),
        },
    )


@login_required
def new_item(request):
    form = ItemForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        made = form.save()
        messages.success(request, f"{made} is on the shelf.")
        return redirect(made)
    return render(request, "inventory/new.html", {"form": form}, status=400 if form.errors else 200)


def move(item_id, user, form):
    """Books a movement; the row is locked by SQLite's transaction, so that two workers cannot both take the last piece."""
    with transaction.atomic():
        amount = form.cleaned_data["amount"]
        changed = Item.objects.filter(pk=item_id, quantity__gte=-amount).update(quantity=F("quantity") + amount)
        if changed:
            Movement.objects.create(item_id=item_id, user=user, **form.cleaned_data)
        return bool(changed)


@login_required
@require_POST
def book(request, sku):
    found = get_object_or_404(Item, sku=sku)
    form = MovementForm(request.POST)
    if not form.is_valid():
        messages.error(request, "A movement needs a number and a reason.")
    elif move(found.pk, request.user, form):
        messages.success(request, f"Booked {form.cleaned_data['amount']:+d} for {found.sku}.")
    else:
        messages.error(request, f"There are only {found.quantity} of {found.sku}.")
    return redirect(found)


@login_required
@require_POST
def upload(request, sku):
    found = get_object_or_404(Item, sku=sku)
    form = SheetForm(request.POST, request.FILES, instance=found)
    if "sheet" not in request.FILES or not form.is_valid():
        messages.error(request, "; ".join(error for errors in form.errors.values() for error in errors) or "No file came.")
        return redirect(found)
    digest = hashlib.sha256()
    for chunk in request.FILES["sheet"].chunks():
        digest.update(chunk)
    form.save()
    messages.success(request, f"Data sheet stored, SHA-256 {digest.hexdigest()}.")
    return redirect(found)


@require_GET
def sheet(request, sku):
    found = get_object_or_404(Item, sku=sku)
    if not found.sheet:
        raise Http404("no data sheet")
    return FileResponse(found.sheet.open("rb"), as_attachment=True)  # the server's wsgi.file_wrapper sends it


class Line:
    """csv.writer wants a file; this one hands each line back."""

    def write(self, text):
        return text


@require_GET
def export(request):
    writer = csv.writer(Line())

    def lines():
        yield writer.writerow(["sku", "name", "category", "quantity", "price"])
        for row in chosen(request).values_list("sku", "name", "category__name", "quantity", "price").iterator(50):
            yield writer.writerow(row)

    return StreamingHttpResponse(
        lines(),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="stockroom.csv"'},
    )


def as_json(found):
    return {
        "sku": found.sku,
        "name": found.name,
        "category": found.category.slug,
        "quantity": found.quantity,
        "price": str(found.price),
    }


@require_GET
def api_items(request):
    page = Paginator(chosen(request), PAGE).get_page(request.GET.get("page"))
    return JsonResponse(
        {
            "page": page.number,
            "pages": page.paginator.num_pages,
            "count": page.paginator.count,
            "items": [as_json(found) for found in page],
        }
    )


def api_item(request, sku):
    found = get_object_or_404(Item.objects.select_related("category"), sku=sku)
    if request.method == "GET":
        return JsonResponse(as_json(found))
    if request.method != "PATCH":
        return HttpResponse(status=405, headers={"Allow": "GET, PATCH"})
    if not request.user.is_authenticated:
        return JsonResponse({"error": "log in first"}, status=403)
    try:
        data = json.loads(request.body)
    except ValueError as problem:
        return JsonResponse({"error": f"not JSON: {problem}"}, status=400)
    form = MovementForm(data if isinstance(data, dict) else {})
    if not form.is_valid():
        return JsonResponse({"error": form.errors.get_json_data()}, status=422)
    if not move(found.pk, request.user, form):
        return JsonResponse({"error": "not enough pieces", "quantity": found.quantity}, status=409)
    found.refresh_from_db()
    return JsonResponse(as_json(found))


@require_GET
def health(request):
    return HttpResponse("ok\n", content_type="text/plain")
