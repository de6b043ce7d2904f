"""Sources of labelled music: one module or package per source, each giving excerpts and tags to training."""
