"""Short forms for cases: one file of a format, whose last option ends the run."""

END = "version = true\n"
END_XML = "<version/></uwsgi>"


def ini(text, **more):
    """One file, read by --ini."""
    return {"files": {"m.ini": "[uwsgi]\n" + text + END, **more.pop("files", {})}, "argv": "--ini m.ini", **more}


def raw(text, **more):
    """One file as it stands, read by --ini."""
    return {"files": {"m.ini": text, **more.pop("files", {})}, "argv": "--ini m.ini", **more}


def xml(text, name="m.xml", **more):
    """One XML file, read by --xml."""
    return {"files": {"m.xml": text, **more.pop("files", {})}, "argv": f"--xml {name}", **more}


def yaml(text, name="m.yaml", **more):
    """One YAML file, read by --yaml."""
    return {"files": {"m.yaml": text, **more.pop("files", {})}, "argv": f"--yaml {name}", **more}


def words(*argv, **more):
    """A command line."""
    return {"files": more.pop("files", {}), "argv": list(argv), **more}


def shows(text, **more):
    """A file whose configuration is shown; both programs end since nothing is to be served."""
    return raw("[uwsgi]\n" + text + "show-config = true\n", **more)
