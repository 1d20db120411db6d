//! The characters that a line is drawn with: a set for each kind of font.

/// A set of characters.
#[derive(Debug, PartialEq, Eq)]
pub struct Glyphs {
    /// As one types it.
    pub name: &'static str,
    /// For `{icon}`, and for `--icon auto`.
    pub icon: &'static str,
    /// The parts of a bar in the line: one column each.
    pub full: &'static str,
    pub empty: &'static str,
    /// The same on a page.
    pub page_bar: [&'static str; 2],
    /// What stands between windows, if `--separator` does not say.
    pub separator: &'static str,
    /// What stands around the age of old numbers.
    pub stale: [&'static str; 2],
    /// The same where there is no room for an age.
    pub stale_short: &'static str,
}

/// For any font that knows more than letters; the default.
pub const UNICODE: Glyphs = Glyphs {
    name: "unicode",
    icon: "⌬",
    full: "█",
    empty: "░",
    page_bar: ["━", "─"],
    separator: " · ",
    stale: [" (", ")"],
    stale_short: "*",
};

/// For the patched fonts of nerdfonts.com. Only characters that their versions 2 and 3 both have.
pub const NERD: Glyphs = Glyphs {
    name: "nerd",
    // A dashboard's needle, a clock.
    icon: "\u{f0e4}",
    full: "▰",
    empty: "▱",
    page_bar: ["━", "─"],
    separator: " \u{e0b1} ",
    stale: [" \u{f017} ", ""],
    stale_short: " \u{f017}",
};

/// For clients and fonts that know letters only.
pub const ASCII: Glyphs = Glyphs {
    name: "ascii",
    icon: "codex",
    full: "=",
    empty: "-",
    page_bar: ["=", "-"],
    separator: " | ",
    stale: [" (", ")"],
    stale_short: "*",
};

/// Every set.
pub const SETS: [&Glyphs; 3] = [&UNICODE, &NERD, &ASCII];

impl Glyphs {
    /// A bar of `width` columns that is `share` percent full.
    pub fn bar(&self, share: f64, width: usize) -> String {
        let filled = self.filled(share, width);
        self.full.repeat(filled) + &self.empty.repeat(width - filled)
    }

    /// How many columns of such a bar are full, to the nearest one: none at 0 only, and all at 100
    /// only.
    pub fn filled(&self, share: f64, width: usize) -> usize {
        let exact = share.clamp(0.0, 100.0) / 100.0 * width as f64;
        match exact.round() as usize {
            0 if share > 0.0 && width > 1 => 1,
            filled if filled == width && share < 100.0 && width > 1 => width - 1,
            filled => filled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::text::width;

    #[test]
    fn a_bar_is_as_wide_as_it_says() {
        for glyphs in SETS {
            for used in [0.0, 0.2, 50.0, 99.9, 100.0] {
                assert_eq!(width(&glyphs.bar(used, 8)), 8, "{} {used}", glyphs.name);
            }
        }
        assert_eq!(ASCII.bar(50.0, 4), "==--");
    }

    #[test]
    fn ascii_is_ascii() {
        let Glyphs { name, icon, full, empty, page_bar, separator, stale, stale_short } = ASCII;
        let all = [
            page_bar[0],
            page_bar[1],
            name,
            icon,
            full,
            empty,
            separator,
            stale[0],
            stale[1],
            stale_short,
        ]
        .concat();
        assert!(all.is_ascii() && !all.contains(['#', '%', '&', '<']), "{all}");
    }
}
