"""ONNX Runtime, told not to report to its maker. Everything of Facet that needs it takes it from here."""

import os

# Official builds send usage data from the moment they are imported, unless told not to before that.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime as ort

__all__ = ["ort"]
