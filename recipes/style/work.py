"""What a picture is painted with: read, checked and planned before anything is begun."""

import copy
from collections import namedtuple

from recipes.common import command_line, extents, runs
from recipes.common.networks import load_to
from recipes.style import memory, resuming
from recipes.style.canvas import Canvas
from recipes.style.scene import Scene

# What a picture is painted with, checked: options, with the style layers that a selection keeps;
# scene: the pictures; network; canvas; plan of the memory; parameters that decide the pixels.
Work = namedtuple('Work', 'options scene net canvas plan parameters')


def prepare(options):
    """Read and check everything that a picture is painted with, before anything is begun.

    Raises:
        ArchiveError: something cannot be used, does not fit, or leaves nothing to paint from.
    """
    scene = read_scene(options)
    layers = [*options.content_layers, *options.style_layers]
    net, mean_pixel = load_to(layers, options.model, options.weights, options.pool)
    if scene.selection is not None:
        scene.selection.check(net, options.model, options.style_layers)
        options = copy.copy(options)
        options.style_layers = scene.selection.layers_kept(options.style_layers)
        layers = [*options.content_layers, *options.style_layers]
    for phase, shape in enumerate(scene.shapes()):
        extents.require_positions(net, layers, shape, 'the photo')
        for shape in scene.painting_shapes(phase):
            extents.require_positions(net, options.style_layers, shape, 'the painting')
    plan = plan_memory(options, net, scene)
    return Work(options, scene, net, Canvas(mean_pixel, options.levels, options.margin), plan,
                describe(options, scene, plan, net))


def read_scene(options):
    """Read the photo, the paintings and their masks."""
    return Scene(options.content, options.style, options.size, options.phases,
                 options.style_scale, options.margin, options.crop, options.init, options.colours,
                 options.masks, options.style_mask, options.features, options.style_palette,
                 options.style_bits, options.seed, options.keep_transparency)


def plan_memory(options, net, scene):
    """Find which tiles, and how much of L-BFGS's memory, keep the run below --memory."""
    if options.resume:
        return resuming.resumed_plan(options.resume)
    adam = options.optimiser == 'adam'
    needs = memory.Needs(net, options.content_layers, options.style_layers, scene.shapes()[-1],
                         scene.painting_shapes(options.phases - 1), adam, options.evals,
                         options.bounds, scene.count_of_regions)
    return memory.plan(needs, options.memory, None if adam else options.corrections)


def describe(options, scene, plan, net):
    """List every parameter that decides the pixels, for run.json and inside the pictures."""
    names = ('impl size crop margin seed phases evals content_weight style_weight tv_weight '
             'content_layers style_layers style_statistics style_scale style_blend '
             'style_palette style_bits colours '
             'optimiser bounds normalise_gradients')
    init = options.init
    return {**command_line.described(options, names, net),
            'init': init if init in ('noise', 'content') else runs.pixel_hash(scene.first),
            'range_weight': options.range_weight or None,
            'rounds': options.rounds if options.phases > 1 else None,
            'rate': options.rate if options.optimiser == 'adam' else None,
            'corrections': plan.corrections, 'tiles': plan.core,
            'painting_tiles': plan.painting_core, **scene.hashes()}
