"""What broke in Theano-PyMC 1.1.2, one function a mend. `apply` is called once, on import."""

import hashlib
import re
import sys
import types

import numpy as np
import theano
import theano.sandbox.rng_mrg
import theano.tensor as T
from theano.compile import builders
from theano.graph.basic import clone_get_equiv
from theano.graph.op import ExternalCOp, OpenMPOp
from theano.link.c.basic import CLinker
from theano.link.c.interface import CLinkerObject
from theano.tensor.elemwise import Elemwise
from theano.tensor.signal import pool


def apply():
    """Apply every mend below."""
    mend_openmp_threshold()
    mend_cache_of_external_code()
    mend_cache_of_ops_without_properties()
    mend_pooling_ties()
    mend_relu()
    mend_inlining()
    restore_names()
    restore_assigned_gradients()


def mend_openmp_threshold():
    """Let `openmp=True` compile.

    tensor/elemwise.py writes "{int(config.openmp_elemwise_minsize)}" into its C code: the string
    lacks the f in front. Whether the compiler knows OpenMP need not be tried in every process:
    `start` has tried it.
    """
    OpenMPOp.gxx_support_openmp = True
    original = Elemwise.c_code

    def c_code(self, *arguments):
        return original(self, *arguments).replace('{int(config.openmp_elemwise_minsize)}',
                                                  str(int(theano.config.openmp_elemwise_minsize)))

    Elemwise.c_code = c_code


def mend_cache_of_external_code():
    """Let ops whose C code stands in a file, DimShuffle among them, be found in the compile cache.

    Theano versions them by Python's hash of the code, which is another one in each process, so
    each process compiled them again (0.7 s a module) and the cache grew for ever.
    """
    def c_code_cache_version(self):
        digest = hashlib.sha256('\0'.join(self.func_codes).encode()).hexdigest()
        params = getattr(self, 'params_type', None)
        return (digest,) + ((params.c_code_cache_version(),) if params is not None else ())

    ExternalCOp.c_code_cache_version = c_code_cache_version


def mend_cache_of_ops_without_properties():
    """Let ops without parameters, such as DeepCopyOp, be found in the compile cache.

    Theano puts each op's `__props__` among the versions of a module, and takes an empty one for
    "has no version, compile it again in each process".
    """
    original = CLinker.cmodule_key_

    def cmodule_key_(self, fgraph, *arguments, **options):
        version, signature = original(self, fgraph, *arguments, **options)
        if not version:
            nodes = fgraph.toposort()
            types = [variable.type for node in nodes for variable in node.inputs + node.outputs]
            parts = ([node.op.c_code_cache_version_apply(node) for node in nodes]
                     + [kind.c_code_cache_version() for kind in types
                        if isinstance(kind, CLinkerObject)])
            version = tuple(parts) if all(parts) else ()
        return version, signature

    CLinker.cmodule_key_ = cmodule_key_


def mend_pooling_ties():
    """Send the gradient of max pooling to one element a window, the first in row order.

    Theano gives it to every element that equals the maximum. After a rectifier all-zero windows
    are common, so under the deconvnet rule, where their gradient is not masked again, the picture
    differs visibly from Caffe's and PyTorch's, which keep one switch a window. Only the C code is
    mended: Theano's pooling in pure Python raises an IndexError with every numpy since 1.23.
    """
    for op in (pool.MaxPoolGrad, pool.DownsampleFactorMaxGradGrad):
        op.c_code = _with_one_switch(op.c_code)
        op.c_code_cache_version = lambda self: ('one switch a window', 1, self.openmp)


def _with_one_switch(original):
    """Return Theano's C code generator with a flag that ends a window at its first maximum."""

    def c_code(self, *arguments):
        code = original(self, *arguments)
        code, comparisons = re.subn(r'if \(a == maximum\)\s*{',
                                    'if (a == maximum && !switched) { switched = true;', code)
        window = '// go through the pooled region'
        if comparisons != 1 or window not in code:
            raise RuntimeError('the pooling code is not that of Theano-PyMC 1.1.2')
        return code.replace(window, 'bool switched = false;\n' + window, 1)

    return c_code


def rectify(x, leakiness=0):
    """Return x where it is positive, else leakiness * x; symbolic or an array, any shape.

    Theano's and Lasagne 0.1's form 0.5 * (x + |x|) has the gradient 0.5 at exactly 0, where
    PyTorch's and Caffe's is 0, and turns -inf into NaN. Written as "not positive", so that a NaN
    still passes through.
    """
    below = x * leakiness if leakiness else 0
    if isinstance(x, theano.graph.basic.Variable):
        return T.switch(T.le(x, 0), below, x)
    return np.where(np.less_equal(x, 0), below, x)


def mend_relu():
    """Put `rectify` in the place of `T.nnet.relu` for slopes that are plain numbers."""
    original = T.nnet.relu

    def relu(x, alpha=0):
        if isinstance(alpha, (int, float)):
            return rectify(T.as_tensor_variable(x), alpha)
        return original(x, alpha)

    T.nnet.relu = T.nnet.nnet.relu = relu


def mend_inlining():
    """Inline an OpFromGraph without copying the graph below it.

    Theano copies everything that leads to the op's inputs, once for each op and branch. In a chain
    that is slow; where a network branches, the copies double with each module: the guided gradient
    of SqueezeNet was not compiled after ten minutes and 7 GB.
    """
    def inline(fgraph, node):
        op = node.op
        if not (isinstance(op, builders.OpFromGraph) and op.is_inline):
            return False
        copies = dict(zip(op.local_inputs, node.inputs))
        clone_get_equiv(op.local_inputs, op.local_outputs, copy_inputs=False,
                        copy_orphans=False, memo=copies)
        return [copies[output] for output in op.local_outputs]

    builders.inline_ofg_expansion.fn = inline


def restore_names():
    """Give back the names under which code of 2015 knows things that have moved."""
    downsample = types.ModuleType('theano.tensor.signal.downsample')
    downsample.max_pool_2d = max_pool_2d
    sys.modules[downsample.__name__] = T.signal.downsample = downsample
    theano.sandbox.rng_mrg.MRG_RandomStreams = theano.sandbox.rng_mrg.MRG_RandomStream
    theano.Variable = theano.graph.basic.Variable
    theano.gof = types.ModuleType('theano.gof')  # lasagne.utils asks for theano.gof.Variable
    for module, names in ((theano.graph.basic, ('Variable', 'Constant', 'Apply')),
                          (theano.graph.op, ('Op',)), (theano.graph.type, ('Type',)),
                          (theano.graph.fg, ('FunctionGraph',))):
        for name in names:
            setattr(theano.gof, name, getattr(module, name))
    sys.modules[theano.gof.__name__] = theano.gof
    cuda = types.ModuleType('theano.sandbox.cuda')
    cuda.cuda_enabled = False
    sys.modules[cuda.__name__] = theano.sandbox.cuda = cuda


def max_pool_2d(input, ds, ignore_border=None, st=None, padding=(0, 0), mode='max'):
    """Pool over the last two axes, by the argument names of Theano 0.7's signal.downsample."""
    return pool.pool_2d(input, ws=ds, ignore_border=ignore_border, stride=st, pad=padding,
                        mode=mode)


def restore_assigned_gradients():
    """Bring back `theano.OpFromGraph` with its `op.grad = function`.

    Since Theano 0.10 such an assignment is ignored without a word: theano.gradient calls L_op, so
    guided backprop written as in the Recipes returned the plain gradient.
    """
    theano.OpFromGraph = OpFromGraph


class OpFromGraph(builders.OpFromGraph):
    """Theano's OpFromGraph, whose gradient may be assigned: `op.grad = function`."""

    def L_op(self, inputs, outputs, output_gradients):
        assigned = vars(self).get('grad')
        if assigned is None:
            return super().L_op(inputs, outputs, output_gradients)
        return list(assigned(inputs, output_gradients))
