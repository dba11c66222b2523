"""driftrec: restores over-compressed JPEGs by sampling clean pictures from a diffusion process."""

__version__ = "0.1.0"
