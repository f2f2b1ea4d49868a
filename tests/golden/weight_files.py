"""Makes weight_files/, small files of every kind, and weight_files.npz, the features in them.

    python tests/golden/weight_files.py PYTHON2        (needs PyTorch 2, Keras 3, protobuf,
                                                        OpenCV 4, h5py, safetensors, scipy)

Two VGG-19s with random weights: `narrow`, a sixteenth as wide, without dense layers, and `tiny`, a
64th as wide, with dense layers and 5 classes. Each framework writes its file and computes the
features of a photo from what it reads back: PyTorch of `.pth` and `.safetensors`, Keras (on
PyTorch) of `.h5` and `.weights.h5`, OpenCV's importer of Caffe of `.caffemodel`, which Google's
protobuf writes by the messages of caffe.proto. MATLAB was not at hand: scipy writes `.mat` as
matconvnet/utils/import-caffe.py does, and the features are those of the formula of vl_nnconv,
computed on its axes. Pickles are written by Python 2.7 (recipes_pickles.py); their features are
PyTorch's of the same numbers.
"""

import importlib.util
import io
import os
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np

os.environ['KERAS_BACKEND'] = 'torch'
HERE = Path(__file__).parent
FOLDER = HERE / 'weight_files'
DEPTHS, FILTERS, CLASSES = (2, 2, 4, 4, 4), (64, 128, 256, 512, 512), 5
OXFORD_MEAN = np.array([103.939, 116.779, 123.68])  # BGR
MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])  # torchvision
RARER = ('recipes_mean_image.pkl', 'recipes_list.pkl', 'half_checkpoint.pth', 'model.h5',
         'torchvision_bfloat16.safetensors')
LAYERS = {'narrow': ('conv1_1', 'conv3_1', 'conv5_4'), 'tiny': ('conv5_4', 'fc6', 'fc8')}


def weights(width, dense, seed, above):
    """Return layer -> (W, b): (out, in, rows, columns) or (out, in), correlating, BGR.

    Args:
        width: a number of which the network is one part as wide.
        dense: whether it has dense layers.
        seed: of the random numbers.
        above: mean of the kernels, in standard deviations.
    """
    random, layers, channels = np.random.RandomState(seed), OrderedDict(), 3
    for block, depth in enumerate(DEPTHS, 1):
        for index in range(1, depth + 1):
            count = FILTERS[block - 1] // width
            layers[f'conv{block}_{index}'] = (count, channels, 3, 3)
            channels = count
    if dense:
        for name, count, inputs in (('fc6', 4096 // width, channels * 49),
                                    ('fc7', 4096 // width, 4096 // width),
                                    ('fc8', CLASSES, 4096 // width)):
            layers[name] = (count, inputs)
    drawn = OrderedDict()
    for name, shape in layers.items():
        # Above zero on average, so that no rectifier of a single channel is dead.
        kernel = random.normal(above, 1, shape) * np.sqrt(2 / np.prod(shape[1:]))
        bias = random.normal(1, 1, shape[0]) * 5
        drawn[name] = kernel.astype('float32'), bias.astype('float32')
    return drawn


def photo(rows, columns):
    """Return NASA's portrait of an astronaut (scikit-image) in some size, RGB uint8."""
    from PIL import Image

    package = importlib.util.find_spec('skimage').submodule_search_locations[0]
    with Image.open(Path(package) / 'data' / 'astronaut.png') as picture:
        return np.array(picture.convert('RGB').resize((columns, rows), Image.LANCZOS))


def modules(dense, classifier=(0, 3, 6)):
    """Return layer -> name in torchvision's VGG-19."""
    names, position = OrderedDict(), 0
    for block, depth in enumerate(DEPTHS, 1):
        for index in range(1, depth + 1):
            names[f'conv{block}_{index}'] = f'features.{position}'
            position += 2
        position += 1
    if dense:
        names.update(zip(('fc6', 'fc7', 'fc8'), (f'classifier.{n}' for n in classifier)))
    return names


def torch_features(read, x, wanted):
    """Return features by PyTorch in float64.

    Args:
        read: function (layer) -> (W, b), tensors; raises KeyError where there are no more.
        x: the network's input, array (1, 3, rows, columns).
        wanted: names of layers.
    """
    import torch
    from torch.nn.functional import conv2d, linear, max_pool2d

    x, found = torch.tensor(np.array(x, 'float64')), {}
    for block, depth in enumerate(DEPTHS, 1):
        for index in range(1, depth + 1):
            W, b = read(f'conv{block}_{index}')
            x = conv2d(x, W.double(), b.double(), padding=1).relu()
            found[f'conv{block}_{index}'] = x
        x = max_pool2d(x, 2)
    if 'fc8' in wanted:
        x = x.flatten(1)
        for name in ('fc6', 'fc7', 'fc8'):
            W, b = read(name)
            x = linear(x, W.double().reshape(len(W), -1), b.double())
            x = x.relu() if name != 'fc8' else x
            found[name] = x
    return {name: found[name].numpy() for name in wanted}


def bgr(rgb):
    """Return a photo as Oxford's networks take it, (1, 3, rows, columns)."""
    return rgb[:, :, ::-1].transpose(2, 0, 1)[None].astype('float64') - OXFORD_MEAN.reshape(3, 1, 1)


def write_pytorch(kind, layers, rgb, features):
    import torch

    dense = 'fc8' in layers
    state = OrderedDict()
    for layer, name in modules(dense, classifier=(1, 4, 6)).items():  # J. Johnson's
        state[f'{name}.weight'], state[f'{name}.bias'] = map(torch.tensor, layers[layer])

    def reader(file, load, names):
        state = load(FOLDER / file)
        return lambda layer: (state[f'{names[layer]}.weight'], state[f'{names[layer]}.bias'])

    johnson = modules(dense, (1, 4, 6))
    torch.save(state, FOLDER / f'{kind}.pth')
    torch.save(state, FOLDER / f'{kind}_legacy.pth', _use_new_zipfile_serialization=False)
    half = OrderedDict((key, value.half()) for key, value in state.items())
    torch.save({'epoch': 7, 'state_dict': OrderedDict(('module.' + key, value) for key, value
                                                      in half.items())},
               FOLDER / f'{kind}_half_checkpoint.pth')
    for file in (f'{kind}.pth', f'{kind}_legacy.pth'):
        features[file] = torch_features(reader(file, torch.load, johnson), bgr(rgb), LAYERS[kind])

    def load_half(path):
        state = torch.load(path)['state_dict']
        return {key[len('module.'):]: value for key, value in state.items()}

    features[f'{kind}_half_checkpoint.pth'] = torch_features(
        reader(f'{kind}_half_checkpoint.pth', load_half, johnson), bgr(rgb), LAYERS[kind])

    from safetensors.torch import load_file, save_file
    own = modules(dense)  # torchvision's names, and its input
    for file, kind_of_number in ((f'{kind}_torchvision.safetensors', torch.float32),
                                 (f'{kind}_torchvision_bfloat16.safetensors', torch.bfloat16)):
        tensors = {}
        for layer, name in own.items():
            W, b = map(torch.tensor, layers[layer])
            if layer == 'conv1_1':
                W = W.flip(1) * 50  # of the right size for an input of deviation 1
            tensors[f'{name}.weight'] = W.to(kind_of_number).contiguous()
            tensors[f'{name}.bias'] = b.to(kind_of_number)
        save_file(tensors, FOLDER / file)
        x = ((rgb / 255 - MEAN) / DEVIATION).transpose(2, 0, 1)[None]
        features[file] = torch_features(reader(file, load_file, own), x, LAYERS[kind])


def write_keras(kind, layers, rgb, features):
    import h5py
    import keras
    from keras.layers import Conv2D, Dense, Flatten, Input, MaxPooling2D
    from keras.src.legacy.saving import legacy_h5_format

    def build():
        x = inputs = Input((*rgb.shape[:2], 3))
        outputs, names = {}, {}
        for block, depth in enumerate(DEPTHS, 1):
            for index in range(1, depth + 1):
                layer = f'conv{block}_{index}'
                names[layer] = Conv2D(len(layers[layer][1]), 3, padding='same', activation='relu',
                                      name=f'block{block}_conv{index}')
                outputs[layer] = x = names[layer](x)
            x = MaxPooling2D(name=f'block{block}_pool')(x)
        if 'fc8' in layers:
            x = Flatten(name='flatten')(x)
            for layer, name, activation in (('fc6', 'fc1', 'relu'), ('fc7', 'fc2', 'relu'),
                                            ('fc8', 'predictions', None)):
                names[layer] = Dense(len(layers[layer][1]), activation=activation, name=name)
                outputs[layer] = x = names[layer](x)
        whole = keras.Model(inputs, x)
        return whole, names, keras.Model(inputs, [outputs[name] for name in LAYERS[kind]])

    whole, names, _ = build()
    for layer, (W, b) in layers.items():
        W = W.transpose(2, 3, 1, 0) if W.ndim == 4 else W
        if layer == 'fc6':  # Keras' inputs stand in the order rows, columns, channels
            W = W.reshape(len(W), -1, 7, 7).transpose(0, 2, 3, 1).reshape(len(W), -1)
        names[layer].set_weights([W if layer.startswith('conv') else W.T, b])
    whole.save_weights(FOLDER / f'{kind}.weights.h5')
    with h5py.File(FOLDER / f'{kind}_legacy.h5', 'w') as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, whole)
    whole.save(FOLDER / f'{kind}_model.h5')
    x = bgr(rgb).transpose(0, 2, 3, 1).astype('float32')
    for file in (f'{kind}.weights.h5', f'{kind}_legacy.h5', f'{kind}_model.h5'):
        again, _, taps = build()
        if file.endswith('_model.h5'):
            loaded = keras.models.load_model(FOLDER / file)
            for mine, theirs in zip(again.layers, loaded.layers):
                mine.set_weights(theirs.get_weights())
        else:
            again.load_weights(FOLDER / file)
        found = taps.predict(x, verbose=0)
        features[file] = {name: value.transpose(0, 3, 1, 2) if value.ndim == 4 else value
                          for name, value in zip(LAYERS[kind], found)}


def caffe_messages():
    """Return the classes of caffe.proto's messages, with the fields that are needed."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name='caffe.proto', package='caffe', syntax='proto2')
    kinds = {'int64': 3, 'float': 2, 'string': 9, 'int32': 5}
    for message, fields in {
            'BlobShape': [('dim', 1, 'int64', 'repeated packed')],
            'BlobProto': [('num', 1, 'int32', ''), ('channels', 2, 'int32', ''),
                          ('height', 3, 'int32', ''), ('width', 4, 'int32', ''),
                          ('data', 5, 'float', 'repeated packed'), ('shape', 7, 'BlobShape', '')],
            'V0LayerParameter': [('name', 1, 'string', ''), ('type', 2, 'string', ''),
                                 ('blobs', 50, 'BlobProto', 'repeated')],
            'V1LayerParameter': [('layer', 1, 'V0LayerParameter', ''),
                                 ('bottom', 2, 'string', 'repeated'),
                                 ('top', 3, 'string', 'repeated'), ('name', 4, 'string', ''),
                                 ('type', 5, 'int32', ''), ('blobs', 6, 'BlobProto', 'repeated')],
            'LayerParameter': [('name', 1, 'string', ''), ('type', 2, 'string', ''),
                               ('bottom', 3, 'string', 'repeated'),
                               ('top', 4, 'string', 'repeated'),
                               ('blobs', 7, 'BlobProto', 'repeated')],
            'NetParameter': [('name', 1, 'string', ''), ('layers', 2, 'V1LayerParameter',
                                                         'repeated'),
                             ('layer', 100, 'LayerParameter', 'repeated')]}.items():
        described = file.message_type.add(name=message)
        for name, number, kind, more in fields:
            field = described.field.add(name=name, number=number,
                                        label=3 if 'repeated' in more else 1)
            field.type = kinds.get(kind, 11)
            if kind not in kinds:
                field.type_name = f'.caffe.{kind}'
            field.options.packed = 'packed' in more
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f'caffe.{name}'))
            for name in ('NetParameter', 'BlobProto')}


def write_caffe(kind, layers, rgb, features):
    import cv2

    net = caffe_messages()['NetParameter']
    below = {}
    text = [f'name: "VGG" input: "data" input_dim: 1 input_dim: 3 input_dim: {rgb.shape[0]} '
            f'input_dim: {rgb.shape[1]}']
    last = 'data'

    def add(name, told, kind, top=None):
        nonlocal last
        below[name] = last
        text.append(f'layer {{ name: "{name}" type: "{kind}" bottom: "{last}" '
                    f'top: "{top or name}" {told} }}')
        last = top or name

    for block, depth in enumerate(DEPTHS, 1):
        for index in range(1, depth + 1):
            name = f'conv{block}_{index}'
            add(name, f'convolution_param {{ num_output: {len(layers[name][1])} pad: 1 '
                      'kernel_size: 3 }', 'Convolution')
            add(f'relu{block}_{index}', '', 'ReLU')
        add(f'pool{block}', 'pooling_param { pool: MAX kernel_size: 2 stride: 2 }', 'Pooling')
    for name in ('fc6', 'fc7', 'fc8'):
        if name in layers:
            add(name, f'inner_product_param {{ num_output: {len(layers[name][1])} }}',
                'InnerProduct')
            if name != 'fc8':
                add(name.replace('fc', 'relu'), '', 'ReLU')

    def blob(message, array, old):
        if old:  # before 2015
            shape = (1,) * (4 - array.ndim) + array.shape
            message.num, message.channels, message.height, message.width = shape
        else:
            message.shape.dim.extend(array.shape)
        message.data.extend(array.ravel().tolist())

    for file, old in ((f'{kind}.caffemodel', False), (f'{kind}_v1.caffemodel', True)):
        network = net(name='VGG')
        if old:
            network.layers.add(name='data', type=5, top=['data'])
        else:
            network.layer.add(name='data', type='Input', top=['data'])
        for name, arrays in layers.items():
            convolution = name.startswith('conv')
            layer = (network.layers.add(name=name, type=4 if convolution else 14) if old else
                     network.layer.add(name=name,
                                       type='Convolution' if convolution else 'InnerProduct'))
            layer.bottom.append(below[name])
            layer.top.append(name)
            for array in arrays:
                blob(layer.blobs.add(), array, old)
        (FOLDER / file).write_bytes(network.SerializeToString())
        reader = cv2.dnn.readNetFromCaffe(np.frombuffer('\n'.join(text).encode(), 'uint8'),
                                          np.frombuffer((FOLDER / file).read_bytes(), 'uint8'))
        reader.enableFusion(False)
        reader.enableWinograd(False)
        reader.setInput(bgr(rgb).astype('float32'))
        taps = [name.replace('conv', 'relu') if name != 'fc6' else 'relu6'
                for name in LAYERS[kind]]
        found = reader.forward(taps)
        features[file] = dict(zip(LAYERS[kind], (value.copy() for value in found)))
    network = net(name='VGG')  # 2013: a layer within a layer
    for name, arrays in layers.items():
        layer = network.layers.add().layer
        layer.name, layer.type = name, 'conv' if name.startswith('conv') else 'innerproduct'
        for array in arrays:
            blob(layer.blobs.add(), array, True)
    if kind == 'tiny':
        (FOLDER / f'{kind}_v0.caffemodel').write_bytes(network.SerializeToString())
        features[f'{kind}_v0.caffemodel'] = features[f'{kind}_v1.caffemodel']


def write_matconvnet(kind, layers, rgb, features):
    import scipy.io
    import torch

    def struct(**fields):
        return fields

    rows = []
    for index, (name, (W, b)) in enumerate(layers.items()):
        if name == 'fc6':
            W = W.reshape(len(W), -1, 7, 7)
        W = W.reshape(W.shape + (1,) * (4 - W.ndim)).transpose(2, 3, 1, 0)
        W = W[:, :, ::-1] if index == 0 else W  # RGB
        pair = np.empty((1, 2), object)
        pair[0, 0], pair[0, 1] = np.ascontiguousarray(W), b.reshape(1, -1)
        rows.append(struct(name=name, type='conv', weights=pair, pad=np.ones((1, 4)),
                           stride=np.ones((1, 2))))
        rows.append(struct(name=name.replace('conv', 'relu'), type='relu'))
    layers_cell = np.empty((1, len(rows)), object)
    layers_cell[0, :] = rows
    words = np.empty((1, CLASSES), object)
    words[0, :] = [f'thing {index}' for index in range(CLASSES)]
    mean = OXFORD_MEAN[::-1].reshape(1, 1, 3)
    meta = {'normalization': {'averageImage': mean, 'imageSize': np.array([[224., 224., 3.]])},
            'classes': {'description': words}}
    scipy.io.savemat(FOLDER / f'{kind}.mat', {'layers': layers_cell, 'meta': meta},
                     oned_as='row', do_compression=kind == 'tiny')
    for row in rows:  # before beta 17
        if 'weights' in row:
            row['filters'], row['biases'] = row.pop('weights')[0]
    if kind == 'tiny':
        image = np.broadcast_to(mean, (224, 224, 3)).astype('float32')
        scipy.io.savemat(FOLDER / f'{kind}_beta.mat',
                         {'layers': layers_cell, 'normalization': {'averageImage': image},
                          'classes': meta['classes']}, oned_as='row', do_compression=True)
    file = scipy.io.loadmat(FOLDER / f'{kind}.mat')
    read = {str(row['name'][0, 0][0]): [np.asarray(part) for part in row['weights'][0, 0][0]]
            for row in file['layers'][0] if 'weights' in row.dtype.names}

    def nnconv(layer):  # y(i, j, k) = b(k) + sum over i', j', d of f(i', j', d, k) x(i+i', j+j', d)
        W, b = read[layer]
        W = W.reshape(W.shape + (1,) * (4 - W.ndim))
        return (torch.tensor(np.ascontiguousarray(W.transpose(3, 2, 0, 1))),
                torch.tensor(np.ascontiguousarray(b.ravel())))

    x = rgb.transpose(2, 0, 1)[None] - OXFORD_MEAN[::-1].reshape(3, 1, 1)
    features[f'{kind}.mat'] = torch_features(nnconv, x, LAYERS[kind])
    if kind == 'tiny':
        features[f'{kind}_beta.mat'] = features[f'{kind}.mat']


def write_recipes(kind, layers, rgb, features, python2):
    arrays = {'mean': OXFORD_MEAN.astype('float32'),
              'words': np.array([b'thing %d' % index for index in range(CLASSES)])}
    for index, (W, b) in enumerate(layers.values()):
        arrays[f'{index:03}.W'] = W.T if W.ndim == 2 else W
        arrays[f'{index:03}.b'] = b
    np.savez(FOLDER / 'arrays.npz', **arrays)
    subprocess.run([python2, HERE / 'recipes_pickles.py', FOLDER / 'arrays.npz', FOLDER],
                   check=True)
    (FOLDER / 'arrays.npz').unlink()
    for file in ('recipes.pkl', 'recipes_list.pkl', 'recipes_mean_image.pkl'):
        (FOLDER / file).rename(FOLDER / f'{kind}_{file}')
        features[f'{kind}_{file}'] = features[f'{kind}.pth']


def write_npz(kind, layers, rgb, features):
    np.savez_compressed(FOLDER / f'{kind}.npz', **{
        f'{name}.{part}': array for name, pair in layers.items()
        for part, array in zip('Wb', pair)})
    features[f'{kind}.npz'] = features[f'{kind}.pth']


def main(python2):
    FOLDER.mkdir(exist_ok=True)
    stored = {}
    for kind, width, dense, seed, above, shape in (('narrow', 16, False, 3, 0.02, (64, 96)),
                                                   ('tiny', 64, True, 0, 0.1, (224, 224))):
        layers, rgb, features = weights(width, dense, seed, above), photo(*shape), {}
        write_pytorch(kind, layers, rgb, features)
        write_keras(kind, layers, rgb, features)
        write_caffe(kind, layers, rgb, features)
        write_matconvnet(kind, layers, rgb, features)
        write_recipes(kind, layers, rgb, features, python2)
        write_npz(kind, layers, rgb, features)
        if kind == 'narrow':  # the rarer kinds are small ones only
            for file in RARER:
                (FOLDER / f'narrow_{file}').unlink()
                del features[f'narrow_{file}']
        stored[f'{kind}:photo'] = rgb
        for file, layers_of_file in features.items():
            for layer, value in layers_of_file.items():
                value = np.asarray(value, 'float64')
                print(f'{file:42} {layer:8} {value.shape} {value.std():.4g} '
                      f'{(value > 0).mean():.2f} '
                      f'{np.abs(value - features[f"{kind}.pth"][layer]).max() / value.max():.1e}')
                # a corner of a large map is enough, and small
                stored[f'{file}:{layer}'] = (value[:, :, :16, :16] if value.ndim == 4
                                             else value).astype('float32')
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **stored)
    (HERE / 'weight_files.npz').write_bytes(buffer.getvalue())


if __name__ == '__main__':
    main(*sys.argv[1:])
