"""As many bytes as the path says, yielded in pieces of 64 KB."""

PIECE = b"x" * 65536


def application(environ, start_response):
    size = int(environ["PATH_INFO"][1:] or 1)
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(size))])
    whole, rest = divmod(size, len(PIECE))
    for _ in range(whole):
        yield PIECE
    if rest:
        yield PIECE[:rest]
