"""Other rules than the gradient's for passing a rectifier on the way back.

    with modifiedbackprop.applied(net, GuidedBackprop):
        saliency = theano.grad(score(net), wrt=image)      # built inside the with

The network is a dict of Lasagne layers, the archive's or one's own, or its last layer. What it does
forward stays as it is. After Springenberg et al. 2015, "Striving for
Simplicity", figure 1, and the Lasagne Recipes' notebook "Saliency Maps and Guided Backprop".
"""

import contextlib
import inspect

import models  # noqa: F401 - prepares Theano
from models import graphs
from models.errors import ArchiveError

import lasagne
import theano.tensor as T
from lasagne import nonlinearities
from lasagne.nonlinearities import LeakyRectify, rectify
from theano.compile.builders import OpFromGraph

# Nonlinearities that keep their gradient; identity is Lasagne's linear.
SMOOTH = (nonlinearities.identity, nonlinearities.softmax, nonlinearities.sigmoid,
          nonlinearities.tanh, nonlinearities.ScaledTanH, T.nnet.softmax, T.nnet.sigmoid, T.tanh)

# Rectifiers that are layers of their own, without a nonlinearity to change.
OUT_OF_REACH = (lasagne.layers.ParametricRectifierLayer, lasagne.layers.RandomizedRectifierLayer)


class ModifiedBackprop:
    """A nonlinearity with a gradient of its own: subclass it and define `grad`.

    One instance serves a whole network. Its op is inlined, so Theano optimises through it.

    Args:
        nonlinearity: what to compute forward, a function of a Theano variable.
    """

    calls = 0  # of all instances: how `applied` knows whether anything was built inside

    def __init__(self, nonlinearity):
        self.nonlinearity = nonlinearity
        self.ops = {}  # one op a tensor type

    def __call__(self, x):
        """Compute the nonlinearity of x, a Theano variable of any shape."""
        ModifiedBackprop.calls += 1
        if x.type not in self.ops:
            self.ops[x.type] = self._build_op(x.type)
        return self.ops[x.type](x)

    def grad(self, inputs, out_grads):
        """Build the gradient for the one input; a subclass defines this and nothing else.

        Args:
            inputs: the one input of the nonlinearity, in a list.
            out_grads: the gradient that comes from above, in a list; same shape.

        Returns:
            A tuple or list of one expression of that shape.
        """
        raise NotImplementedError(f'{type(self).__name__} must define grad(inputs, out_grads)')

    def _build_op(self, tensor_type):
        """Build the op for this tensor type, after asking Theano whether it takes our gradient.

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
def applied(net, rule, leave=(), layers=None):
    """Give every rectifier of a network another way back, as long as the `with` lasts.

    Build the expression inside, with `lasagne.layers.get_output`; its gradient may be taken later.
    The layers get their own nonlinearities back whatever happens. Inside another `applied` the
    inner rule holds.

    Args:
        net: a dict of Lasagne layers, a layer, or a list of layers; everything they depend on is
            included.
        rule: a subclass of ModifiedBackprop, such as GuidedBackprop.
        leave: nonlinearities that keep their own gradient, though the archive does not know them,
            such as (lasagne.nonlinearities.elu,): functions, instances or classes.
        layers: of the network, which the expression is about, a list; None takes all.

    Raises:
        ArchiveError: the rule is none; the network has no rectifier, so that the rule would change
            nothing, or a nonlinearity that may be one under a name of its own; or nothing was built
            inside, so that what is built afterwards would have the plain gradient.
    """
    if not (inspect.isclass(rule) and issubclass(rule, ModifiedBackprop)):
        raise ArchiveError(f'{rule!r} is no rule; give the class GuidedBackprop or ZeilerBackprop '
                           'of modifiedbackprop, or a subclass of its ModifiedBackprop')
    rectifiers = rectifiers_of(net, rule, leave, layers)
    modified = {}  # one instance for all layers that share a nonlinearity
    before = ModifiedBackprop.calls
    try:
        for layer, nonlinearity in rectifiers.items():
            plain = getattr(nonlinearity, 'nonlinearity', nonlinearity)
            if plain not in modified:
                modified[plain] = rule(plain)
            layer.nonlinearity = modified[plain]
        yield
        if ModifiedBackprop.calls == before:
            raise ArchiveError(f'nothing of the network was built inside `with applied(net, '
                               f'{rule.__name__})`, and what is built before or after has the '
                               'plain gradient; call lasagne.layers.get_output inside')
    finally:
        for layer, nonlinearity in rectifiers.items():
            layer.nonlinearity = nonlinearity


def rectifiers_of(net, rule, leave=(), layers=None):
    """List the layers whose nonlinearity a rule changes, each with its nonlinearity.

    Args, Raises: as `applied`.
    """
    if layers is None:
        layers = net if isinstance(net, (list, tuple)) else graphs.named_layers(net).values()
    layers = lasagne.layers.get_all_layers(list(layers))
    leave = leave if isinstance(leave, (list, tuple, set)) else (leave,)
    for layer in layers:
        if isinstance(layer, OUT_OF_REACH) and not isinstance(layer, tuple(
                one for one in leave if inspect.isclass(one))):
            raise ArchiveError(f'layer {graphs.name_of(net, layer)} is a {type(layer).__name__}, '
                               f'which no rule reaches; put a LeakyRectify in its place, or give '
                               f'leave=({type(layer).__name__},) for its own gradient')
    own = {layer: layer.nonlinearity for layer in layers
           if getattr(layer, 'nonlinearity', None) is not None
           and not _is_one_of(layer.nonlinearity, leave)}
    rectifiers = {layer: nonlinearity for layer, nonlinearity in own.items()
                  if is_rectifier(nonlinearity)}
    for layer, nonlinearity in own.items():
        if layer not in rectifiers and not _is_one_of(nonlinearity, SMOOTH):
            name = getattr(nonlinearity, '__name__', type(nonlinearity).__name__)
            raise ArchiveError(f'is {name}, the nonlinearity of layer '
                               f'{graphs.name_of(net, layer)}, a rectifier? If it is, write it as '
                               'lasagne.nonlinearities.rectify or LeakyRectify; if it is to keep '
                               f'its own gradient, apply the rule with leave=({name},)')
    if not rectifiers:
        raise ArchiveError(f'{rule.__name__} needs a network with rectifiers, and this one has '
                           'none, or none below what is looked at: its result would be the plain '
                           'gradient')
    return rectifiers


def _is_one_of(nonlinearity, known):
    """Tell whether a nonlinearity is among others, which may be classes of its kind."""
    return any(nonlinearity is one or (inspect.isclass(one) and isinstance(nonlinearity, one))
               for one in known)


def is_rectifier(nonlinearity):
    """Tell whether this is a rectifier, leaky or not, under its own or another way back."""
    plain = getattr(nonlinearity, 'nonlinearity', nonlinearity)
    return plain in (rectify, T.nnet.relu) or isinstance(plain, LeakyRectify)
