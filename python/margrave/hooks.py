"""Hooks between the steps of a zygote and of a worker; the actions themselves are native."""

import os

# What the master ran at its start, and a reload runs again in the new generation.
OF_THE_START = ("asap", "in-jail", "as-root", "as-user")


class HookEnd(Exception):
    """A hook failed, or asked for the end; the process is to end with `code`."""

    def __init__(self, message, code):
        super().__init__(message)
        self.code = code


def run(process, *phases, directory=None):
    """Runs the hooks of each phase in `process`, the native zygote or worker that this is."""
    for phase in phases:
        if phase == "as-root" and os.geteuid() != 0:
            continue
        try:
            variables, code = process.run_hooks(phase, directory)
        except RuntimeError as error:
            raise HookEnd(str(error), 1) from None
        os.environ.update(variables)
        if code is not None:
            raise HookEnd(f"hook-{phase} asked for the end with exit code {code}", code)
