"""`make bench`: Hiram measured against references in the same run, as ratios.

A machine's speed changes from one half-minute to the next, so no absolute number means much. Each
figure stands beside one of a peer doing the same work on the same PostgreSQL, where it can be in
turn with it, so that the machine's weather falls on both.
"""
