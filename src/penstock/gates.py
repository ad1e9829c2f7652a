"""The gates of a GRU, as values to read."""

from typing import Any, NamedTuple


class Gates(NamedTuple):
    """What each step decided, per layer and direction.

    Each field, a torch tensor or a NumPy array, is (K, L, N, H) with K = num_layers × directions in the order of
    ``h_n``: ``gates.update[0]`` is the first layer's, (L, N, H). With ``batch_first`` it is (K, N, L, H), unbatched
    (K, L, H), of a ``PackedSequence`` always (K, L, N, H); of ``penstock.gru``, which is one layer, (L, N, H). Zero
    past a sequence's end.
    """

    reset: Any
    """r: how much of the past the candidate may see; 0 ignores it, 1 shows all of it."""
    update: Any
    """z: how much of the old state is kept; 1 keeps it, 0 takes the candidate."""
    candidate: Any
    """n: what would be written."""
