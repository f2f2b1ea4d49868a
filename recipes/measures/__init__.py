"""Detectors and measures for tests, claims and comparison; no recipe needs them to run."""
