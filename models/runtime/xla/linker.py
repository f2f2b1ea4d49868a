"""A linker that turns an optimised graph of Theano's into one program of XLA's.

Up to there Theano does what it always does: gradients, modified backprop, simplification. Only what
would bind the graph to a CPU stays out (`EXCLUDED`), and `rules` say each op in JAX.

Shapes are no data to XLA: what a shape depends on is computed in numpy while the program is
written, so there is one program for each set of shapes. Weights go to the device once, and what is
updated stays there until somebody asks for it; arguments go up at each call.

On the host stay graphs of integers alone (random streams are seeded by thousands of calls on six
numbers), functions that name a mode of their own, and whatever a recipe does in numpy and scipy.
"""

import contextlib
import time
from collections import namedtuple
from dataclasses import dataclass

from models.errors import ArchiveError
from models.runtime.xla import rules

import jax
import numpy as np
import theano
from theano.compile.function.types import Function
from theano.compile.mode import Mode
from theano.compile.sharedvalue import SharedVariable
from theano.graph.optdb import Query
from theano.link.basic import Container, PerformLinker
from theano.link.utils import map_storage
from theano.link.vm import VMLinker
from theano.tensor import TensorType

# Tags and names of optimisations, as Mode.excluding takes them.
EXCLUDED = ('conv_opts',          # AbstractConv2d becomes CorrMM, or the archive's Winograd
            'AbstractConvCheck',  # "no AbstractConv may be left"
            'archive',            # pooling, Gram matrices, biases and rectifiers in C
            'BlasOpt',            # Dot becomes Gemm, Dot22 or Ger of the CPU's BLAS
            'fusion',             # elements become Composite; XLA fuses by itself
            'inplace', 'cxx_only')


@dataclass
class Counts:
    """What went between host and device since the start, and the compiler's time.

    kept: shared variables sent; sent: arguments sent; fetched: results and values of shared
    variables; programs: compiled; compiling: seconds of that; sent_bytes, fetched_bytes: of all.
    """

    kept: int = 0
    sent: int = 0
    fetched: int = 0
    programs: int = 0
    compiling: float = 0.0
    sent_bytes: int = 0
    fetched_bytes: int = 0


counts = Counts()
_device = None


class Copy(namedtuple('Copy', 'array device value', defaults=(None, None, None))):
    """What the container of a shared variable has as `copy`: of which array, where, and the copy.
    """

    def __reduce__(self):
        return Copy, ()  # a pickled variable has its value alone


NONE = Copy()


class CannotLink(ArchiveError, NotImplementedError):
    """A graph, or a part of it, that cannot run on the device."""


class DeviceFailed(ArchiveError):
    """The device could not compile or run a program."""


def prepare(device):
    """Have JAX compute on a device, and Theano know of values that lie there.

    Args:
        device: JAX's object.
    """
    global _device
    if _device is None:
        _let_theano_see_values_on_the_device()
    _device = device
    jax.config.update('jax_enable_x64', True)  # a graph's own types: its float32 stays float32
    jax.config.update('jax_default_device', device)


def mode():
    """Make the mode of `theano.function` that compiles for the device in use."""
    chosen = Mode(JaxLinker(), Query(include=['fast_run'], exclude=EXCLUDED))
    for names, choose in ((theano.config.optimizer_excluding, chosen.excluding),
                          (theano.config.optimizer_including, chosen.including)):
        chosen = choose(*names.split(':')) if names else chosen
    return chosen


def _let_theano_see_values_on_the_device():
    """Have values of shared variables fetched where somebody reads them, or a function in C does.
    """
    get_value, call = SharedVariable.get_value, Function.__call__

    def get_value_from_anywhere(self, borrow=False, return_internal_type=False):
        value = self.container.storage[0]
        return (_fetched(value) if isinstance(value, jax.Array)
                else get_value(self, borrow, return_internal_type))

    def call_anywhere(self, *arguments, **options):
        if isinstance(self.fn, Program):
            return call(self, *arguments, **options)
        for container in self.input_storage:
            if isinstance(container.storage[0], jax.Array):
                container.storage[0] = _fetched(container.storage[0])
        try:
            return call(self, *arguments, **options)
        finally:
            for given in self.maker.expanded_inputs:  # C may write into the array that is there
                if given.update is not None and isinstance(given.variable, SharedVariable):
                    given.variable.container.copy = NONE

    SharedVariable.get_value, Function.__call__ = get_value_from_anywhere, call_anywhere


class JaxLinker(PerformLinker):
    """Links a graph as one program of XLA's for each set of shapes."""

    updated_vars = {}

    def accept_var_updates(self, updated_vars):
        """Take which output replaces which input; Theano calls this."""
        self.updated_vars = updated_vars

    def make_all(self, input_storage=None, output_storage=None, storage_map=None):
        """Link.

        Returns:
            The function, containers of its inputs and outputs, thunks and nodes, as Theano wants.

        Raises:
            CannotLink: names an op that has no rule, or an input that decides shapes and cannot.
        """
        fgraph, nodes = self.fgraph, self.schedule(self.fgraph)
        if not any(_is_float(variable) for variable in [*fgraph.inputs, *fgraph.outputs]):
            linker = VMLinker(use_cloop=bool(theano.config.cxx)).accept(fgraph, self.no_recycling)
            linker.accept_var_updates(self.updated_vars)
            return linker.make_all(input_storage=input_storage, output_storage=output_storage,
                                   storage_map=storage_map)
        inputs, outputs, _ = map_storage(fgraph, nodes, input_storage, output_storage, storage_map)
        program = Program(fgraph, nodes, inputs, self.updated_vars)
        return (program, [Container(*pair) for pair in zip(fgraph.inputs, inputs)],
                [Container(*pair, readonly=True) for pair in zip(fgraph.outputs, outputs)],
                [program], nodes)


def _is_float(variable):
    return getattr(variable.type, 'dtype', '').startswith('float')


class Program:
    """A graph as a function without arguments, which Theano calls when the storage is filled.

    Args:
        fgraph: the optimised graph.
        nodes: of it, in order.
        storage: of each input, a list of one value; that of a shared variable is its container's.
        updates: input to the output that replaces it.

    Raises:
        CannotLink: as of `JaxLinker.make_all`.
    """

    allow_gc = need_update_inputs = False  # Function.__call__ reads them: updates are made here
    storage_map = {}                       # of values between the nodes, which Theano might free

    def __init__(self, fgraph, nodes, storage, updates):
        check(fgraph, nodes)
        self.fgraph, self.nodes, self.storage = fgraph, nodes, storage
        self.shaping = shaping_inputs(fgraph, nodes)
        others = [index for index in range(len(storage)) if index not in self.shaping]
        self.shared = {index: fgraph.inputs[index].container for index in others
                       if isinstance(fgraph.inputs[index], SharedVariable)}
        self.arguments = [index for index in others if index not in self.shared]
        self.updates = {index: fgraph.outputs.index(updates[variable])
                        for index, variable in enumerate(fgraph.inputs) if variable in updates}
        self.results = len(fgraph.outputs) - len(self.updates)
        self.compiled = {}  # shapes, and values that decide shapes, to XLA's program

    def __call__(self, output_subset=None):
        fixed, values = self.gather()
        key = (tuple((index, value.shape, value.tobytes()) for index, value in fixed.items()),
               tuple((index, value.shape) for index, value in values.items()))
        if key not in self.compiled:
            self.compiled[key] = self.compile(fixed, values)
        with failures_told():
            outputs = self.compiled[key](values)
            for result in outputs[:self.results]:
                result.copy_to_host_async()  # all at once, right behind the program
            # To the end: JAX's CPU may still be reading the caller's memory.
            jax.block_until_ready(outputs)
            results = [_fetched(result) for result in outputs[:self.results]]
        for index, output in self.updates.items():
            container = self.fgraph.inputs[index].container
            container.storage[0], container.copy = outputs[output], NONE
        return results + [None] * len(self.updates)

    def gather(self):
        """Give the inputs, index to value: those that decide shapes, and the others on the device.
        """
        fixed = {index: np.asarray(self.storage[index][0]) for index in self.shaping}
        values = {index: on_device(container) for index, container in self.shared.items()}
        for index in self.arguments:
            counts.sent += 1
            values[index] = _sent(self.storage[index][0])
        return fixed, values

    def compile(self, fixed, values):
        """Compile for shapes.

        Args:
            fixed, values: as `gather` gives them.

        Returns:
            Function from values to the outputs, on the device.
        """
        with failures_told():
            lowered = self.traced(fixed).lower(values)
            began = time.perf_counter()
            compiled = lowered.compile()
            counts.compiling += time.perf_counter() - began
            counts.programs += 1
        return compiled

    def traced(self, fixed):
        """Make the function that JAX traces: from values, index to value, to a list of outputs."""
        def run(values):
            return rules.evaluate(self.nodes, self.fgraph.outputs, {
                self.fgraph.inputs[index]: value for index, value in {**fixed, **values}.items()})
        return jax.jit(run)


@contextlib.contextmanager
def failures_told():
    """Raise `DeviceFailed` for what goes wrong inside on the device, and what to do."""
    try:
        yield
    except RuntimeError as problem:  # jaxlib's own class has moved from version to version
        if not type(problem).__module__.startswith('jax'):
            raise
        first = str(problem).splitlines()[0]
        raise DeviceFailed(
            f'the device {_device} has not enough memory ({first}); give a smaller --size, a '
            'smaller --memory where there is one, or --device cpu'
            if 'RESOURCE_EXHAUSTED' in first else
            f'the device {_device} failed ({first}); --device cpu does without it') from problem


def on_device(container):
    """Read the value of a shared variable on the device; it is sent where it has been replaced.

    The array becomes read-only: whoever writes into it behind Theano's back gets an error, since
    the copy on the device would not follow.
    """
    value, copy = container.storage[0], getattr(container, 'copy', NONE)
    if copy.array is value and copy.device is _device:  # first: a network has dozens of them
        return copy.value
    if isinstance(value, jax.Array):
        return value
    value.flags.writeable = False
    counts.kept += 1
    container.copy = Copy(value, _device, _sent(value))
    return container.copy.value


def _sent(value):
    counts.sent_bytes += value.nbytes
    with failures_told():
        return jax.device_put(value, _device)


def _fetched(value):
    """Fetch a value of the device into an array that may be written into."""
    counts.fetched += 1
    counts.fetched_bytes += value.nbytes
    return np.array(value)


def check(fgraph, nodes):
    """Stop where a graph has an op without a rule, or inputs other than tensors.

    Raises:
        CannotLink: names them, with the first one's expression.
    """
    for node in nodes:
        if rules.rule_of(node) is None:
            raise CannotLink(f'no rule in JAX for {node.op}, in {expression(node)}; '
                             "theano.function(..., mode='FAST_RUN') keeps a function on the CPU")
    for variable in fgraph.inputs:
        if not isinstance(variable.type, TensorType):
            raise CannotLink(f'{variable} is {variable.type}, which JAX does not know; '
                             "theano.function(..., mode='FAST_RUN') keeps a function on the CPU")


def expression(node):
    """Describe a node: its formula, shortened, and the line of code that it comes from."""
    formula = theano.pp(node.outputs[0])
    formula = formula if len(formula) <= 200 else f'{formula[:200]} ...'
    trace = getattr(node.outputs[0].tag, 'trace', None)
    if not trace or not trace[0]:
        return formula
    file, line, *_ = trace[0][-1]
    return f'{formula} ({file}, line {line})'


def shaping_inputs(fgraph, nodes):
    """List the indices of those inputs whose values decide shapes, and so must be known in advance.

    Raises:
        CannotLink: a shape depends on floats, or on large arrays.
    """
    found, seen, rest = set(), set(), []
    for node in nodes:
        rest += rules.shaping_inputs(node)
    while rest:
        variable = rest.pop()
        if variable in seen or isinstance(variable, theano.graph.basic.Constant):
            continue
        seen.add(variable)
        if variable.owner is not None:
            if not rules.knows_shapes(variable.owner):
                rest += variable.owner.inputs
        elif variable.dtype.startswith(('int', 'uint')) and variable.ndim <= 2:
            found.add(fgraph.inputs.index(variable))
        else:
            raise CannotLink(f'a shape depends on the values of {variable}, which XLA does not '
                             "allow; theano.function(..., mode='FAST_RUN') keeps it on the CPU")
    return found
