"""A real Apache in front of a server under test: mod_proxy_http, mod_proxy_uwsgi, mod_proxy_fcgi and mod_proxy_scgi."""
import os
import shutil
import subprocess
from pathlib import Path

from .address import free_address
from .server import Server

MODULES = "/usr/lib/apache2/modules"
CONF = """
ServerRoot {dir}
ServerName localhost
PidFile {dir}/apache.pid
DefaultRuntimeDir {dir}
ErrorLog /dev/stderr
LogLevel warn
{user}
{modules}
ServerLimit 2
ThreadsPerChild 16
MaxRequestWorkers 32
KeepAlive On
ProxyTimeout 30
{hosts}
"""
HOST = """
Listen {listen}
<VirtualHost {listen}>
{body}
</VirtualHost>
"""
# mod_proxy_fcgi and mod_proxy_scgi take the whole path for the script's name, unless they are told otherwise.
FCGI_PATH = 'ProxyFCGIBackendType GENERIC\nProxyFCGISetEnvIf "true" PATH_INFO "%{reqenv:SCRIPT_NAME}"\nProxyFCGISetEnvIf "true" SCRIPT_NAME ""'
SCGI_PATH = "SetEnvIf Request_URI . proxy-scgi-pathinfo=1"


def executable():
    """Path of Apache, or None."""
    found = shutil.which("apache2") or shutil.which("apache2", path="/usr/sbin") or shutil.which("httpd", path="/usr/sbin:/usr/bin")
    return found if found and Path(MODULES, "mod_proxy_uwsgi.so").exists() else None


def proxy_pass(scheme, target, options="", more=""):
    """Body of a host that passes everything on."""
    return f'{more}\nProxyPass "/" "{scheme}://{target}/" {options}'


class Apache(Server):
    """`hosts` maps a name to a host's body; `addresses[name]` is where it listens."""

    def __init__(self, directory, hosts):
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        self.addresses = {name: free_address() for name in hosts}
        names = ["mpm_event", "authz_core", "env", "setenvif", "proxy", "proxy_http", "proxy_fcgi", "proxy_scgi", "proxy_uwsgi"]
        conf = directory / "apache.conf"
        conf.write_text(
            CONF.format(
                dir=directory,
                user="User www-data\nGroup www-data" if os.geteuid() == 0 else "",
                modules="\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in names),
                hosts="".join(HOST.format(listen=self.addresses[name], body=body) for name, body in hosts.items()),
            )
        )
        super().__init__([executable(), "-d", directory, "-f", conf, "-D", "FOREGROUND"], directory, name="apache")

    def begin(self):
        check = subprocess.run([*self.command[:5], "-t"], capture_output=True, text=True, timeout=20)
        assert check.returncode == 0, check.stderr
        return self.start().wait_ready(*self.addresses.values())
