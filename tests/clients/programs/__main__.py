"""python -m programs NAME: tries one program, and tells in a line what it did.

`tests/clients/programs.sh` calls this for each, once all is installed.
"""

import importlib
import signal
import sys
import time

# What was started is ended also when this is told to stop.
signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))

name = sys.argv[1]
begun = time.monotonic()
told = importlib.import_module(f"programs.{name}").check()
print(f"{name} {told} ({time.monotonic() - begun:.0f} s)", flush=True)
