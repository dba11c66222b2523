"""JPEG itself."""
