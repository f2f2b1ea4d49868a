"""Weights of networks: sources, downloads, files of every kind, Gatys' normalisation."""
