"""One layout for documents (see `layout`)."""
