"""Tables of what clients may send and what must become of it, by protocol; every expectation names its standard.

The tests that run them are `test_wire_*.py`. A request that must never be served asks for `/smuggled`.
"""
