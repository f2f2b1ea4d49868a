"""Packaging of the archive. Install it editable: `pip install -e .`"""

from setuptools import find_packages, setup

setup(
    name='lasagne-archive',
    version='0.1.0',
    description='What a convolutional network sees, and how to paint with it: '
                'a Theano/Lasagne reproduction archive that runs today',
    license='MIT',
    python_requires='>=3.9,<3.12',  # Theano-PyMC 1.1.2 does not build on 3.12
    packages=find_packages(include=['models*', 'modifiedbackprop*', 'recipes*']),
    package_data={'models': ['embedded/*', 'embedded/generators/*', 'weights/*.txt',
                             'runtime/c/*.c'],
                  'recipes': ['assets/*.jpg', 'assets/*.html', 'assets/*.css', 'assets/*.js']},
    install_requires=[
        'theano-pymc==1.1.2',
        'lasagne==0.1',
        'numpy>=1.22.4,<1.24',          # 1.24 removed np.bool, which Theano uses
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
        'test': ['pytest>=7,<10', 'ruff>=0.4,<1',
                 'selenium>=4.11,<5; python_version >= "3.10"'],  # its maintained versions need it
        'notebooks': ['notebook>=7,<8', 'nbclient>=0.8,<1'],
        'bench': ['torch>=2.0,<3', 'captum>=0.7,<1'],
        'cluster': ['distributed>=2024.8'],  # recipes/feedforward/workers.py
    },
)
