"""Measures one group in this process and prints its samples: `python -m bench.measure chain`."""

import json
import sys

from bench.registry import GROUPS

if __name__ == "__main__":
    sys.stdout.write(json.dumps(GROUPS[sys.argv[1]].run()))
