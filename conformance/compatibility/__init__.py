"""Whether the scripts of one document still pass against the server of another, in memory and in virtual time."""
