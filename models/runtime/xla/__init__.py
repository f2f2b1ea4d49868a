"""Compiled functions on a GPU, or on a CPU by the same way, as programs of XLA's through JAX.

`devices` finds the device, `linker` turns an optimised graph of Theano's into one program, `rules`
and `layer_rules` say each op in JAX. JAX is imported where a device is asked for, and not before.
"""
