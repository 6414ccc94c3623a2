"""`make bench`: Hiram measured against references in the same run, as ratios.

A machine's speed changes from minute to minute, so no absolute number means much. Each figure
stands beside one of a peer doing the same work, on the same PostgreSQL, minutes apart at most.
"""
