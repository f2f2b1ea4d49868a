"""Packaging of the archive. Install it editable: `pip install -e .`"""

from setuptools import find_packages, setup

# What reads the notebooks' sources, runs them and stores their outputs; `notebook` opens them.
NOTEBOOKS = ['jupytext>=1.15,<2', 'nbclient>=0.8,<1', 'nbformat>=5.7,<6', 'ipykernel>=6.20,<8']

setup(
    name='lasagne-archive',
    version='0.1.0',
    description='What a convolutional network sees, and how to paint with it: '
                'a Theano/Lasagne reproduction archive that runs today',
    license='MIT',
    python_requires='>=3.9,<3.13',  # 3.13 has numpy 2 only, whose C interface Theano's code lacks
    packages=find_packages(include=['models*', 'modifiedbackprop*', 'recipes*']),
    package_data={'models': ['embedded/*', 'embedded/generators/*', 'weights/*.txt',
                              'runtime/c/*.c'],
                  'recipes': ['assets/*.jpg', 'assets/*.html', 'assets/*.css', 'assets/*.js',
                              'assets/*.json']},
    install_requires=[
        'theano-pymc==1.1.2',
        'lasagne==0.1',
        'numpy>=1.22.4,<2',             # 2 has another C interface than Theano's code
        'setuptools>=64; python_version >= "3.12"',  # its distutils, which Theano imports
        'scipy>=1.13,<1.14',            # one L-BFGS for everybody
        'scipy-openblas32>=0.3.28,<0.4',
        'pillow>=9.1,<14',
        'matplotlib>=3.6,<4',
        'scikit-image>=0.22,<0.25',
        'threadpoolctl>=3,<4',
        'tqdm>=4.60,<5',
        'platformdirs>=3,<5',
        'filelock>=3.4,<5',
        'h5py>=3.8,<4',
        'safetensors>=0.4,<1',
    ],
    extras_require={
        'test': ['pytest>=7,<10', 'pytest-xdist>=3,<4', 'ruff>=0.4,<1',
                 'selenium>=4.11,<5; python_version >= "3.10"',  # its maintained versions need it
                 'axe-core-python>=0.1,<1; python_version >= "3.10"',
                 'jax>=0.4.30,<0.7.2',  # 0.7.2 wants numpy 2; on a CPU, as the GPU's way is tested
                 *NOTEBOOKS],
        'cluster': ['distributed>=2024.8'],  # recipes/feedforward/workers.py
        'cuda12': ['jax[cuda12]>=0.4.30,<0.7.2'],  # an NVIDIA GPU
        'notebooks': ['notebook>=7,<8', *NOTEBOOKS],
        'bench': ['torch>=2.0,<3', 'captum>=0.7,<1'],
    },
)
