"""Lasagne 0.2.dev1's recurrent layers, for Lasagne 0.1, whose own lack `only_return_final` and
cannot start from another layer.

Sequences are (batch, steps, features ...). Names, arguments, defaults and the order of parameters
are those of Lasagne's documentation for 0.2.dev1.
"""

from models.runtime.lasagne_layers import DenseLayer

import numpy as np
import theano
import theano.tensor as T
from lasagne import init, nonlinearities
from lasagne.layers import Gate, InputLayer, Layer, MergeLayer, helper
from lasagne.utils import unroll_scan


class _RecurrentLayer(MergeLayer):
    """What all layers share that carry one state or more from step to step.

    Args:
        incoming: the sequences.
        states: {name: its start}; a start is a layer, or what makes a parameter.
        backwards: go through the sequence from its end; the output is in its order all the same.
        learn_init: train the starts that are parameters.
        gradient_steps: how many steps the gradient goes back; -1 all.
        grad_clipping: largest magnitude of the gradient at a step's sums; 0 any.
        unroll_scan: write the steps out instead of a scan; wants a known length.
        precompute_input: multiply the inputs of all steps by their weights at once.
        mask_input: a layer (batch, steps); where it is 0 the states stay as they were.
        only_return_final: the output is the last step's only.

    Raises:
        ValueError: an unrolled scan of unknown length, or with gradient_steps.
    """

    def __init__(self, incoming, states, backwards, learn_init, gradient_steps, grad_clipping,
                 unroll_scan, precompute_input, mask_input, only_return_final, **options):
        incomings, self._places = [incoming], {}
        for name, layer in (('mask', mask_input), *states.items()):
            if isinstance(layer, Layer):
                self._places[name] = len(incomings)
                incomings.append(layer)
        super().__init__(incomings, **options)
        self.backwards, self.learn_init, self.gradient_steps = backwards, learn_init, gradient_steps
        self.grad_clipping, self.unroll_scan = grad_clipping, unroll_scan
        self.precompute_input, self.only_return_final = precompute_input, only_return_final
        if unroll_scan and gradient_steps != -1:
            raise ValueError('Gradient steps must be -1 when unroll_scan is true.')
        if unroll_scan and self.input_shapes[0][1] is None:
            raise ValueError('Input sequence length cannot be specified as None when unroll_scan '
                             'is True')

    def _add_start(self, start, shape, name):
        """Give the layer that a state starts from, or the parameter for it (1, ...)."""
        if isinstance(start, Layer):
            return start
        return self.add_param(start, (1, *shape), name, trainable=self.learn_init,
                              regularizable=False)

    def _state_shape(self):
        """Compute the shape of the state that is the output, without the batch."""
        return (self.num_units,)

    def get_output_shape_for(self, input_shapes):
        """Compute the shape of the output; None where it is not known yet."""
        batch, steps, *_ = input_shapes[0]
        return (batch, *(() if self.only_return_final else (steps,)), *self._state_shape())

    def _clipped(self, x):
        return (theano.gradient.grad_clip(x, -self.grad_clipping, self.grad_clipping)
                if self.grad_clipping else x)

    def _scanned(self, step, inputs, sequence, starts, constants):
        """Compute the output of the last of the states.

        Args:
            step: (input of a step, *states before) to a list of the states after it.
            inputs: the expressions of the incoming layers.
            sequence: (steps, batch, ...).
            starts: {name of a state: parameter or layer}, in the order that step takes them.
            constants: all that step needs besides.
        """
        mask = inputs[self._places['mask']] if 'mask' in self._places else None
        states = [_not_broadcast(inputs[self._places[name]] if name in self._places
                                 else _repeated(start, sequence.shape[1]))
                  for name, start in starts.items()]

        def one_step(*arguments):
            x, *rest = arguments
            allowed, before = (None, rest) if mask is None else (rest[0], rest[1:])
            before = before[:len(states)]
            after = [_not_broadcast(state) for state in step(x, *before)]
            if allowed is None:
                return after
            return [T.switch(allowed.dimshuffle(0, *('x',) * (new.ndim - 1)), new, old)
                    for new, old in zip(after, before)]

        options = {'fn': one_step, 'outputs_info': states, 'go_backwards': self.backwards,
                   'sequences': [sequence] + ([] if mask is None else [mask.T]),
                   'non_sequences': constants}
        if self.unroll_scan:
            outputs = unroll_scan(n_steps=self.input_shapes[0][1], **options)
        else:
            outputs, _ = theano.scan(truncate_gradient=self.gradient_steps, strict=True,
                                     return_list=True, **options)
        last = outputs[-1]
        if self.only_return_final:
            return last[-1]
        last = last.dimshuffle(1, 0, *range(2, last.ndim))
        return last[:, ::-1] if self.backwards else last


def _not_broadcast(x):
    """Give x with no axis marked as of length 1, so that all steps of a scan are of one type."""
    return T.patternbroadcast(x, (False,) * x.ndim)


def _repeated(start, batch):
    """Repeat a parameter (1, ...) once for each of a batch."""
    return start + T.zeros((batch, *(1,) * (start.ndim - 1)), start.dtype)


class CustomRecurrentLayer(_RecurrentLayer):
    """A recurrence of any two networks: nonlinearity(input_to_hidden(x) + hidden_to_hidden(h)).

    Args:
        input_to_hidden, hidden_to_hidden: the last layers of networks with one InputLayer each.

    Raises:
        ValueError: networks whose shapes do not fit each other.
    """

    def __init__(self, incoming, input_to_hidden, hidden_to_hidden,
                 nonlinearity=nonlinearities.rectify, hid_init=init.Constant(0.), backwards=False,
                 learn_init=False, gradient_steps=-1, grad_clipping=0, unroll_scan=False,
                 precompute_input=True, mask_input=None, only_return_final=False, **options):
        super().__init__(incoming, {'hid_init': hid_init}, backwards, learn_init, gradient_steps,
                         grad_clipping, unroll_scan, precompute_input, mask_input,
                         only_return_final, **options)
        self.input_to_hidden, self.hidden_to_hidden = input_to_hidden, hidden_to_hidden
        self.nonlinearity = nonlinearities.identity if nonlinearity is None else nonlinearity
        _only_input(input_to_hidden, '`input_to_hidden`')
        state = _only_input(hidden_to_hidden, '`hidden_to_hidden`')
        batch, steps, *_ = self.input_shapes[0]
        at_once = batch * steps if None not in (batch, steps) else None
        rows = input_to_hidden.output_shape[0]
        expected = at_once if precompute_input else hidden_to_hidden.output_shape[0]
        if not _fit((rows,), (expected,)):
            raise ValueError(f'input_to_hidden.output_shape[0] is {rows}, and must be {expected} '
                             f'or None for precompute_input == {precompute_input}')
        for other, what in ((hidden_to_hidden.output_shape, 'output'),
                            (state.output_shape, 'input')):
            if not _fit(input_to_hidden.output_shape[1:], other[1:]):
                raise ValueError(f'The output shape of input_to_hidden '
                                 f'{input_to_hidden.output_shape} must be the {what} shape of '
                                 f'hidden_to_hidden {other} after the first dimension')
        self.hid_init = self._add_start(hid_init, self._state_shape(), 'hid_init')

    def _state_shape(self):
        return self.hidden_to_hidden.output_shape[1:]

    def get_params(self, **tags):
        """List the parameters, those of both networks included."""
        return (super().get_params(**tags) + helper.get_all_params(self.input_to_hidden, **tags)
                + helper.get_all_params(self.hidden_to_hidden, **tags))

    def get_output_for(self, inputs, **options):
        """Build the expression of the output: (batch, steps, ...), or (batch, ...) of the last."""
        sequence = inputs[0].dimshuffle(1, 0, *range(2, inputs[0].ndim))
        constants = helper.get_all_params(self.hidden_to_hidden)
        if self.precompute_input:
            steps, batch, *shape = (sequence.shape[axis] for axis in range(sequence.ndim))
            summed = helper.get_output(self.input_to_hidden,
                                       sequence.reshape((steps * batch, *shape)), **options)
            shape = [summed.shape[axis] for axis in range(1, summed.ndim)]
            sequence = summed.reshape((steps, batch, *shape))
        else:
            constants += helper.get_all_params(self.input_to_hidden)

        def step(x, before):
            x = x if self.precompute_input else helper.get_output(self.input_to_hidden, x,
                                                                  **options)
            recurrent = helper.get_output(self.hidden_to_hidden, before, **options)
            return [self.nonlinearity(self._clipped(recurrent + x))]

        return self._scanned(step, inputs, sequence, {'hid_init': self.hid_init}, constants)


def _only_input(network, name):
    """Find the one InputLayer of a network."""
    inputs = [layer for layer in helper.get_all_layers(network) if isinstance(layer, InputLayer)]
    if len(inputs) != 1:
        raise ValueError(f'{name} must have exactly one InputLayer, but it has {len(inputs)}')
    return inputs[0]


def _fit(shape, other):
    """Tell whether two shapes agree wherever both are known."""
    return all(None in sizes or sizes[0] == sizes[1] for sizes in zip(shape, other))


class RecurrentLayer(CustomRecurrentLayer):
    """A dense recurrence: nonlinearity(x W_in_to_hid + h W_hid_to_hid + b)."""

    def __init__(self, incoming, num_units, W_in_to_hid=init.Uniform(),
                 W_hid_to_hid=init.Uniform(), b=init.Constant(0.),
                 nonlinearity=nonlinearities.rectify, hid_init=init.Constant(0.), backwards=False,
                 learn_init=False, gradient_steps=-1, grad_clipping=0, unroll_scan=False,
                 precompute_input=True, mask_input=None, only_return_final=False, **options):
        shape = incoming if isinstance(incoming, tuple) else incoming.output_shape
        prefix = f'{options["name"]}.' if options.get('name') else ''
        below = DenseLayer(InputLayer((None, *shape[2:])), num_units, W_in_to_hid, b, None,
                           name=f'{prefix}input_to_hidden')
        before = DenseLayer(InputLayer((None, num_units)), num_units, W_hid_to_hid, None, None,
                            name=f'{prefix}hidden_to_hidden')
        self.num_units = num_units
        self.W_in_to_hid, self.b, self.W_hid_to_hid = below.W, below.b, before.W
        super().__init__(incoming, below, before, nonlinearity, hid_init, backwards, learn_init,
                         gradient_steps, grad_clipping, unroll_scan, precompute_input, mask_input,
                         only_return_final, **options)


class _GatedLayer(_RecurrentLayer):
    """Layers of gates: each has weights of the input, of the state, a bias and a nonlinearity."""

    stacked = ()  # the gates in the order in which their weights stand side by side

    def _add_gate(self, gate, name):
        inputs = int(np.prod(self.input_shapes[0][2:]))
        for what, spec, shape, tags in (
                ('W_in_to_', gate.W_in, (inputs, self.num_units), {}),
                ('W_hid_to_', gate.W_hid, (self.num_units, self.num_units), {}),
                ('b_', gate.b, (self.num_units,), {'regularizable': False})):
            setattr(self, what + name, self.add_param(spec, shape, what + name, **tags))
        return gate.nonlinearity

    def _side_by_side(self, what):
        return T.concatenate([getattr(self, what + gate) for gate in self.stacked], axis=-1)

    def _parts(self, x):
        """Give the part of each gate of (batch, gates * units)."""
        return [x[:, gate * self.num_units:(gate + 1) * self.num_units]
                for gate in range(len(self.stacked))]

    def get_output_for(self, inputs, **options):
        """Build the expression of the output: (batch, steps, units), or the last (batch, units).
        """
        sequence = inputs[0].flatten(3) if inputs[0].ndim > 3 else inputs[0]
        sequence = sequence.dimshuffle(1, 0, 2)
        W_in, W_hid, b = map(self._side_by_side, ('W_in_to_', 'W_hid_to_', 'b_'))
        constants = [W_hid] + self._constants()
        if self.precompute_input:
            sequence = T.dot(sequence, W_in) + b
        else:
            constants += [W_in, b]

        def step(x, *before):
            return self._step(x if self.precompute_input else T.dot(x, W_in) + b,
                              T.dot(before[-1], W_hid), *before)

        return self._scanned(step, inputs, sequence, self._starts(), constants)

    def _constants(self):
        return []


class LSTMLayer(_GatedLayer):
    """Long short-term memory with peepholes (Hochreiter & Schmidhuber 1997; Gers et al. 2000)."""

    stacked = ('ingate', 'forgetgate', 'cell', 'outgate')

    def __init__(self, incoming, num_units, ingate=Gate(), forgetgate=Gate(),
                 cell=Gate(W_cell=None, nonlinearity=nonlinearities.tanh), outgate=Gate(),
                 nonlinearity=nonlinearities.tanh, cell_init=init.Constant(0.),
                 hid_init=init.Constant(0.), backwards=False, learn_init=False, peepholes=True,
                 gradient_steps=-1, grad_clipping=0, unroll_scan=False, precompute_input=True,
                 mask_input=None, only_return_final=False, **options):
        super().__init__(incoming, {'hid_init': hid_init, 'cell_init': cell_init}, backwards,
                         learn_init, gradient_steps, grad_clipping, unroll_scan, precompute_input,
                         mask_input, only_return_final, **options)
        self.num_units, self.peepholes = num_units, peepholes
        self.nonlinearity = nonlinearities.identity if nonlinearity is None else nonlinearity
        self.nonlinearity_ingate = self._add_gate(ingate, 'ingate')
        self.nonlinearity_forgetgate = self._add_gate(forgetgate, 'forgetgate')
        self.nonlinearity_cell = self._add_gate(cell, 'cell')
        self.nonlinearity_outgate = self._add_gate(outgate, 'outgate')
        if peepholes:
            for name, gate in (('ingate', ingate), ('forgetgate', forgetgate),
                               ('outgate', outgate)):
                name = f'W_cell_to_{name}'
                setattr(self, name, self.add_param(gate.W_cell, (num_units,), name))
        self.cell_init = self._add_start(cell_init, (num_units,), 'cell_init')
        self.hid_init = self._add_start(hid_init, (num_units,), 'hid_init')

    def _starts(self):
        return {'cell_init': self.cell_init, 'hid_init': self.hid_init}

    def _constants(self):
        return ([self.W_cell_to_ingate, self.W_cell_to_forgetgate, self.W_cell_to_outgate]
                if self.peepholes else [])

    def _step(self, from_input, from_state, cell, hidden):
        """Compute [cell, hidden] after a step; the sums are (batch, 4 * units)."""
        ingate, forgetgate, new, outgate = self._parts(self._clipped(from_input + from_state))
        if self.peepholes:
            ingate = ingate + cell * self.W_cell_to_ingate
            forgetgate = forgetgate + cell * self.W_cell_to_forgetgate
        cell = (self.nonlinearity_forgetgate(forgetgate) * cell
                + self.nonlinearity_ingate(ingate) * self.nonlinearity_cell(new))
        if self.peepholes:
            outgate = outgate + cell * self.W_cell_to_outgate
        return [cell, self.nonlinearity_outgate(outgate) * self.nonlinearity(cell)]


class GRULayer(_GatedLayer):
    """Gated recurrent units (Cho et al. 2014), with the reset behind the product as in Lasagne."""

    stacked = ('resetgate', 'updategate', 'hidden_update')

    def __init__(self, incoming, num_units, resetgate=Gate(W_cell=None),
                 updategate=Gate(W_cell=None),
                 hidden_update=Gate(W_cell=None, nonlinearity=nonlinearities.tanh),
                 hid_init=init.Constant(0.), backwards=False, learn_init=False, gradient_steps=-1,
                 grad_clipping=0, unroll_scan=False, precompute_input=True, mask_input=None,
                 only_return_final=False, **options):
        super().__init__(incoming, {'hid_init': hid_init}, backwards, learn_init, gradient_steps,
                         grad_clipping, unroll_scan, precompute_input, mask_input,
                         only_return_final, **options)
        self.num_units = num_units
        self.nonlinearity_updategate = self._add_gate(updategate, 'updategate')
        self.nonlinearity_resetgate = self._add_gate(resetgate, 'resetgate')
        self.nonlinearity_hid = self._add_gate(hidden_update, 'hidden_update')
        self.hid_init = self._add_start(hid_init, (num_units,), 'hid_init')

    def _starts(self):
        return {'hid_init': self.hid_init}

    def _step(self, from_input, from_state, hidden):
        """Compute [hidden] after a step; the sums are (batch, 3 * units)."""
        reset_x, update_x, new_x = self._parts(self._clipped(from_input))
        reset_h, update_h, new_h = self._parts(self._clipped(from_state))
        reset = self.nonlinearity_resetgate(reset_x + reset_h)
        update = self.nonlinearity_updategate(update_x + update_h)
        new = self.nonlinearity_hid(self._clipped(new_x + reset * new_h))
        return [(1 - update) * hidden + update * new]
