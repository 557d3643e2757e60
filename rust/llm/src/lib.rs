//! An OpenAI-compatible gateway: chat, embeddings, rerank; and the offline model.
