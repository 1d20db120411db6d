//! `--ttl`: for how long what was printed reads the same, so that a shell can keep it.
//!
//! What a line shows depends only on the cache entry and the time. So its future is rendered. That
//! is right for every template and host. Nothing that is shown goes back: countdowns fall, ages
//! grow, what is marked old stays so. A text that has changed never comes back, and a few looks
//! find the second at which it does: bisection takes a dozen for an hour.

/// The longest time, in seconds, for a text without any time in it that nobody is to fetch: a shell
/// then sees, for instance, what was changed in the config file.
const LONGEST: i64 = 3600;
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
/// `is_same`: whether it still reads the same after so many seconds, and no job is due. Once it
/// does not, it never does again.
pub(super) fn seconds(jobs: Jobs, is_same: impl Fn(i64) -> bool) -> i64 {
    let longest = match jobs {
        Jobs::Idle => LONGEST,
        Jobs::Pending => PENDING,
        Jobs::Started => STARTED,
    };
    // It is the same after `same` seconds, and not after `changed`, or nobody looks as far.
    let (mut same, mut changed) = (0, longest);
    while same + 1 < changed {
        let middle = i64::midpoint(same, changed);
        if is_same(middle) {
            same = middle;
        } else {
            changed = middle;
        }
    }
    changed
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
        check(Jobs::Idle, 61, 61);
        check(Jobs::Idle, 3599, 3599);
        check(Jobs::Idle, 3601, 3600);
        check(Jobs::Idle, i64::MAX, 3600);
        (1..3600).for_each(|changes_after| check(Jobs::Idle, changes_after, changes_after));
        check(Jobs::Pending, 2, 2);
        check(Jobs::Pending, 37, 3);
        check(Jobs::Started, 37, 1);
    }

    #[test]
    fn few_looks_find_the_change() {
        for changes_after in [1, 60, 120, 900, i64::MAX] {
            let looks = std::cell::Cell::new(0);
            seconds(Jobs::Idle, |second| {
                looks.set(looks.get() + 1);
                second < changes_after
            });
            assert!(looks.get() <= 12, "{} looks for {changes_after}", looks.get());
        }
    }
}
