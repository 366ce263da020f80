"""Runs last: the list of intended differences holds nothing that is not one."""
from differences import DIFFERENCES, unused


def test_every_intended_difference_was_seen(request):
    if len(request.session.items) < 300:
        return  # only a part of the cases ran
    assert not unused(), "\n".join(unused())


def test_every_intended_difference_has_a_reason():
    assert all(len(entry.reason.split()) >= 2 for entry in DIFFERENCES)
