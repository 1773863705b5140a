"""What a venue's arithmetic is, written once: for kernels, which compile these functions, and for everybody else.

Each is a leaf: numbers in, numbers out, nothing of ours imported and only builtins called, so that numba takes it as
it stands (`inlined(margin.requirement)`) and gives the same bits. Money is in quote currency.
"""
