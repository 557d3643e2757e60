//! Chat completions: the request's body, the reply put together from its pieces, and the stream of it.

pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod stream;
