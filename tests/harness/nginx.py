"""A real nginx in front of a server under test: uwsgi_pass, fastcgi_pass, scgi_pass and proxy_pass."""
import os
import shutil
import subprocess
from pathlib import Path

from .address import free_address
from .server import Server

CONF = """
{user} daemon off; master_process on; worker_processes 1; pid {dir}/nginx.pid; error_log stderr warn;
events {{ worker_connections 256; }}
http {{
  access_log off; client_max_body_size 64m; client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy;
  uwsgi_temp_path {dir}/uwsgi; fastcgi_temp_path {dir}/fastcgi; scgi_temp_path {dir}/scgi;
  {upstreams}
  {servers}
}}
"""
SERVER = "server {{ listen {listen}; server_name localhost; location / {{ {location} }} }}"
UPSTREAM = "upstream {name} {{ server {target}; keepalive 4; }}"
PARAMS = """uwsgi_param QUERY_STRING $query_string; uwsgi_param REQUEST_METHOD $request_method;
uwsgi_param CONTENT_TYPE $content_type; uwsgi_param CONTENT_LENGTH $content_length; uwsgi_param REQUEST_URI $request_uri;
uwsgi_param PATH_INFO $document_uri; uwsgi_param DOCUMENT_ROOT $document_root; uwsgi_param SERVER_PROTOCOL $server_protocol;
uwsgi_param REQUEST_SCHEME $scheme; uwsgi_param HTTPS $https if_not_empty; uwsgi_param REMOTE_ADDR $remote_addr;
uwsgi_param REMOTE_PORT $remote_port; uwsgi_param SERVER_PORT $server_port; uwsgi_param SERVER_NAME $server_name;"""


def executable():
    """Path of nginx, or None."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def uwsgi_pass(target):
    """Location body that passes on over uwsgi."""
    return f"{PARAMS} uwsgi_pass {'unix:' + target if '/' in target else target};"


def fastcgi_pass(target, options=""):
    """Location body that passes on over FastCGI; what applications log goes to nginx's log."""
    return f"{PARAMS.replace('uwsgi_', 'fastcgi_')} {options} fastcgi_pass {'unix:' + target if '/' in target else target};"


def scgi_pass(target):
    """Location body that passes on over SCGI. CONTENT_LENGTH and SCGI are nginx's own."""
    params = PARAMS.replace("uwsgi_param CONTENT_LENGTH $content_length;", "").replace("uwsgi_", "scgi_")
    return f"{params} scgi_param SCGI 1; scgi_pass {'unix:' + target if '/' in target else target};"


def proxy_pass(target, keepalive=False):
    """Location body that passes on over HTTP."""
    version = 'proxy_http_version 1.1; proxy_set_header Connection "";' if keepalive else ""
    return f"{version} proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto $scheme; proxy_pass http://{target};"


class Nginx(Server):
    """`locations` maps a name to a location body; `addresses[name]` is where it listens.

    `upstreams` maps names that location bodies may use for addresses to those to which connections are kept.
    """

    def __init__(self, directory, locations, upstreams=None):
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        self.addresses = {name: free_address() for name in locations}
        servers = "\n".join(
            SERVER.format(listen=self.addresses[name], location=body) for name, body in locations.items()
        )
        upstreams = "\n".join(UPSTREAM.format(name=name, target=target) for name, target in (upstreams or {}).items())
        conf = directory / "nginx.conf"
        user = "user root;" if os.geteuid() == 0 else ""  # else the workers cannot read the test's directories
        conf.write_text(CONF.format(dir=directory, servers=servers, upstreams=upstreams, user=user))
        super().__init__([executable(), "-p", directory, "-c", conf], directory, name="nginx")

    def begin(self):
        check = subprocess.run([self.command[0], "-t", *self.command[1:]], capture_output=True, text=True, timeout=20)
        assert check.returncode == 0, check.stderr
        return self.start().wait_ready(*self.addresses.values())
