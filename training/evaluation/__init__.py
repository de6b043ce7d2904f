"""Measures a bundle on the tasks of the poster and more, by the ONNX graph that the service answers with. No torch."""
