"""Stands in for the real package: a zygote that speaks the protocol and serves nothing."""
