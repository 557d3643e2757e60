//! Chunk, embed, search, fuse, rerank and cite.
