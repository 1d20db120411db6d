//! What runs behind a prompt: the workers that fetch and count, and the user's hooks.

pub(crate) mod count;
pub(crate) mod fetch;
pub(crate) mod freshness;
pub(crate) mod hooks;
pub(crate) mod job;
