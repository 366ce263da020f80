"""uWSGI and Margrave read the same configurations: what they print, exit with and show is equal, but for listed differences."""

import pytest
import run
from config_differences import DIFFERENCES

CASES = run.all_cases()


@pytest.mark.parametrize("name", CASES)
def test_configuration_is_read_alike(name, request):
    programs = [request.config.getoption(option) for option in ("--uwsgi", "--margrave")]
    difference = run.compare(name, CASES[name], programs)
    if name in DIFFERENCES:
        assert difference, f"{name} differs no more: remove it from config_differences.py"
    else:
        assert difference is None, f"\nuWSGI    {difference[1]}\nMargrave {difference[2]}"
