# %% [markdown]
# # The Recipes' notebooks of 2015, rerun
#
# The [Lasagne Recipes](https://github.com/Lasagne/Recipes) taught saliency maps and style transfer to
# many, and have not run for years. Code in their style, written as one wrote it then and kept in
# `tests/era`, runs here behind one line, `import models`; what it computes stands beside the archive's
# own functions, number by number and picture by picture.
#
# | here | notebook of 2015 | recipe |
# |---|---|---|
# | saliency, guided backprop, deconvnet | Saliency Maps and Guided Backpropagation | `recipes/saliency.py`, `modifiedbackprop` |
# | style transfer | Art Style Transfer | `recipes/styletransfer.py --impl recipes` |
#
# What a notebook of your own needs besides that line is in
# [the runtime's README](../models/runtime/README.md).

# %%
import models  # first: it prepares Theano and Lasagne, and what of them has gone since

from recipes.common import images

# %% [markdown]
# **Parameters.** The scripts write out every layer, as it was done then, so the network is theirs: a
# VGG-19 a quarter as wide. With the layers of a full VGG and its weights, the rest of each script
# stays as it is.

# %% tags=["parameters"]
NETWORK = 'vgg19_quarter'        # of the scripts' layers
STEPS = 40                       # evaluations in each round of L-BFGS, as the notebook's
PHOTO = images.bundled_photo()   # NASA's portrait of an astronaut
PAINTING = images.PAINTING       # drawn by this project's code

# %%
import os
import pickle
import runpy
import tempfile
from pathlib import Path

import lasagne
import numpy as np
from IPython.display import Code
from scipy.optimize import fmin_l_bfgs_b

import modifiedbackprop
import shown
from modifiedbackprop import GuidedBackprop, ZeilerBackprop
from recipes import saliency
from recipes.common import lbfgs, maps
from recipes.common.networks import load_to
from recipes.style.loss import style_transfer

SCRIPTS = Path('../tests/era')

# %% [markdown]
# The Recipes' weights came as pickles. This writes one of the same form, with the embedded network's
# weights, beside the pictures, and runs a script there.


# %%
net, classes, mean_pixel = models.load(NETWORK)
weights = {'param values': lasagne.layers.get_all_param_values(net['prob']),
           'synset words': classes, 'mean value': mean_pixel}


def rerun(script):
    """Run a script of 2015 in a folder of its own; give everything it defined."""
    script, before = (SCRIPTS / script).resolve(), Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            Path('network.pkl').write_bytes(pickle.dumps(weights, protocol=2))
            for name, path in (('photo.png', PHOTO), ('art.png', PAINTING)):
                images.Image.fromarray(images.read(path)).save(name)
            return runpy.run_path(str(script))
        finally:
            os.chdir(before)


def apart(found, expected):
    """The largest difference, in shares of the largest number."""
    return float(np.abs(found - expected).max() / np.abs(expected).max())


# %% [markdown]
# ## Saliency, guided backprop, deconvnet
#
# The heart of that notebook is a class whose op gets another gradient, by assignment. In the script:

# %%
text = (SCRIPTS / 'saliency_2015.py').read_text()
Code(text[text.index('class ModifiedBackprop'):text.index('img_original, img =')],
     language='python')

# %% [markdown]
# `theano.OpFromGraph` moved, `theano.sandbox.cuda` is gone, and the assignment `op.grad = self.grad`
# is ignored by every Theano since 0.10, without a word: there, all three maps are the plain gradient. The
# runtime brings all three back. The script, as it is:

# %%
script = rerun('saliency_2015.py')
results = script['results']
print('seen:', classes[int(script['max_class'][0])], '| rectifiers:', len(script['relu_layers']))

# %% [markdown]
# Beside it the archive's own functions, on the same picture:

# %%
mine = {'gradient': saliency.compile_saliency_function(net)(results['image'])[0]}
for name, rule in (('guided', GuidedBackprop), ('deconvnet', ZeilerBackprop)):
    with modifiedbackprop.applied(net, rule):
        mine[name] = saliency.compile_saliency_function(net)(results['image'])[0]
assert max(apart(results[name], mine[name]) for name in mine) < 1e-4
shown.table(['map', 'script against archive', 'against the plain gradient'],
            [[name, apart(results[name], found), apart(results[name], mine['gradient'])]
             for name, found in mine.items()])

# %% tags=["gallery"]
photo = script['img_original']
shown.grid([part for found in (results, mine) for part in
            (photo, *(maps.panels(found[name][0])[0] for name in mine))],
           [f'{name}, {who}' for who in ('2015', 'archive') for name in ('photo', *mine)], columns=4,
           about='maps by code of 2015, and by the archive')

# %% [markdown]
# The second column says how far each script's map is from the plain gradient: were it zero for guided
# backprop, it would be the trap.
#
# ## Style transfer
#
# The script has the notebook's losses and its habits: loss and gradient compiled apart, rounds of L-BFGS
# that each start afresh from white noise's last picture,
#
# $$\mathcal{L} = 10^{-3}\, \mathcal{L}_{content} + 2 \cdot 10^5 \sum_l E_l
#   + 10^{-8} \sum_{i,j} \left(\Delta_x^2 + \Delta_y^2\right)^{1.25} .$$
#
# The last term, a total variation, is not in the paper, and the weights are not the paper's.

# %%
script = rerun('style_2015.py')
results = script['results']

# %% [markdown]
# And the archive's, by `style_transfer`, from the same start: two rounds of eight evaluations.

# %%
layers = [layer for layer in script['layers'] if layer != 'conv4_2']
net, mean_pixel = load_to([*layers, 'conv4_2'], NETWORK, pool='average_exc_pad')
objective = style_transfer(net, results['photo'], results['art'], {'conv4_2': 1e-3},
                           dict.fromkeys(layers, 2e5), tv_weight=1e-8)
start = results['start']
rows = [['loss at the start', float(results['start_loss']), objective.eval_loss(start.ravel())]]
gradient = apart(objective.eval_grad(start.ravel()), results['start_gradient'].ravel())
rounds = lbfgs.minimise(objective, start, 2, 8, factr=1e7, pgtol=1e-5)
for number, (x, _) in enumerate(rounds):
    rows.append([f'loss after round {number + 1}', float(results[f'loss_{number}']),
                 objective.eval_loss(x)])
assert gradient < 1e-4 and abs(rows[-1][1] / rows[-1][2] - 1) < 1e-2
print(f'the gradients at the start differ by {gradient:.0e} of the largest number')
shown.table(['', 'script of 2015', 'archive'], rows)

# %% [markdown]
# Steps of L-BFGS multiply the roundings of float32, so losses after rounds agree to a few digits and
# not to all. So far nothing is to be seen but noise. Both go on from the start as the notebook did,
# with eight rounds of scipy's L-BFGS, each with the script's own `eval_loss` and `eval_grad`, or with the
# archive's:

# %% tags=["gallery"]
painted, losses = [], []
for name, loss, slope in (('script', script['eval_loss'], script['eval_grad']),
                          ('archive', objective.eval_loss, objective.eval_grad)):
    x = start.ravel()
    for _ in range(8):
        x, value, _ = fmin_l_bfgs_b(loss, x, fprime=slope, maxfun=STEPS)
    painted.append(x.reshape(start.shape))
    losses.append([name, float(value)])
mean = script['MEAN_VALUES'].ravel()
shown.grid([images.deprocess(one, mean) for one in (results['photo'], results['art'], *painted)],
           ['photo', 'painting', 'script of 2015', 'archive'], columns=4, interpolation='nearest',
           about='style transfer by code of 2015 and by the archive')

# %%
shown.table(['', 'loss at the end'], losses)

# %% [markdown]
# 48 pixels, the script's, do not make a painting: the notebook took 600. Notebook 6 paints.
#
# ## What a full network would change
#
# Nothing of the agreement: the scripts' lines that build the network are then those of VGG-16 and VGG-19,
# and `models.load` takes the same weights (`python -m models.weights convert vgg19_normalized.pkl`).
