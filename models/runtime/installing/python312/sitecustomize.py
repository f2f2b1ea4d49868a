"""Python runs this at its start where this folder is on PYTHONPATH: names that 3.12 took away.

The setup.py of Theano-PyMC 1.1.2 (its versioneer.py:342) asks `configparser` for them.
"""

import configparser

configparser.SafeConfigParser = configparser.ConfigParser
configparser.ConfigParser.readfp = configparser.ConfigParser.read_file
