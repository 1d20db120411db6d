//! Pictures of bars: counting and comparing pixels, and keeping them as PNG.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Red, green, blue.
pub type Colour = [u8; 3];

/// What was on a screen.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    pub width: usize,
    pub height: usize,
    /// Row by row.
    pub pixels: Vec<Colour>,
}

impl Picture {
    /// Decodes binary PPM with 8 bits a channel, as `grim -t ppm` and `import ppm:-` write it.
    /// `None` when it is something else.
    pub fn from_ppm(bytes: &[u8]) -> Option<Self> {
        let mut words = Vec::new();
        let mut at = 0;
        while words.len() < 4 {
            let start = at + bytes[at..].iter().position(|b| !b.is_ascii_whitespace())?;
            if bytes[start] == b'#' {
                at = start + bytes[start..].iter().position(|b| *b == b'\n')?;
                continue;
            }
            at = start + bytes[start..].iter().position(u8::is_ascii_whitespace)?;
            words.push(std::str::from_utf8(&bytes[start..at]).ok()?);
        }
        let (width, height) = (words[1].parse().ok()?, words[2].parse().ok()?);
        let pixels: Vec<Colour> = bytes[at + 1..].as_chunks::<3>().0.to_vec();
        let whole = words[0] == "P6" && words[3] == "255" && pixels.len() == width * height;
        whole.then_some(Self { width, height, pixels })
    }

    /// The part that begins at `left`, `top`.
    pub fn part(&self, left: usize, top: usize, width: usize, height: usize) -> Self {
        let rows = self.pixels.chunks(self.width).skip(top).take(height);
        Self {
            width,
            height,
            pixels: rows.flat_map(|row| row[left..left + width].iter().copied()).collect(),
        }
    }

    /// All pixels, row by row.
    pub fn pixels(&self) -> &[Colour] {
        &self.pixels
    }

    /// How many pixels have this colour, or almost. Half-transparent edges do not count.
    pub fn count(&self, colour: Colour) -> usize {
        self.pixels.iter().filter(|pixel| are_alike(**pixel, colour)).count()
    }

    /// Whether anything is drawn at all: there are two different colours.
    pub fn is_blank(&self) -> bool {
        self.pixels.iter().all(|pixel| *pixel == self.pixels[0])
    }

    /// The contrast of a text with what is behind it, as WCAG 2 defines it: the commonest colour is
    /// the background, the one that differs from it most is the text.
    pub fn contrast(&self) -> f64 {
        let luminance = |colour: Colour| {
            let part = |value: u8| {
                let value = f64::from(value) / 255.0;
                if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * part(colour[0]) + 0.7152 * part(colour[1]) + 0.0722 * part(colour[2])
        };
        let ratio = |one: Colour, other: Colour| {
            let (one, other) = (luminance(one), luminance(other));
            (one.max(other) + 0.05) / (one.min(other) + 0.05)
        };
        let background = self.commonest();
        self.pixels.iter().map(|colour| ratio(*colour, background)).fold(1.0, f64::max)
    }

    /// The smallest part that has all pixels of this colour. `None` when there are none.
    pub fn around(&self, colour: Colour) -> Option<Self> {
        let found = self.pixels.iter().enumerate().filter(|(_, pixel)| **pixel == colour);
        let places: Vec<_> = found.map(|(at, _)| (at % self.width, at / self.width)).collect();
        let (left, right) = (places.iter().map(|p| p.0).min()?, places.iter().map(|p| p.0).max()?);
        let (top, bottom) = (places.first()?.1, places.last()?.1);
        Some(self.part(left, top, right - left + 1, bottom - top + 1))
    }

    /// What is drawn, from left to right: the parts with at least `gap` columns of nothing but the
    /// commonest colour between them.
    pub fn apart(&self, gap: usize) -> Vec<Self> {
        let nothing = self.commonest();
        let is_drawn = |x: &usize| {
            self.pixels.iter().skip(*x).step_by(self.width).any(|pixel| !are_alike(*pixel, nothing))
        };
        let mut parts: Vec<(usize, usize)> = Vec::new();
        for x in (0..self.width).filter(is_drawn) {
            match parts.last_mut() {
                Some((_, last)) if x - *last <= gap => *last = x,
                _ => parts.push((x, x)),
            }
        }
        let part =
            |(first, last): (usize, usize)| self.part(first, 0, last - first + 1, self.height);
        parts.into_iter().map(part).collect()
    }

    /// The colour of most pixels: what is behind the text.
    fn commonest(&self) -> Colour {
        let mut counts = std::collections::BTreeMap::<Colour, usize>::new();
        self.pixels.iter().for_each(|pixel| *counts.entry(*pixel).or_default() += 1);
        *counts.iter().max_by_key(|(_, count)| **count).expect("pixels").0
    }

    /// Writes the picture as PNG, as small as it gets.
    pub fn write(&self, path: &Path) {
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).expect("a directory for the picture");
        }
        let mut convert = Command::new("convert")
            .args(["ppm:-", "-strip", "-define", "png:compression-level=9"])
            .arg(path)
            .stdin(Stdio::piped())
            .spawn()
            .expect("convert is installed");
        let mut ppm = format!("P6\n{} {}\n255\n", self.width, self.height).into_bytes();
        ppm.extend(self.pixels.iter().flatten());
        let mut input = convert.stdin.take().expect("piped");
        input.write_all(&ppm).expect("convert reads");
        drop(input);
        assert!(convert.wait().expect("convert").success());
    }
}

/// Whether two colours differ by 8 at most in each channel.
fn are_alike(one: Colour, other: Colour) -> bool {
    one.iter().zip(other).all(|(one, other)| one.abs_diff(other) <= 8)
}

impl std::fmt::Debug for Picture {
    /// The colours and how often each occurs, for the message of a failed comparison.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut colours = std::collections::BTreeMap::<Colour, usize>::new();
        for pixel in &self.pixels {
            *colours.entry(*pixel).or_default() += 1;
        }
        let mut colours: Vec<_> = colours.into_iter().collect();
        colours.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        write!(formatter, "{} × {} pixels:", self.width, self.height)?;
        for ([red, green, blue], count) in colours.iter().take(6) {
            write!(formatter, " {count} of #{red:02x}{green:02x}{blue:02x}")?;
        }
        Ok(())
    }
}
