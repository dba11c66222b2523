"""The metrics of the field: each is one function or one network, pinned to hand-computed cases and published rows."""
