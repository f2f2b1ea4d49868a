"""What broke in Theano-PyMC 1.1.2, one function a mend. `apply` is called once, on import."""

import hashlib
import re
import sys
import types
from collections import OrderedDict

import numpy as np
import theano
import theano.graph.destroyhandler
import theano.graph.optdb
import theano.graph.params_type
import theano.graph.toolbox
import theano.graph.utils
import theano.link.basic
import theano.link.c.basic
import theano.link.c.cmodule
import theano.sandbox.rng_mrg
import theano.tensor as T
import theano.tensor.nnet.neighbours
import theano.tensor.random.basic
from theano.compile import builders
from theano.graph.basic import clone_get_equiv
from theano.graph.op import COp, ExternalCOp, Op, OpenMPOp
from theano.link.c.basic import CLinker
from theano.link.c.interface import CLinkerObject, CLinkerOp
from theano.scan import utils as scan_utils  # theano.scan itself is a function
from theano.tensor import blas
from theano.tensor.basic import Join
from theano.tensor.elemwise import Elemwise
from theano.tensor.nnet import corr, corr3d
from theano.tensor.random.utils import RandomStream
from theano.tensor.signal import pool
from theano.tensor.var import _tensor_py_operators


def apply():
    """Apply every mend below."""
    mend_openmp_threshold()
    mend_compiler_flags()
    mend_cache_of_external_code()
    mend_cache_of_ops_without_properties()
    mend_constant_folding()
    mend_pooling_ties()
    mend_mean_pooling_with_padding()
    mend_relu()
    mend_inlining()
    mend_shapes_of_joins()
    mend_new_axes()
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


def mend_compiler_flags():
    """Keep -fopenmp out of the modules that do not ask for it.

    tensor/nnet/corr.py, corr3d.py and conv.py append it to a list that ldflags remembers and gives
    to every op with a BLAS: what such an op was compiled with hung on what was compiled before it,
    and the compile cache did not find it again.
    """
    original = blas.ldflags

    def ldflags(**kinds):
        return list(original(**kinds))

    for module in blas, corr, corr3d:
        module.ldflags = ldflags


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
        nodes = fgraph.toposort()
        # A scan asks for the key of its inner graph, where ops may run in Python.
        if not version and all(isinstance(node.op, CLinkerOp) for node in nodes):
            types = [variable.type for node in nodes for variable in node.inputs + node.outputs]
            parts = ([node.op.c_code_cache_version_apply(node) for node in nodes]
                     + [kind.c_code_cache_version() for kind in types
                        if isinstance(kind, CLinkerObject)])
            version = tuple(parts) if all(parts) else ()
        return version, signature

    CLinker.cmodule_key_ = cmodule_key_


def mend_constant_folding():
    """Fold constants in Python where an op has it.

    Theano makes a C module for each kind of constant expression, and runs it once: a quarter of the
    time from graph to function, 1.3 s of 5 for a style transfer.
    """
    def python_constant_folding(self, node):
        return type(self).perform is not Op.perform

    COp.python_constant_folding = python_constant_folding


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
    """Make Theano's C code generator with a flag that ends a window at its first maximum."""

    def c_code(self, *arguments):
        code = original(self, *arguments)
        code, comparisons = re.subn(r'if \(a == maximum\)\s*{',
                                    'if (a == maximum && !switched) { switched = true;', code)
        window = '// go through the pooled region'
        if comparisons != 1 or window not in code:
            raise RuntimeError('the pooling code is not that of Theano-PyMC 1.1.2')
        return code.replace(window, 'bool switched = false;\n' + window, 1)

    return c_code


def mend_mean_pooling_with_padding():
    """Give means that leave the padding out (`average_exc_pad`) a gradient where there is padding.

    Theano computes such a mean and refuses its gradient: "padding must be zero". Each pixel gets
    the gradient over the number of real pixels in the window, as of PyTorch's
    avg_pool2d(count_include_pad=False).
    """
    original = pool.AveragePoolGrad.c_code

    def c_code(self, *arguments):
        code = original(self, *arguments)
        if self.mode != 'average_exc_pad':
            return code
        code, refusals = re.subn(r'!0 && !0 && nonzero_padding', '0', code)
        # Theano lets a window that begins in the padding end one padding too late.
        code, windows = re.subn(
            r'if \(!0 && !0 && r_st\[(\d)\] < pd\[\1\]\)\s*{.*?}\s*r_end\[\1\] = [^;]*;',
            r'r_end[\1] = std::min(r_st[\1] + ws[\1], r[\1] - pd[\1]);'
            r' r_st[\1] = std::max(r_st[\1], pd[\1]);', code, flags=re.DOTALL)
        if (refusals, windows) != (1, self.ndim):
            raise RuntimeError('the pooling code is not that of Theano-PyMC 1.1.2')
        return code

    pool.AveragePoolGrad.c_code = c_code
    pool.AveragePoolGrad.c_code_cache_version = lambda self: ('real pixels', 1, self.openmp)


def rectify(x, leakiness=0):
    """Compute x where it is positive, else leakiness * x; symbolic or an array, any shape.

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


def mend_shapes_of_joins():
    """Give the shape of a Join in few words where its axis is known.

    Theano writes every dimension as "where this is the axis, the sum over all inputs, else that of
    the first", and multiplies the sums out before it sees which holds. Where networks branch and
    join, terms double with each module: the mean over the positions of GoogLeNet was not compiled
    after ten minutes.
    """
    original = Join.infer_shape

    def infer_shape(self, fgraph, node, shapes):
        axis = node.inputs[0]
        if not isinstance(axis, theano.graph.basic.Constant):
            return original(self, fgraph, node, shapes)
        _, first, *others = shapes
        axis = int(axis.data) % len(first)
        length = sum((shape[axis] for shape in others), first[axis])
        return [(*first[:axis], length, *first[axis + 1:])]

    Join.infer_shape = infer_shape


def mend_new_axes():
    """Let an index with a new axis leave out the axes behind it: x[:, None] of a matrix or more.

    Theano takes it to drop them: "You cannot drop a non-broadcastable dimension".
    """
    original = _tensor_py_operators.__getitem__

    def __getitem__(self, index):
        places = index if isinstance(index, tuple) else (index,)
        new = any(place is None for place in places)
        if new and not any(place is Ellipsis for place in places):
            index = (*places, Ellipsis)
        return original(self, index)

    _tensor_py_operators.__getitem__ = __getitem__


def restore_names():
    """Give back the names under which code of 2015 knows things that have moved."""
    theano.Variable, theano.Apply = theano.graph.basic.Variable, theano.graph.basic.Apply
    theano.Op = theano.graph.op.Op
    theano.compile.OpFromGraph = builders.OpFromGraph
    theano.sandbox.rng_mrg.MRG_RandomStreams = theano.sandbox.rng_mrg.MRG_RandomStream
    put_module('theano.tensor.signal.downsample', max_pool_2d=max_pool_2d,
               max_pool_2d_same_size=pool.max_pool_2d_same_size,
               DownsampleFactorMax=DownsampleFactorMax)
    put_module('theano.tensor.shared_randomstreams', RandomStreams=RandomStreams)
    put_module('theano.sandbox.neighbours', **public(theano.tensor.nnet.neighbours))
    put_module('theano.scan_module', **public(sys.modules['theano.scan']))
    put_module('theano.scan_module.scan_utils', **public(scan_utils))
    put_module('theano.compat', OrderedDict=OrderedDict)
    put_module('theano.compat.python2x', OrderedDict=OrderedDict)
    restore_gof()
    restore_cuda()


def put_module(name, **members):
    """Create a module of this name in a package, so that it can be imported by it; return it."""
    module = types.ModuleType(name)
    vars(module).update(members)
    parent, _, last = name.rpartition('.')
    setattr(sys.modules[parent], last, module)
    sys.modules[name] = module
    return module


def public(*modules):
    """List the names that modules define for others; of equal names the first module's."""
    return {name: member for module in reversed(modules) for name, member in vars(module).items()
            if not name.startswith('_')}


def restore_gof():
    """Bring back `theano.gof`, the graphs' package, which is called `theano.graph` now."""
    graph = theano.graph
    parts = {'graph': graph.basic, 'op': graph.op, 'type': graph.type, 'fg': graph.fg,
             'opt': graph.opt, 'optdb': graph.optdb, 'toolbox': graph.toolbox,
             'null_type': graph.null_type, 'utils': graph.utils,
             'params_type': graph.params_type, 'destroyhandler': graph.destroyhandler,
             'cc': theano.link.c.basic, 'cmodule': theano.link.c.cmodule,
             'link': theano.link.basic}
    put_module('theano.gof', **public(*parts.values()), PureOp=graph.op.Op)
    for name, part in parts.items():
        put_module(f'theano.gof.{name}', **public(part))
    # These have become generators, most under other names.
    for name, walk in (('ancestors', graph.basic.ancestors), ('inputs', graph.basic.graph_inputs),
                       ('variables', graph.basic.vars_between),
                       ('orphans', graph.basic.orphans_between),
                       ('ops', graph.basic.applys_between)):
        setattr(theano.gof.graph, name, _as_list(walk))
    for name in ('is_same_graph', 'is_same_graph_with_merge'):
        setattr(theano.gof.graph, name, getattr(graph.toolbox, name))
    theano.gof.Optimizer = theano.gof.opt.Optimizer = graph.opt.GlobalOptimizer


def _as_list(walk):
    return lambda *arguments: list(walk(*arguments))


def restore_cuda():
    """Bring back `theano.sandbox.cuda` as it was on a machine without a CUDA device."""
    def use(device, *arguments, **options):
        raise OSError(f'theano.sandbox.cuda is gone, so {device} cannot be used; remove the line')

    def dnn_available():
        return False

    def unchanged(variable):
        return variable

    dnn_available.msg = 'theano.sandbox.cuda is gone'
    put_module('theano.sandbox.cuda', cuda_enabled=False, cuda_available=False, use=use)
    put_module('theano.sandbox.cuda.dnn', dnn_available=dnn_available)
    put_module('theano.sandbox.cuda.basic_ops', gpu_contiguous=unchanged, gpu_from_host=unchanged,
               host_from_gpu=unchanged)


def max_pool_2d(input, ds, ignore_border=None, st=None, padding=(0, 0), mode='max'):
    """Pool over the last two axes, by the argument names of Theano 0.7's signal.downsample.

    Where ignore_border is not given, partial windows count, as they did.
    """
    return pool.pool_2d(input, ws=ds, ignore_border=bool(ignore_border), stride=st, pad=padding,
                        mode=mode)


class DownsampleFactorMax:
    """Theano 0.7's op of that name: call it with a variable."""

    def __init__(self, ds, ignore_border=False, st=None, padding=(0, 0), mode='max'):
        self.arguments = ds, ignore_border, st, padding, mode

    def __call__(self, x):
        return max_pool_2d(x, *self.arguments)


class RandomStreams(RandomStream):
    """Theano's RandomStream, whose methods take the size first, as they did until 2020."""

    def uniform(self, size=None, low=0.0, high=1.0, ndim=None, dtype='floatX'):
        return self._draw('uniform', size, dtype, low, high)

    def normal(self, size=None, avg=0.0, std=1.0, ndim=None, dtype='floatX'):
        return self._draw('normal', size, dtype, avg, std)

    def binomial(self, size=None, n=1, p=0.5, ndim=None, dtype='int64', prob=None):
        return self._draw('binomial', size, dtype, n, p if prob is None else prob)

    def random_integers(self, size=None, low=0, high=1, ndim=None, dtype='int64'):
        return self._draw('randint', size, dtype, low, high + 1)

    def _draw(self, name, size, dtype, *parameters):
        op = getattr(theano.tensor.random.basic, name)
        dtype = theano.config.floatX if dtype == 'floatX' else dtype
        return self.gen(op, *parameters, size=size).astype(dtype)


def restore_assigned_gradients():
    """Bring back `theano.OpFromGraph`, whose gradient may be assigned: `op.grad = function`.

    Since Theano 0.10 such an assignment is ignored without a word: theano.gradient calls L_op, so
    guided backprop written as in the Recipes returned the plain gradient. A subclass's own `grad`
    counts too.
    """
    theano.OpFromGraph = builders.OpFromGraph
    original = builders.OpFromGraph.L_op

    def L_op(self, inputs, outputs, output_gradients):
        assigned = 'grad' in vars(self) or type(self).grad is not theano.graph.op.Op.grad
        if not assigned:
            return original(self, inputs, outputs, output_gradients)
        gradients = self.grad(inputs, output_gradients)
        return list(gradients) if isinstance(gradients, (list, tuple)) else [gradients]

    builders.OpFromGraph.L_op = L_op
