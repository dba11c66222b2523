"""Makers of training pictures that need external programs; `research/rendered.py` runs them."""
