"""OCI images: read, unpack, diff, assemble, write."""
