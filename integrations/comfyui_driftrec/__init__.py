"""Nodes for ComfyUI: copy this folder into `custom_nodes`; driftrec must be installed in ComfyUI's Python.

*Restore JPEG (driftrec)* restores pictures with either model in either mode.  Where spandrel is installed, as in
ComfyUI, *Load Upscale Model* also reads driftrec-MODEL-faithful.safetensors.
"""

from importlib.util import find_spec

from .nodes import DriftrecRestore

NODE_CLASS_MAPPINGS = {"DriftrecRestore": DriftrecRestore}
NODE_DISPLAY_NAME_MAPPINGS = {"DriftrecRestore": "Restore JPEG (driftrec)"}

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]

if find_spec("spandrel"):
    from .architecture import install

    install()
