"""Both examples in headless Chromium; with MARGRAVE_IMAGES=DIRECTORY the pictures are kept there (the README's)."""
import os
import struct
import subprocess
import zlib

import pytest
from conftest import ROOT, chromium
from harness.server import Server, clean_environment

pytestmark = [pytest.mark.needs_chromium, pytest.mark.timeout(180)]
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--virtual-time-budget=5000",
]  # fmt: skip


def look(url, picture, directory, size):
    """Takes a picture of a page."""
    command = [
        chromium(), *FLAGS, f"--user-data-dir={directory / 'profile'}", f"--window-size={size[0]},{size[1]}",
        f"--screenshot={picture}", url,
    ]  # fmt: skip
    env = {**clean_environment(), "HOME": str(directory)}
    done = subprocess.run(command, cwd=directory, env=env, capture_output=True, timeout=150)
    assert done.returncode == 0 and picture.exists(), done.stderr.decode(errors="replace")[-2000:]


def colours(picture):
    """Width, height and the set of colours of a PNG of 8 bits, enough to see that it is no blank page."""
    data = picture.read_bytes()
    assert data.startswith(b"\x89PNG")
    at, packed = 8, b""
    while at < len(data):
        (length,), kind = struct.unpack(">I", data[at : at + 4]), data[at + 4 : at + 8]
        part = data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", part[:10])
        elif kind == b"IDAT":
            packed += part
        at += length + 12
    assert depth == 8 and colour in (2, 6)
    step = 3 if colour == 2 else 4
    raw = zlib.decompress(packed)
    return width, height, {raw[i : i + step] for i in range(1, len(raw) - step, 997)}


@pytest.mark.parametrize("name, target, size", [("django", "/", (1200, 900)), ("flask", "/", (900, 760))])
def test_example_looks_like_a_page_in_a_browser(request, tmp_path, name, target, size):
    places = request.getfixturevalue(f"{name}_site")
    images = os.environ.get("MARGRAVE_IMAGES")
    picture = (ROOT / images if images else tmp_path) / f"{name}.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    look(f"http://{places.http}{target}", picture, tmp_path, size)
    width, height, seen = colours(picture)
    assert (width, height) == size and len(seen) > 10
    requests = places.server.log if isinstance(places.server, Server) else ""
    if name == "django":
        assert "/static/inventory/site.css" in requests and "/static/inventory/mark.svg" in requests
