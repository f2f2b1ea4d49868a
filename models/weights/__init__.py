"""Weights of networks: reading the files, and Gatys' normalisation."""
