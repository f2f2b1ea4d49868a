"""The modules of this folder that are no tests, for those that are."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
