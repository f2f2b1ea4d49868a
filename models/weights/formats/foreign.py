"""Weight files that are recognised and cannot be read: what they are, and what to do.

Told by their first bytes or, where these say nothing, by the end of their name. Sources: torch7
File.lua and serialize; onnx/onnx.proto; tensorflow/lite/schema; apache/mxnet src/ndarray;
pjreddie/darknet src/parser.c.
"""

from __future__ import annotations  # Python 3.9 does not know `X | None`

import re

TAKE_ANOTHER = ('take the same network as PyTorch, Keras or Caffe have it (python -m '
                'models.weights list)')
TORCH7 = re.compile(rb'\A(\x04\0{3}|\x03\0{3}.\0{3}|4\s+\d+\s+\d+\s+V |3\s+\d+\s+\d+\s)', re.DOTALL)
TORCH7_CLASS = re.compile(rb'\b(?:nn|cudnn|torch|nngraph)\.\w{1,40}')
STARTS = (
    (re.compile(rb'\A.{4}TFL3', re.DOTALL), 'a TensorFlow Lite model', TAKE_ANOTHER),
    (re.compile(rb'\A\x12\x01\0{6}', re.DOTALL), 'parameters of MXNet (.params)', TAKE_ANOTHER),
    (re.compile(rb'\A\x08[\x01-\x1f][\x12\x1a\x22\x3a]'), 'an ONNX model',
     'save its arrays in an .npz: np.savez(FILE, **{t.name: onnx.numpy_helper.to_array(t) for t in '
     'onnx.load(MODEL).graph.initializer})'),
    (re.compile(rb'\A\0{4}[\x01-\x03]\0{3}.{4}', re.DOTALL), 'weights of Darknet', TAKE_ANOTHER),
)
ENDINGS = (
    (re.compile(r'\.(ckpt|meta|index|data-\d{5}-of-\d{5})$'), 'a checkpoint of TensorFlow',
     'save its arrays in an .npz: r = tf.train.load_checkpoint(FOLDER); np.savez(FILE, **{n: '
     'r.get_tensor(n) for n in r.get_variable_to_shape_map()})'),
    (re.compile(r'\.pb$'), 'a graph of TensorFlow', TAKE_ANOTHER),
    (re.compile(r'\.(prototxt|json|yaml|yml)$'), 'the description of a network without its weights',
     'name the file of weights that belongs to it'),
)


def recognised(path, start):
    """Tell what a file is that cannot be read, and what to do, or return None.

    Args:
        path: of the file.
        start: its first bytes, some hundreds.
    """
    if TORCH7.match(start) and (TORCH7_CLASS.search(start) or b'V 1' in start[:64]):
        found = TORCH7_CLASS.search(start)
        inside = f', which holds {found[0].decode()}' if found else ''
        return (f'a file of Torch7 (.t7){inside}; only generators are read from such files '
                f'(--as generator): {TAKE_ANOTHER}')
    for pattern, what, do in STARTS:
        if pattern.match(start):
            return f'{what}; nothing here reads it: {do}'
    return next((f'{what}; nothing here reads it: {do}' for pattern, what, do in ENDINGS
                 if pattern.search(path.name)), None)
