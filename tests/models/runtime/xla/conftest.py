"""What the tests of compiled functions on XLA share: JAX's CPU, beside Theano's own C."""

from models.runtime.xla import devices

import numpy as np
import pytest
import theano

IN_C = theano.compile.mode.Mode('cvm', 'fast_run').excluding('archive')


@pytest.fixture(scope='module')
def xla():
    """Have functions compiled for JAX's CPU, or skip where there is no JAX."""
    pytest.importorskip('jax')
    devices.use('xla-cpu')
    yield
    devices.use('cpu')


@pytest.fixture
def assert_same(xla):
    """Return a function that compares what a graph gives on XLA with what Theano's C gives."""

    def compare(inputs, outputs, *values, tolerance=1e-5):
        """Compare; the tolerance is a share of an output's largest element."""
        expected = theano.function(inputs, outputs, mode=IN_C, on_unused_input='ignore')(*values)
        function = theano.function(inputs, outputs, on_unused_input='ignore')
        assert type(function.fn).__name__ == 'Program'
        for index, (found, right) in enumerate(zip(function(*values), expected)):
            assert (found.dtype, found.shape) == (right.dtype, right.shape), index
            finite = right[np.isfinite(right)]
            np.testing.assert_allclose(
                found, right, rtol=0, err_msg=f'output {index}',
                atol=tolerance * max(1e-6, np.abs(finite).max(initial=0)))

    return compare
