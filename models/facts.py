"""What the archive knows of a network besides its weights: one record for each."""

from collections.abc import Callable
from typing import NamedTuple


class Facts(NamedTuple):
    """What a network is, and which of its layers the recipes take where none is named.

    The published layers are those of VGG-19; a layer of another network stands for the one that
    sees about as much of the picture (`python -m models layers NAME` tells how much).

    Attributes:
        layers: function (pool, width, classes) -> list of (name, how to build it, names below).
        about: what it is, in a few words.
        size: rows and columns of the pictures that it was trained on; dense layers fix them.
        style: layers whose statistics are a painting's style, shallow to deep, for VGG-19
            conv1_1, conv2_1, ... conv5_1 (Gatys et al. 2015).
        content: the layer whose activations are a photo's content, conv4_2 (Gatys et al. 2015).
        deeper: layers to reconstruct a picture from, one after another, shallow to deep.
        deconvnet: the layer whose channels are projected back.
        dream: the layer to dream of.
    """

    layers: Callable
    about: str
    size: int
    style: tuple
    content: str
    deeper: tuple
    deconvnet: str
    dream: str
