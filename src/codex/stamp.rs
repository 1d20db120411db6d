//! Tells whether the login has changed, without reading it. A prompt may not know more about it.

use super::home::Home;
use crate::io::env::{Env, LOGIN_VARIABLES};
use crate::io::files;
use std::io;

/// A text that identifies the current login and holds no secret. It changes whenever the login may
/// have changed.
///
/// For a file it holds the modification time, the change time (which cannot be set back), the size
/// and the inode.
pub fn stamp(home: &Home, env: &Env) -> String {
    for variable in LOGIN_VARIABLES {
        if env.variable(variable).is_some() {
            return format!("environment {variable}");
        }
    }
    match files::identity(&home.auth_json()) {
        Ok(identity) => identity,
        Err(error) if error.kind() == io::ErrorKind::NotFound => "absent".into(),
        Err(error) => format!("unreadable {}", error.raw_os_error().unwrap_or_default()),
    }
}
