"""Sequences from whatever people have."""
