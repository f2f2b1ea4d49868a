"""Measures that tests, claims and comparisons use, and no recipe needs to run."""
