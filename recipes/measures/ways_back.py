"""The ways back from a network to the picture, compiled once, and measures of their maps."""

import contextlib

import lasagne
import numpy as np

from recipes.common import maps, projections
from recipes.measures import pictures


class WaysBack:
    """Gradient, guided backprop and deconvnet from layers of a network.

    Args:
        net: ordered dict of layers.
        layers: names.
        methods: names of `projections.METHODS`.
    """

    def __init__(self, net, layers, methods=tuple(projections.METHODS)):
        self.net, self.layers = net, list(layers)
        self._look = projections.compile_activations(net, self.layers)
        self._project = {method: projections.compile_projection(net, self.layers, method)
                         for method in methods}

    def activations(self, images):
        """Name of a layer to its activations of pictures (batch, 3, rows, columns)."""
        return dict(zip(self.layers, self._look(images)))

    def back(self, method, images, layer, seed):
        """Compute the map of each picture: of the sum of seed times activation of a layer.

        Args:
            method: one of those that were compiled.
            images: (batch, 3, rows, columns).
            layer: name.
            seed: of the layer's activations' shape.

        Returns:
            (batch, 3, rows, columns).
        """
        shapes = (lasagne.layers.get_output_shape(self.net[name], images.shape)
                  for name in self.layers)
        seeds = [seed if name == layer else np.zeros(shape, seed.dtype)
                 for name, shape in zip(self.layers, shapes)]
        return self._project[method](images, *seeds)

    def of_class(self, method, images, layer, classes=None):
        """Compute the map of a class's score for each picture.

        Args:
            layer: the one of the scores.
            classes: one index a picture, or None for the one that the network sees.

        Returns:
            (maps, classes): (batch, 3, rows, columns), (batch,).
        """
        scores = self.activations(images)[layer]
        classes = scores.argmax(axis=1) if classes is None else classes
        return self.back(method, images, layer, projections.class_target(scores, classes)), classes


@contextlib.contextmanager
def changed(net, names, change):
    """Give layers other weights as long as the `with` lasts.

    Args:
        net: ordered dict of layers.
        names: of layers with weights.
        change: function from an array of weights to another of its shape.
    """
    own = {name: net[name].W.get_value() for name in names}
    try:
        for name in names:
            net[name].W.set_value(change(own[name]).astype(own[name].dtype))
        yield
    finally:
        for name in names:
            net[name].W.set_value(own[name])


def with_weights(net):
    """List the names of the layers that have weights, from the picture up."""
    return [name for name, layer in net.items() if getattr(layer, 'W', None) is not None]


def neighbours(gradient):
    """Measure how alike neighbouring pixels of a map are: 0 for noise, near 1 for a drawing.

    It is the correlation of its magnitude with the same moved by a pixel, the mean over down and
    right.

    Args:
        gradient: (3, rows, columns).
    """
    x = maps.magnitude(gradient).astype('float64')
    pairs = (x[1:], x[:-1]), (x[:, 1:], x[:, :-1])
    return float(np.mean([_correlation(a.ravel(), b.ravel()) for a, b in pairs]))


def _correlation(a, b):
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt((a ** 2).sum() * (b ** 2).sum())
    return float((a * b).sum() / scale) if scale > 0 else 0.0


def negative(gradients):
    """Compute the share of elements below zero of those that are not zero, or None without any."""
    there = gradients[gradients != 0]
    return float((there < 0).mean()) if there.size else None


def brightness(gradient):
    """Compute the mean of a map as it is drawn, white at its 99.5 % quantile; 0..1.

    Args:
        gradient: (3, rows, columns).
    """
    return float(maps.panels(gradient)[0].mean() / 255)


def alike(first, second):
    """Compute the mean over pictures of the rank correlation of two maps' magnitudes.

    Args:
        first, second: (batch, 3, rows, columns).
    """
    return float(np.mean([pictures.rank_correlation(maps.magnitude(a), maps.magnitude(b))
                          for a, b in zip(first, second)]))
