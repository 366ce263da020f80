"""Margrave beside its peers: CPU time per request, tails, memory and growth, measured in alternating rounds.

`scenarios` says what is measured, `peers` how each server is started, `measure` how a figure is taken, `rounds` who
takes turns; `report` and `plot` show it. `python -m benches --help` runs it; `make bench` installs everything before.
"""
