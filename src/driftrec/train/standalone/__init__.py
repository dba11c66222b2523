"""One ONNX file for other programs: a picture in, its restoration out, without driftrec."""
