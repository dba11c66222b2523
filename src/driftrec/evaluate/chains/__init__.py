"""Histories of pictures found online: a JPEG that was resized, edited and saved again, step by step.

`formats` saves a picture with losses, `geometry`, `tone` and `drawing` edit it, `chain` puts these steps together, and
`listed` names the chains of the benchmark.  A step is a frozen value that is called with pixels, uint8 (height, width,
3), and returns new ones.  Training draws its own chains from the same steps (`driftrec.train.data.chains`).
"""
