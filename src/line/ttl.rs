//! `--ttl`: for how long what was printed reads the same, so that a shell can keep it.
//!
//! What a line shows depends only on the cache entry and the time. So its future is rendered,
//! second by second, until something changes. That is right for every template and host.

/// The longest time, in seconds. Until then a shell does not see what other processes have fetched.
/// A shell with a new text each minute starts one process a minute.
const LONGEST: i64 = 60;
/// Seconds while a job of another process runs.
const PENDING: i64 = 3;
/// Seconds after a job has been started: the next prompt is to have its result.
const STARTED: i64 = 1;

/// What the jobs behind a line are doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Jobs {
    #[default]
    Idle,
    /// Another process is doing one, or one has ended in vain.
    Pending,
    /// This process has started one, or starts it once the line is printed.
    Started,
}

/// For how many whole seconds a line reads the same if nothing happens. At least 1.
///
/// `is_same`: whether it still reads the same after so many seconds, and no job is due.
pub(super) fn seconds(jobs: Jobs, is_same: impl Fn(i64) -> bool) -> i64 {
    let longest = match jobs {
        Jobs::Idle => LONGEST,
        Jobs::Pending => PENDING,
        Jobs::Started => STARTED,
    };
    (1..longest).find(|seconds| !is_same(*seconds)).unwrap_or(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_lasts_until_something_changes() {
        let check = |jobs: Jobs, changes_after: i64, expected: i64| {
            assert_eq!(seconds(jobs, |second| second < changes_after), expected, "{jobs:?}");
        };
        check(Jobs::Idle, 0, 1);
        check(Jobs::Idle, 1, 1);
        check(Jobs::Idle, 37, 37);
        check(Jobs::Idle, 61, 60);
        check(Jobs::Idle, i64::MAX, 60);
        check(Jobs::Pending, 2, 2);
        check(Jobs::Pending, 37, 3);
        check(Jobs::Started, 37, 1);
    }
}
