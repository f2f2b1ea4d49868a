"""Measure what the articles claim, and say whether it holds.

    python recipes/claims.py
    python recipes/claims.py --model squeezenet --claim cleaner score

Each claim of the article, of the papers behind it and of later research about the same methods is
measured on the embedded network or another, on bundled pictures. The table says how it was
measured, the figure, and whether the claim holds, does not hold, or cannot be told from this
network. Limits are ours: the articles give none.
"""

import time
from collections import namedtuple
from functools import cached_property, partial

import models
from models.errors import ArchiveError

import lasagne
from tqdm import tqdm

from recipes.common import command_line, images, networks, runs
from recipes.measures import claims, pictures, ways_back

SMALL, LARGE = 96, 256  # pixels of photos for the embedded networks, and of paintings

# A claim: short name, what is claimed, where it stands, how it is measured, and the function that
# measures it on a `Subject`.
Claim = namedtuple('Claim', 'name text source how measure')


class Subject:
    """A network with what the claims are measured on; each part is made when first asked for.

    Args:
        model, weights: as of `models.load`.
        labelled: pictures for a short training, or None.
    """

    def __init__(self, model, weights=None, labelled=None):
        self.model, self.weights, self.labelled = model, weights, labelled
        self.facts = models.facts_of(model)
        self.net, _, self.mean_pixel = models.load(model, weights)

    @cached_property
    def convolutions(self):
        """Names of the convolutions, from the picture up."""
        return networks.convolutions(self.net)

    @cached_property
    def scores(self):
        """Name of the layer of the scores."""
        return models.scores(self.net).name

    @cached_property
    def photos(self):
        """The bundled photos as the network takes them."""
        size = self.net['input'].shape[2] or (SMALL if self.facts.size <= SMALL
                                              else self.facts.size)
        return claims.photos_for(self.net, self.mean_pixel, size)

    @cached_property
    def ways(self):
        """The ways back from the scores, compiled."""
        return ways_back.WaysBack(self.net, [self.scores])

    @property
    def with_switches(self):
        """The ways back, of a network with pooling.

        Raises:
            ArchiveError: it has none.
        """
        if not any(isinstance(layer, lasagne.layers.Pool2DLayer) for layer in self.net.values()):
            raise ArchiveError(f'{self.model} has no pooling, so no switches to compare with')
        return self.ways

    @cached_property
    def gradients(self):
        """The gradient from layers for a style, compiled."""
        return ways_back.WaysBack(self.net, self.facts.style, ['gradient'])

    @cached_property
    def guided(self):
        """Guided backprop from a shallow and a deep layer, compiled."""
        return ways_back.WaysBack(self.net, [self.facts.style[1], self.facts.style[-1]],
                                  ['guided'])

    @cached_property
    def all_activations(self):
        """All convolutions, compiled, with no way back."""
        return ways_back.WaysBack(self.net, self.convolutions, [])

    @cached_property
    def strided(self):
        """All-CNN-C, narrow and with random weights, and its ways back."""
        net = models.build('all_cnn_c', width=0.1)
        return ways_back.WaysBack(net, [models.scores(net).name], ['deconvnet'])

    @cached_property
    def look(self):
        """Two pictures compared in the network's layers."""
        return pictures.InNetwork.of(self.model, self.weights)

    @cached_property
    def groups(self):
        """The convolutions in groups between poolings, of those with two or more."""
        found, group = [], []
        for name, layer in self.net.items():
            if isinstance(layer, lasagne.layers.Conv2DLayer):
                group.append(name)
            elif isinstance(layer, lasagne.layers.Pool2DLayer) and group:
                found, group = [*found, group], []
        return [one for one in [*found, group] if len(one) > 1]

    @cached_property
    def upper(self):
        """Names of the upper third of the layers with weights."""
        names = ways_back.with_weights(self.net)
        return names[len(names) * 2 // 3:]


def paintings():
    """Read the bundled painting and another, square, RGB uint8."""
    return [images.square(images.read(path), LARGE) for path in
            (images.PAINTING, images.ASSETS / 'gallery' / 'circles_and_triangles.png')]


def random_layers(subject, method):
    """Measure what random upper layers change: a Finding."""
    return claims.upper_layers_matter_not(subject.ways, subject.net, subject.photos,
                                          subject.scores, subject.upper, method)


LATER = 'Adebayo et al. 2018, "Sanity Checks for Saliency Maps"; Nie et al. 2018'
CLAIMS = (
    Claim('negative', 'negative values in a guided map come only from the first convolution\'s '
          'negative kernels; plain gradients are negative everywhere', 'the article, guided '
          'backprop; Springenberg et al. 2015, 3.4',
          'share of negative values, with the first kernels as they are and without their negative '
          'numbers', lambda s: claims.negative_values(s.ways, s.net, s.photos, s.scores)),
    Claim('cleaner', 'guided maps are cleaner than the deconvnet\'s and the gradient\'s',
          'the article; Springenberg et al. 2015, figure 3',
          'correlation of neighbouring pixels of the magnitude', lambda s: claims.cleaner_maps(
              s.ways, s.photos, s.scores)),
    Claim('switches', 'a deconvnet without switches cannot tell photos apart',
          'Springenberg et al. 2015, 3.4', 'rank correlation of the maps of different photos, in '
          'All-CNN-C with random weights and in this network', lambda s: claims.no_switches(
              s.strided, s.with_switches, s.strided.layers[0], s.scores, s.photos[:, :, :32, :32],
              s.photos)),
    Claim('early', 'units of early layers are colour and gradient detectors', 'the article, tour '
          'of the layers; Zeiler & Fergus 2014, figure 2',
          'share of the gradient of the strongest units that is an even colour or a ramp, beyond '
          'chance', lambda s: claims.simple_detectors(s.gradients, s.net, s.photos,
                                                      s.facts.style[:4])),
    Claim('fading', 'maps of a channel\'s sum fade with depth, so the single element suits deep '
          'layers and the sum shallow ones', 'the article, tour of the layers',
          'of the strongest channels the mean brightness of the sum\'s map, and the share of the '
          'photo that the strongest element sees', lambda s: claims.fading_maps(
              s.guided, s.photos[:2], s.guided.layers)),
    Claim('lines', 'a deep content layer alone loses colour and bends lines; early layers bring '
          'both back', 'the article, content reconstruction; Gatys et al. 2015, figure 1',
          'of a drawn picture: distance of the blurred colours in a*b*, saturation, distance of '
          'edges from straight lines',
          lambda s: claims.colour_and_lines(s.model, s.weights, s.facts.content,
                                            s.facts.style[0])),
    Claim('positions', 'style alone loses positions', 'the article, style; Gatys et al. 2015',
          'losses of the painting with its blocks in another order', lambda s:
          claims.lost_positions(s.look, *paintings())),
    Claim('means', 'means instead of covariances change little', 'the article, style',
          'how far textures come on the way from noise to the painting\'s Gram matrices',
          lambda s: claims.means_will_do(s.look, s.model, s.weights, s.facts.style[:3],
                                         images.PAINTING)),
    Claim('neighbours', 'neighbouring layers are more alike than the first of the groups',
          'the article, choice of layers', 'linear CKA (Kornblith et al. 2019) at the same places',
          lambda s: claims.neighbours_alike(s.all_activations, s.photos, s.groups)),
    Claim('iterations', 'too many iterations lower the loss while the picture changes less and '
          'less', 'the article, style transfer',
          'loss and change of the pixels from round to round',
          lambda s: claims.ever_less_change(
              *claims.painted_rounds(s.model, s.weights))),
    Claim('palette', 'a reduced palette keeps peaks of the distribution that full colour smears',
          'the article, control', 'peaks over a* and b* that are peaks of the result',
          lambda s: claims.palette_keeps_peaks(s.model, s.weights, s.facts.style[:3])),
    Claim('score', 'adding the saliency map raises the score', 'the article, saliency; Simonyan et '
          'al. 2014, 3', 'score of the class with the map added, 2 grey levels a pixel',
          lambda s: claims.map_raises_score(s.ways, s.photos, s.scores)),
    Claim('strides', 'strided convolution replaces pooling at equal accuracy',
          'Springenberg et al. 2015, table 3',
          'short training on small data: drawn patterns of four classes, or --labelled',
          lambda s: claims.strides_will_do(s.labelled)),
    *(Claim(f'random-{method}', f'{words} hardly changes when upper layers are random, while the '
            'gradient does', LATER, 'rank correlation of magnitudes before and after the upper '
            'third of the layers got random weights', partial(random_layers, method=method))
      for method, words in (('guided', 'guided backprop'), ('deconvnet', 'the deconvnet'))),
)


def main(arguments=None):
    """Run the recipe with command-line arguments; None takes the process's own."""
    options = parse(arguments)
    by_name = {claim.name: claim for claim in CLAIMS}
    wanted = [by_name[models.known_name(name, list(by_name), 'claim')]
              for name in dict.fromkeys(options.claim or by_name)]
    subject = Subject(options.model, options.weights, options.labelled)
    run = runs.Run('claims', options.out, options.force)
    run.save_record(parameters=command_line.described(options, 'claim labelled', subject.net))
    rows = []
    with run.recorded():
        for claim in tqdm(wanted, disable=options.quiet, unit='claim'):
            begun = time.monotonic()
            finding = measure(claim, subject)
            rows.append([claim.name, claim.text, claim.source, claim.how, finding.figure,
                         finding.verdict, round(time.monotonic() - begun, 1)])
            save(run, rows, options)
            if not options.quiet:
                tqdm.write(f'{claim.name}: {finding.verdict}. {claim.text[0].upper()}'
                           f'{claim.text[1:]}. {finding.figure}.')
    if not options.quiet:
        print(run.folder / 'claims.md')


def measure(claim, subject):
    """Measure a claim: its `Finding`; where the network lacks what it needs, it cannot be told."""
    try:
        return claim.measure(subject)
    except ArchiveError as problem:
        return claims.Finding(str(problem), claims.UNKNOWN)


COLUMNS = ('claim', 'text', 'source', 'measure', 'figure', 'verdict', 'seconds')


def save(run, rows, options):
    """Save the table as claims.csv and claims.md."""
    run.save_table('claims.csv', COLUMNS, rows)
    lines = [f'# What the articles claim, measured on {options.model}', '',
             '| claim | where it stands | how it was measured | figure | |',
             '|---|---|---|---|---|']
    for _, text, source, how, figure, verdict, _ in rows:
        lines.append('| ' + ' | '.join(cell.replace('|', '/') for cell in (
            text, source, how, figure, f'**{verdict}**')) + ' |')
    with run.writing('claims.md') as path:
        path.write_text('\n'.join(lines) + '\n', encoding='utf-8')


def parse(arguments):
    """Read the command line."""
    parser = command_line.ArgumentParser(description=__doc__.split('\n')[0])
    add = parser.add_argument
    parser.add_run_options()
    parser.add_network_options()
    add('--claim', nargs='+', metavar='CLAIM',
        help=f'which to measure (default: all): {", ".join(claim.name for claim in CLAIMS)}')
    add('--labelled', metavar='PHOTOS', help='labelled photos to train on for the claim `strides`, '
                                             'as train_all_cnn.py takes them (default: drawn ones)')
    return parser.parse_args(arguments)


if __name__ == '__main__':
    command_line.run(main)
