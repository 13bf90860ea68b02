"""The documentation of a protocol: one page of HTML, and the same as a tree of Markdown (see `contents`)."""
