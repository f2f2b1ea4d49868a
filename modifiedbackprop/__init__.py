"""Other rules than the gradient's for passing a rectifier on the way back.

    with modifiedbackprop.applied(net, GuidedBackprop):
        saliency = theano.grad(score(net), wrt=image)      # built inside the with

What a network does forward stays as it is. After Springenberg et al. 2015, "Striving for
Simplicity", figure 1, and the Lasagne Recipes' notebook "Saliency Maps and Guided Backprop".
"""

import contextlib

import models  # noqa: F401 - prepares Theano
import lasagne
import theano.tensor as T
from lasagne import nonlinearities
from lasagne.nonlinearities import LeakyRectify, rectify
from theano.compile.builders import OpFromGraph

from models.errors import ArchiveError


# Nonlinearities that keep their gradient; identity is Lasagne's linear.
SMOOTH = (nonlinearities.identity, nonlinearities.softmax, nonlinearities.sigmoid,
          nonlinearities.tanh)


class ModifiedBackprop:
    """A nonlinearity with a gradient of its own: subclass it and define `grad`.

    One instance serves a whole network. Its op is inlined, so Theano optimises through it.

    Args:
        nonlinearity: what to compute forward, a function of a Theano variable.
    """

    def __init__(self, nonlinearity):
        self.nonlinearity = nonlinearity
        self.ops = {}  # one op a tensor type

    def __call__(self, x):
        """Return the nonlinearity of x, a Theano variable of any shape."""
        if x.type not in self.ops:
            self.ops[x.type] = self._build_op(x.type)
        return self.ops[x.type](x)

    def grad(self, inputs, out_grads):
        """Return the gradient for the one input; a subclass defines this and nothing else.

        Args:
            inputs: the one input of the nonlinearity, in a list.
            out_grads: the gradient that comes from above, in a list; same shape.

        Returns:
            A tuple or list of one expression of that shape.
        """
        raise NotImplementedError(f'{type(self).__name__} must define grad(inputs, out_grads)')

    def _build_op(self, tensor_type):
        """Return the op for this tensor type, after asking Theano whether it takes our gradient.

        An assigned `op.grad`, as the Recipes had it, is ignored by every Theano since 0.10: the
        result is the plain gradient, and no error. Should that come to hold for grad_overrides
        too, nobody shall find out from the pictures.
        """
        taken = []

        def override(inputs, out_grads):
            taken.append(True)
            return list(self.grad(inputs, out_grads))

        x = tensor_type()
        op = OpFromGraph([x], [self.nonlinearity(x)], grad_overrides=override, inline=True,
                         connection_pattern=[[True]])
        output = op(x)
        T.grad(None, wrt=x, known_grads={output: output.type()})
        if not taken:
            raise RuntimeError(f'Theano ignores the gradient of {type(self).__name__} and would '
                               'return the plain one; this needs theano-pymc 1.1.2')
        return op


class GuidedBackprop(ModifiedBackprop):
    """Pass what is positive from above, where the input was positive: both masks at once.

    Springenberg et al. 2015, section 3.4: R_l = [f_l > 0] [R_(l+1) > 0] R_(l+1). With a leaky
    rectifier the masks stay: nothing passes where its input was not positive.
    """

    def grad(self, inputs, out_grads):
        (inp,) = inputs
        (grd,) = out_grads
        # Two switches, as in rectifiers: the runtime then masks where it reads the gradient.
        return (T.switch(T.le(inp, 0), 0, T.switch(T.le(grd, 0), 0, grd)),)


class ZeilerBackprop(ModifiedBackprop):
    """Apply the nonlinearity itself to what comes from above, whatever the input was.

    Zeiler & Fergus 2014, section 2.1 (deconvnet). With a leaky rectifier the signal back is leaky
    too.
    """

    def grad(self, inputs, out_grads):
        (grd,) = out_grads
        return (self.nonlinearity(grd),)


@contextlib.contextmanager
def applied(net, rule):
    """Give every rectifier of a network another way back, as long as the `with` lasts.

    Build the expression and its gradient inside; afterwards is too late. The layers get their own
    nonlinearities back whatever happens. Inside another `applied` the inner rule holds.

    Args:
        net: an ordered dict of Lasagne layers, a layer, or a list of layers; everything they
            depend on is included.
        rule: a subclass of ModifiedBackprop.

    Raises:
        ArchiveError: the network has no rectifier, so that the rule would change nothing, or a
            nonlinearity that may be one under a name of its own.
    """
    layers = list(net.values()) if hasattr(net, 'values') else net
    own = {layer: layer.nonlinearity for layer in lasagne.layers.get_all_layers(layers)
           if getattr(layer, 'nonlinearity', None) is not None}
    rectifiers = {layer: nonlinearity for layer, nonlinearity in own.items()
                  if is_rectifier(nonlinearity)}
    for layer in own.keys() - rectifiers.keys():
        if layer.nonlinearity not in SMOOTH:
            raise ArchiveError(f'is {layer.nonlinearity} of layer {layer.name} a rectifier? Write '
                               'it as lasagne.nonlinearities.rectify or LeakyRectify')
    if not rectifiers:
        raise ArchiveError(f'{rule.__name__} needs a network with rectifiers, and this one has '
                           'none: its result would be the plain gradient')
    modified = {}  # one instance for all layers that share a nonlinearity
    try:
        for layer, nonlinearity in rectifiers.items():
            plain = getattr(nonlinearity, 'nonlinearity', nonlinearity)
            if plain not in modified:
                modified[plain] = rule(plain)
            layer.nonlinearity = modified[plain]
        yield
    finally:
        for layer, nonlinearity in rectifiers.items():
            layer.nonlinearity = nonlinearity


def is_rectifier(nonlinearity):
    """Return whether this is a rectifier, leaky or not, under its own or another way back."""
    plain = getattr(nonlinearity, 'nonlinearity', nonlinearity)
    return plain in (rectify, T.nnet.relu) or isinstance(plain, LeakyRectify)
