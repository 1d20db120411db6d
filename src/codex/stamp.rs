//! The login, seen from outside. All that a prompt may know of it.

use super::home::Home;
use crate::io::env::{Env, LOGIN_VARIABLES};
use crate::io::files;
use std::io;

/// Which login is in force, seen from outside: changes whenever the login may have changed, and
/// holds nothing secret.
///
/// For a file: times of modification and of change (the latter cannot be set back), size, inode.
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
