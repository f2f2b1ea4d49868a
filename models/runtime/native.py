"""What the archive's own C ops share, and what their optimisers ask of a graph.

Local optimisers put these ops in the place of Theano's wherever they fit; no recipe knows.
"""

import theano
from theano import scalar
from theano.graph.op import ExternalCOp
from theano.graph.params_type import ParamsType
from theano.scalar import int32
from theano.tensor.basic import NotScalarConstantError, get_scalar_constant_value
from theano.tensor.blas import blas_header_text, ldflags
from theano.tensor.elemwise import Elemwise


class NativeOp(ExternalCOp):
    """An op in C on the linked BLAS and on all cores, for float32.

    A subclass gives its parameters, its files in c/ and its C function:

        __props__, params_type = integers('pad_rows pad_columns')
        files, function = ('winograd.c', 'winograd_forward.c'), 'forward'
    """

    def __init__(self, **parameters):
        for name in self.__props__:
            setattr(self, name, int(parameters.pop(name, 0)))
        if parameters:
            raise TypeError(f'{type(self).__name__} has no {" or ".join(parameters)}')
        super().__init__([f'c/{file}' for file in ('shared.c', *self.files)],
                         f'APPLY_SPECIFIC({self.function})')

    def changed(self, **parameters):
        """Copy the op with some other parameters."""
        return type(self)(**{**{name: getattr(self, name) for name in self.__props__},
                             **parameters})

    def perform(self, node, inputs, outputs, params=None):
        raise NotImplementedError(f'{type(self).__name__} runs in C only')

    def c_support_code(self, **options):
        return blas_header_text() + super().c_support_code(**options)

    def c_libraries(self, **options):
        return ldflags()

    def c_lib_dirs(self, **options):
        return ldflags(libs=False, libs_dir=True)

    def c_header_dirs(self, **options):
        return ldflags(libs=False, include_dir=True)

    def c_compile_args(self, **options):
        return ldflags(libs=False, flags=True) + ['-fopenmp']


def integers(names):
    """Give (__props__, params_type) of an op whose parameters are integers, names in one text."""
    names = tuple(names.split())
    return names, ParamsType(**dict.fromkeys(names, int32))


def has_blas():
    """Tell whether Theano links a BLAS; the user may have said that it shall not."""
    return bool(theano.config.blas__ldflags)


def made_by(variable, op):
    """Tell whether this op, or one of these, made the variable."""
    return variable is not None and variable.owner is not None and isinstance(variable.owner.op, op)


def is_elementwise(node, operation):
    """Tell whether a node does this scalar operation, element by element."""
    return isinstance(node.op, Elemwise) and type(node.op.scalar_op) is operation


def is_zero(variable):
    """Tell whether a variable is the constant 0, whatever its shape."""
    try:
        return get_scalar_constant_value(variable, only_process_constants=False) == 0
    except NotScalarConstantError:
        return False


def compared_with_zero(node):
    """Give x where the node is x <= 0, else None."""
    if node is None or not is_elementwise(node, scalar.LE) or not is_zero(node.inputs[1]):
        return None
    return node.inputs[0]


def masked(node):
    """Give (mask, x) where the node is switch(mask <= 0, 0, x), all float32, else None.

    The mask of a rectifier proper is x itself.
    """
    if node is None or not is_elementwise(node, scalar.Switch) or not is_zero(node.inputs[1]):
        return None
    condition, _, x = node.inputs
    mask = compared_with_zero(condition.owner)
    if mask is None or {mask.dtype, x.dtype} != {'float32'}:
        return None
    return (mask, x) if mask.broadcastable == x.broadcastable else None
