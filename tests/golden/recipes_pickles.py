"""Writes pickles as the Lasagne Recipes have them; to be run by Python 2.7 with numpy.

    python2.7 tests/golden/recipes_pickles.py ARRAYS.npz FOLDER

ARRAYS.npz has '000.W', '000.b', '001.W' and so on, in the order of the network, dense layers as
(inputs, outputs), and 'mean' and 'words'. Makes a dict (protocol 2, as vgg19.pkl), the list alone
as text (protocol 0, as googlenet.pkl once was) and a dict with a mean image (as vgg_cnn_s.pkl).
"""

import sys

import cPickle
import numpy as np


def main(arrays, folder):
    arrays = np.load(arrays)
    values = [arrays[key] for key in sorted(arrays.files) if '.' in key]
    words = [str(word) for word in arrays['words']]
    image = np.empty((3, 16, 16), 'float32')  # of vgg_cnn_s (3, 224, 224)
    image[:] = arrays['mean'].reshape(3, 1, 1)
    image[:, :8] += 5
    image[:, 8:] -= 5
    for name, value, protocol in (
            ('recipes.pkl', {'model type': 'VGG19', 'param values': values,
                             'synset words': words, 'mean value': arrays['mean']}, 2),
            ('recipes_list.pkl', values, 0),
            ('recipes_mean_image.pkl', {'values': values, 'synset words': words,
                                        'mean image': image}, 2)):
        with open(folder + '/' + name, 'wb') as file:
            cPickle.dump(value, file, protocol)


if __name__ == '__main__':
    main(*sys.argv[1:])
