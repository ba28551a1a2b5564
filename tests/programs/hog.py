"""Take memory until someone objects.

hog.py [STATUS]    a child takes the memory; when it is gone, this program ends with STATUS
"""

import os
import sys

if sys.argv[1:] and os.fork():
    os.wait()
    sys.exit(int(sys.argv[1]))
taken = []
while True:
    taken.append(b"x" * 1_000_000)
