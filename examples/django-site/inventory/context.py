"""Values every template sees."""
from django.conf import settings


def owner(request):
    """Whose stockroom this is."""
    return {"owner": settings.OWNER}
