"""python -m programs NAME: tests one program and prints a line with the result.

`tests/clients/programs.sh` installs the programs and calls this for each.
"""

import importlib
import signal
import sys
import time

# SIGTERM also ends the started processes.
signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))

name = sys.argv[1]
begun = time.monotonic()
result = importlib.import_module(f"programs.{name}").check()
print(f"{name} {result} ({time.monotonic() - begun:.0f} s)", flush=True)
