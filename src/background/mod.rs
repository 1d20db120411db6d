//! What runs behind a prompt: a worker that fetches or counts, and the user's hooks.

pub mod count;
pub mod fetch;
pub mod hooks;
pub mod spawn;
