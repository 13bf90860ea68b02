"""What changed between two documents: by their parts, by what their messages may say, and by how their servers act."""
