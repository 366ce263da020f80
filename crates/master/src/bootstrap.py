import os, sys
if sys.version_info < (3, 9):
    os._exit(98)
# `-c` puts the working directory in front, where the application's files could hide ours.
if sys.path and sys.path[0] == "":
    del sys.path[0]
from importlib.util import find_spec
if find_spec("margrave") is None:
    sys.path.append(os.environ.get("MARGRAVE_PACKAGE") or "/nonexistent")
    if find_spec("margrave") is None:
        os._exit(97)
try:
    import margrave._margrave
except Exception as error:
    sys.stderr.write("margrave: %s: %s\n" % (type(error).__name__, error))
    sys.stderr.flush()
    os._exit(99)
import runpy
runpy.run_module("margrave.zygote", run_name="__main__", alter_sys=True)
