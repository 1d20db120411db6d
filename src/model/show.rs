//! Whether a share of a limit is told as what is left or as what is used, and how it is written.

/// What `--show` chooses: it turns the number, the word behind it and the bar together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// What is left, as Codex itself tells it.
    Left,
    /// What has been used.
    Used,
}

impl Show {
    /// The word behind the number, which is also the value of `--show`.
    pub const fn word(self) -> &'static str {
        match self {
            Show::Left => "left",
            Show::Used => "used",
        }
    }

    /// The share to tell of a limit of which `used` percent are used; 0 to 100.
    pub fn share(self, used: f64) -> f64 {
        let used = used.clamp(0.0, 100.0);
        match self {
            Show::Left => 100.0 - used,
            Show::Used => used,
        }
    }

    /// The number: `58%`. Whole, and rounded as Codex rounds what is left.
    ///
    /// While anything is left it is neither `0%` left nor `100%` used, but `<1%` and `99%`.
    pub fn percent(self, used: f64) -> String {
        let share = self.share(used);
        // From 0 to 100, so nothing is lost. To write an integer takes far less than a float.
        match share.round_ties_even() as u8 {
            0 if share > 0.0 => "<1%".into(),
            100 if self == Show::Used && share < 100.0 => "99%".into(),
            whole => format!("{whole}%"),
        }
    }

    /// The number and the word: `58% left`.
    pub fn amount(self, used: f64) -> String {
        format!("{} {}", self.percent(used), self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_do_not_lie_at_the_ends() {
        for (used, left, as_used) in [
            (0.0, "100% left", "0% used"),
            (0.2, "100% left", "<1% used"),
            (42.0, "58% left", "42% used"),
            (42.4, "58% left", "42% used"),
            (99.4, "1% left", "99% used"),
            (99.7, "<1% left", "99% used"),
            (100.0, "0% left", "100% used"),
            (120.0, "0% left", "100% used"),
        ] {
            assert_eq!(Show::Left.amount(used), left, "{used}");
            assert_eq!(Show::Used.amount(used), as_used, "{used}");
        }
    }
}
