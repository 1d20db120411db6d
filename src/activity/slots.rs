//! When something happened, to a quarter of an hour: what days of any time zone are put together from.

use super::line::Tokens;

/// The length of a [`Slot`] in seconds. Every time zone of today is a multiple of it away from UTC, so days
/// can be put together from slots for any zone without reading a file again.
pub const SLOT_SECONDS: i64 = 900;

/// What happened in a quarter of an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    /// Quarters of an hour since 1970-01-01T00:00:00Z.
    pub quarter: u32,
    pub turns: u32,
    pub tokens: Tokens,
}

/// The slots of a file, in order of time, without empty ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slots(pub Vec<Slot>);

impl Slots {
    /// The slot of a time in unix milliseconds; `None` for times that a slot cannot have.
    pub fn at(&mut self, time: i64) -> Option<&mut Slot> {
        let quarter = u32::try_from(time.div_euclid(1000).div_euclid(SLOT_SECONDS)).ok()?;
        // Lines come in order but for a few: the place is at or near the end.
        let place = self.0.iter().rposition(|slot| slot.quarter <= quarter).map_or(0, |last| last + 1);
        if place == 0 || self.0[place - 1].quarter != quarter {
            self.0.insert(place, Slot { quarter, ..Slot::default() });
            return self.0.get_mut(place);
        }
        self.0.get_mut(place - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_in_order_whatever_the_lines_are() {
        let mut slots = Slots::default();
        for minutes in [30, 0, 45, 31, 14, 15] {
            slots.at(minutes * 60_000).unwrap().turns += 1;
        }
        let found: Vec<_> = slots.0.iter().map(|slot| (slot.quarter, slot.turns)).collect();
        assert_eq!(found, [(0, 2), (1, 1), (2, 2), (3, 1)]);
        assert!(slots.at(-1).is_none() && slots.at(i64::MAX).is_none());
    }
}
