"""Networks from log-mel frames to a feature vector."""
