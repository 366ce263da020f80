"""What was measured on, in words: figures without it mean nothing."""

import datetime
import os
import pathlib
import platform


def describe():
    """The machine, as far as it tells."""
    cpu = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    memory = next((int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**20, 1),
        "kernel": ".".join(platform.release().split(".")[:2]),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "is_virtual": any("hypervisor" in line for line in _lines("/proc/cpuinfo")),
        "date": datetime.date.today().isoformat(),
        # What others did meanwhile: much above the cores in use, and the figures are worth less.
        "load_at_start": round(os.getloadavg()[0], 1),
    }


def sentence(about):
    """The same for people, with how it was measured where that is known."""
    machine, method = about["machine"], f"{turns(about['method'])}; " if "method" in about else ""
    kind = "virtual cores" if machine["is_virtual"] else "cores"
    versions = ", ".join(f"{name} {version}" for name, version in sorted(about["versions"].items(), key=lambda one: one[0].lower()))
    return (
        f"{machine['date']}; {machine['cpu']}, {machine['cores']} {kind}, {machine['memory_gib']} GiB, Linux {machine['kernel']}, "
        f"{machine['python']}, load {machine['load_at_start']} before the run; {method}{versions}"
    )


def turns(method):
    """Rounds and their length: `2 rounds of 1 to 4 s`. A round that no clock ends has none."""
    rounds = "one round" if method["rounds"] == 1 else f"{method['rounds']} rounds"
    if "seconds" not in method:
        return rounds
    least, most = method["seconds"], method.get("seconds_at_most", method["seconds"])
    return f"{rounds} of {least} s" if least == most else f"{rounds} of {least} to {most} s"


def _lines(path):
    try:
        return pathlib.Path(path).read_text().splitlines()
    except OSError:
        return []
