"""One module with every way to name an application."""
import report

application = report.application("hello:application")
app = report.application("hello:app")


def create_app(stage="none"):
    return report.application(f"hello:create_app({stage})")


class Holder:
    wsgi = staticmethod(report.application("hello:holder.wsgi"))


holder = Holder()
