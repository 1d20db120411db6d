//! What runs behind a prompt: the workers that fetch and count, and the user's hooks.

pub mod count;
pub mod fetch;
pub(crate) mod freshness;
pub mod hooks;
pub mod job;
