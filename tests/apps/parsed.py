"""What Werkzeug and Django make of a request: fields, forms, uploads, streams; and their streamed answers."""
import hashlib
import json

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from werkzeug.wrappers import Request, Response
from werkzeug.wsgi import LimitedStream, get_input_stream

if not settings.configured:
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x", DEBUG=False, USE_TZ=True, FILE_UPLOAD_MAX_MEMORY_SIZE=65536, DATA_UPLOAD_MAX_MEMORY_SIZE=None)
    django.setup()


def digest(data):
    return f"{len(data)}:{hashlib.sha256(data).hexdigest()}"


def upload(file):
    return {"name": file.filename if hasattr(file, "filename") else file.name, "content": digest(file.read()), "type": file.content_type}


# ---- Django


def django_seen(request):
    return JsonResponse(
        {
            "method": request.method,
            "path": request.path,
            "query": request.GET.dict(),
            "form": {name: request.POST.getlist(name) for name in request.POST},
            "files": {name: upload(file) for name, file in request.FILES.items()},
            "cookies": request.COOKIES,
            "secure": request.is_secure(),
            "host": request.get_host(),
            "length": request.META.get("CONTENT_LENGTH"),
        }
    )


def django_body(request):
    return HttpResponse(digest(request.body))


def django_pieces(request):
    found = hashlib.sha256()
    size = 0
    while piece := request.read(1000):
        found.update(piece)
        size += len(piece)
    return HttpResponse(f"{size}:{found.hexdigest()}")


def django_streamed(request):
    return StreamingHttpResponse((b"piece %d\n" % number for number in range(1000)), content_type="text/plain")


def django_file(request):
    return FileResponse(open(__file__, "rb"), content_type="text/plain")


urlpatterns = [
    path("django/seen", django_seen), path("django/body", django_body), path("django/pieces", django_pieces),
    path("django/streamed", django_streamed), path("django/file", django_file),
]  # fmt: skip
in_django = WSGIHandler()


# ---- Werkzeug


def werkzeug_seen(request):
    return {
        "method": request.method,
        "path": request.path,
        "query": request.args.to_dict(),
        "form": request.form.to_dict(flat=False),
        "files": {name: upload(file) for name, file in request.files.items()},
        "cookies": request.cookies.to_dict(),
        "secure": request.is_secure,
        "host": request.host,
        "length": request.environ.get("CONTENT_LENGTH"),
    }


def in_werkzeug(environ, start_response):
    request = Request(environ)
    name = request.path.rpartition("/")[2]
    if name == "seen":
        response = Response(json.dumps(werkzeug_seen(request)), mimetype="application/json")
    elif name == "body":
        response = Response(digest(request.get_data()))
    elif name == "pieces":
        stream = get_input_stream(environ)
        response = Response(digest(b"".join(iter(lambda: stream.read(1000), b""))))
    elif name == "limited":
        stream = LimitedStream(environ["wsgi.input"], 5)
        response = Response(digest(stream.read()))
    elif name == "streamed":
        response = Response((b"piece %d\n" % number for number in range(1000)), mimetype="text/plain")
    else:
        response = Response(open(__file__, "rb"), mimetype="text/plain", direct_passthrough=True)
    return response(environ, start_response)


def application(environ, start_response):
    inner = in_django if environ["PATH_INFO"].startswith("/django/") else in_werkzeug
    return inner(environ, start_response)
