"""What runs inside a step to measure it: the standard library only, given to the machine's own Python as files.

Invariant: nothing here imports another package of ours, and no attempt harms the machine where it is not refused.
"""
