"""Experiments of the paper, and comparisons with rivals: small networks, held-out crops, one command."""
