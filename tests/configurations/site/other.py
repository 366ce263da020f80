"""A second application."""
import report

application = report.application("other:application")
main = report.application("other:main")
