"""PEP 3333: what applications may do, what they must not, and what a server makes of it.

A row is: name, section of the PEP, target, what must come. `500` stands for the server's own short answer.
"""
from dataclasses import dataclass, field

DETAILS = "Specification Details"
ENVIRON = "environ Variables"
STREAMS = "Input and Error Streams"
START = "The start_response() Callable"
LENGTH = "Handling the Content-Length Header"
BUFFERING = "Buffering and Streaming"
WRITE = "The write() Callable"
UNICODE = "Unicode Issues"
ERRORS = "Error Handling"
FILES = "Optional Platform-Specific File Handling"
HTTP = "Other HTTP Features"

BROKEN = "cut, so that it does not look complete"
OWN_500 = b"Internal Server Error\n"
BODY = b"abcde\nfgh\n\nij"


@dataclass(frozen=True)
class Row:
    """One request to `pep3333.py`."""

    name: str
    section: str
    target: str
    body: object = None
    status: int = 200
    fields: dict = field(default_factory=dict)
    method: str = "GET"
    sent: tuple = ()
    data: object = None
    logged: str = ""

    def __str__(self):
        return f"{self.name} [PEP 3333, {self.section}]"


def error(name, section, target, logged=""):
    return Row(name, section, target, OWN_500, 500, {"X-Injected": None}, logged=logged)


def check(name, section, target, value, **more):
    """`value` is what the check gives, as JSON."""
    return Row(name, section, "/check/" + target, value, **more)


ENVIRONS = [
    check("environ is a builtin dictionary", DETAILS, "environ_is_a_dict", True),
    check("the application may change it in any way", DETAILS, "environ_can_be_changed", True),
    check("which the next request does not see", DETAILS, "changes_of_others_are_not_seen", True),
    check("what must be there is", ENVIRON, "required", []),
    check("and not empty", ENVIRON, "required_and_not_empty", []),
    check("CGI's variables are strings", ENVIRON, "not_strings", []),
    check("of bytes", UNICODE, "not_latin1?%C3%A9=\xe9", []),
    check("names are strings", ENVIRON, "names_not_strings", []),
    check("wsgi.version", ENVIRON, "version", ["tuple", [1, 0]]),
    check("wsgi.url_scheme", ENVIRON, "scheme", "http"),
    check("wsgi.input has its methods", STREAMS, "input_methods", []),
    check("wsgi.errors has its methods", STREAMS, "errors_methods", []),
    check("wsgi.errors is a text stream", STREAMS, "errors_take_text", True, logged="three"),
    check("wsgi.file_wrapper can be called", FILES, "wrapper_is_callable", True),
    check("no content", ENVIRON, "content_of_nothing", ["", "", ""]),
    check("content has no HTTP_ variables", ENVIRON, "content", ["t/x", "3", None, None], method="POST", sent=(("Content-Type", "t/x"),), data=b"abc"),
    check("the URL can be reconstructed", "URL Reconstruction", "url?a=%20b", "http://site.test/check/url?a=%20b"),
    check("a path beyond ASCII is bytes as latin-1", UNICODE, "url", "http://site.test/check/url"),
    check("the process's environment is not in it", ENVIRON, "os_environment", []),
    Row("the path is decoded", UNICODE, "/caf%C3%A9", "hello /caf\xc3\xa9".encode()),
    Row("no exception is being handled", DETAILS, "/sys_exc_info_is_clean", b"True"),
]  # fmt: skip

STARTS = [
    Row("it returns write", START, "/returns_write", b"True"),
    Row("exc_info may be None", START, "/keyword_exc_info", b"ok"),
    Row("a second call raises", START, "/twice", None, 200, {"X-Own": "1"}),
    error("which the application need not handle", START, "/twice_and_unhandled", "Error"),
    Row("exc_info replaces the head", ERRORS, "/replaced", b"replaced", 503, {"X-First": None, "X-Second": "2", "Content-Length": "8"}),
    Row("exc_info at the first call", ERRORS, "/first_with_exc_info", b"only", 503, {"X-Second": "2"}),
    Row("exc_info replaces it as long as nothing is sent", ERRORS, "/replaced_in_generator", b"replaced", 503, {"X-First": None, "X-Second": "2"}),
    Row("exc_info raises when something is sent", ERRORS, "/replaced_too_late", BROKEN, logged="KeyError"),
    Row("exc_info raises when something is written", ERRORS, "/replaced_too_late_after_write", BROKEN, logged="KeyError"),
    Row("it may be called by the first step of the iteration", START, "/lazy", b"lazy", 202, {"X-Own": "1"}),
    Row("and after empty pieces", START, "/lazy_after_nothing", b"lazy", 202),
    error("but not after body", START, "/too_late", "start_response"),
    error("never called", START, "/never_started", "start_response"),
    error("never called, nothing returned", START, "/never_started_and_empty", "start_response"),
    error("never called by a generator", START, "/never_started_in_generator", "start_response"),
    Row("through middleware", "Middleware: Components that Play Both Sides", "/lazy", b"lazy", 202),
    *(error(f"a status that is none: {kind}", START, f"/status?{kind}", "status")
      for kind in ("int", "bytes", "none", "empty", "two-digits", "four-digits", "no-digits", "float", "line-end", "lf", "beyond-latin1", "nul", "tuple")),
    *(Row(f"a good status: {kind}", START, f"/good_status?{kind}", b"ok", status) for kind, status in [("no-reason", 200), ("blank-reason", 200), ("own", 299), ("latin1", 200), ("subclass", 200), ("tab", 200)]),
    *(error(f"fields that are none: {kind}", START, f"/fields?{kind}")
      for kind in ("none", "int", "str", "bytes-name", "bytes-value", "int-value", "none-value", "none-name", "one", "three", "not-a-tuple", "none-in-list", "line-end", "lf", "cr", "nul",
                   "name-line-end", "name-colon", "name-space", "name-empty", "beyond-latin1", "name-beyond-ascii", "coding", "length", "length-int", "two-lengths", "surrogate")),
    *(Row(f"good fields: {kind}", START, f"/good_fields?{kind}", b"ok", 200, {"X-Own": value})
      for kind, value in [("none", None), ("latin1", "caf\xe9"), ("empty", ""), ("subclass", "y"), ("many", [str(n) for n in range(100)]), ("long", "v" * 50_000), ("space", "y")]),
]  # fmt: skip

RETURNS = [
    *(Row(f"an iterable: {kind}", DETAILS, f"/good_return?{kind}", body)
      for kind, body in [
          ("list", b"ab"), ("tuple", b"ab"), ("generator", b"ab"), ("iterator", b"ab"), ("map", b"ab"), ("plain", b"plain iterable"), ("sequence", b"by index"),
          ("no-length", b"plain iterable"), ("empty-list", b""), ("empty-tuple", b""), ("empty-pieces", b""), ("empty-between", b"ab"), ("subclass", b"sub"), ("dict", b"ab"),
          ("deque", b"ab"), ("bytesio", b"l1\nl2\n"), ("bytes-list-of-one", b"x" * 100_000), ("chain", b"ab"),
      ]),
    Row("the length of one piece is known", LENGTH, "/good_return?bytes-list-of-one", b"x" * 100_000, fields={"Content-Length": "100000"}),
    Row("the length of none is known", LENGTH, "/good_return?empty-list", b"", fields={"Content-Length": "0"}),
    Row("an object", "The Application/Framework Side", "/instance", b"called"),
    Row("a class", "The Application/Framework Side", "/by_class", b"made"),
    *(error(f"no iterable of bytes: {kind}", DETAILS, f"/bad_return?{kind}") for kind in ("none", "int", "text", "texts", "nones", "ints", "object", "texts-later", "lists", "type", "nothing")),
    Row("text behind bytes", DETAILS, "/text_after_bytes", BROKEN, logged="bytes"),
    *(Row(f"no more is asked for than {length} bytes", LENGTH, f"/never_ending?200&{length}", b"abcabcabc"[:length], fields={"Content-Length": str(length)}) for length in (0, 3, 7)),
    Row("nor anything for 204", LENGTH, "/never_ending?204", b"", 204),
    Row("nor for HEAD", HTTP, "/never_ending?200", b"", method="HEAD"),
    Row("HEAD of an iterable", HTTP, "/good_return?generator", b"", method="HEAD"),
]  # fmt: skip

WRITES = [
    Row("before what is returned", WRITE, "/written", b"one two three"),
    Row("and nothing returned", WRITE, "/written_alone", b"alone"),
    Row("with a length", WRITE, "/written_with_length", b"only5", fields={"Content-Length": "5"}),
    error("of text", WRITE, "/written_text", "bytes"),
    Row("of nothing", WRITE, "/written_nothing", b"", 204),
    Row("between the pieces", WRITE, "/written_in_generator", b"one two three four"),
]  # fmt: skip

EARLY = ("at_call", "after_start", "at_iter", "at_first", "after_nothing", "in_both")
LATE = ("after_first", "after_first_of_length", "after_write")
EXCEPTIONS = ("ValueError", "SystemExit", "SystemExit0", "KeyboardInterrupt", "GeneratorExit", "OwnBase", "MemoryError", "OSError", "BrokenPipeError", "UnicodeError", "StopIteration")


def is_an_end(kind, point):
    """StopIteration out of __next__ is no failure but the end."""
    return kind == "StopIteration" and point in ("at_first", "after_nothing", "after_first", "after_first_of_length", "in_both")


def shown(kind):
    """What the log calls it."""
    return {"SystemExit0": "SystemExit", "UnicodeError": "UnicodeEncodeError"}.get(kind, kind)


RAISES = [
    *(error(f"{kind} {point}", ERRORS, f"/raise/{kind}/{point}", shown(kind)) for kind in EXCEPTIONS for point in EARLY if not is_an_end(kind, point)),
    *(Row(f"{kind} {point}", ERRORS, f"/raise/{kind}/{point}", BROKEN) for kind in EXCEPTIONS for point in LATE if not is_an_end(kind, point)),
    *(Row(f"{kind} in close()", ERRORS, f"/raise/{kind}/in_close", b"first", logged=shown(kind)) for kind in EXCEPTIONS),
    *(Row(f"a forked process that {how} is not a second answer", DETAILS, f"/forked?{how}", status, logged="forked")
      for how, status in [("returns", b"0"), ("iterates", b"0"), ("writes", b"0"), ("exits", b"3"), ("raises", b"1")]),
    error("a stack that is too deep", ERRORS, "/too_deep", "RecursionError"),
    error("an exception that cannot be printed", ERRORS, "/bad_traceback", "Unprintable"),
]  # fmt: skip

WRAPPERS = [
    Row("a file", FILES, "/wrapped?real", b"0123456789" * 1000, fields={"Content-Length": "10000"}),
    Row("a file from its position on", FILES, "/wrapped?offset", b"0123456789"),
    Row("an empty file", FILES, "/wrapped?empty", b""),
    Row("a file without an end", FILES, "/wrapped?never-ending&10", bytes(10)),
    Row("a file with a length", FILES, "/wrapped?real&100", b"0123456789" * 10, fields={"Content-Length": "100"}),
    Row("a file-like object", FILES, "/wrapped?bytesio", b"0123456789"),
    Row("one with read() alone", FILES, "/wrapped?only-read", b"0123456789"),
    Row("one without a descriptor", FILES, "/wrapped?bad-position", b"0123456789"),
    Row("one with a buffer", FILES, "/wrapped?buffered", b"0123456789"),
    Row("a pipe", FILES, "/wrapped?pipe", b"through a pipe"),
    Row("a file of /proc, which has no size", FILES, "/wrapped?no-size", b"Linux\n"),
    error("one that fails", FILES, "/wrapped?failing", "OSError"),
    error("one of text", FILES, "/wrapped?text"),
    Row("iterated by the application", FILES, "/wrapped_and_iterated", b"[0123][4567][89]"),
    Row("with the keywords of wsgiref's", FILES, "/wrapped_by_keyword", b"0123456789"),
    Row("and not returned", FILES, "/wrapped_and_dropped", b"another answer"),
    Row("after write()", FILES, "/wrapped_after_write", b"first then a file"),
    Row("HEAD of a file", HTTP, "/wrapped?real", b"", method="HEAD", fields={"Content-Length": "10000"}),
]  # fmt: skip

INPUTS = [
    Row(steps, STREAMS, f"/input/{steps}", found, method="POST", data=BODY)
    for steps, found in [
        ("read", ["abcde\nfgh\n\nij"]),
        ("read:4,read:100", ["abcd", "e\nfgh\n\nij"]),
        ("read:0,read:-1,read", ["", "abcde\nfgh\n\nij", ""]),
        ("read:None", ["abcde\nfgh\n\nij"]),
        ("read:13,read", ["abcde\nfgh\n\nij", ""]),
        ("read:5,read:5,read:5,read:5", ["abcde", "\nfgh\n", "\nij", ""]),
        ("readline,readline,readline,readline,readline", ["abcde\n", "fgh\n", "\n", "ij", ""]),
        ("readline:3,readline:3,readline:100,readline:0", ["abc", "de\n", "fgh\n", ""]),
        ("readline:-1,readline:None", ["abcde\n", "fgh\n"]),
        ("readline:6,readline:1", ["abcde\n", "f"]),
        ("readlines", [["abcde\n", "fgh\n", "\n", "ij"]]),
        ("readlines:1,readlines", [["abcde\n"], ["fgh\n", "\n", "ij"]]),
        ("readlines:7,read", [["abcde\n", "fgh\n"], "\nij"]),
        ("readlines:0", [["abcde\n", "fgh\n", "\n", "ij"]]),
        ("iter,read", [["abcde\n", "fgh\n", "\n", "ij"], ""]),
        ("next,next,read", ["abcde\n", "fgh\n", "\nij"]),
        ("read:2,readline,iter", ["ab", "cde\n", ["fgh\n", "\n", "ij"]]),
        ("next,readline:2,read:1,readlines", ["abcde\n", "fg", "h", ["\n", "\n", "ij"]]),
        ("iter,next,readline,readlines", [["abcde\n", "fgh\n", "\n", "ij"], "END", "", []]),
    ]
]  # fmt: skip
