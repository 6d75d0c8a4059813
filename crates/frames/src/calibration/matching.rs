//! Which masters fit a frame.
//!
//! Must agree where both sides say it: size (as stored, or without overscan), planes, binning, pattern, camera; for bias and
//! dark gain and offset setting; for darks exposure and temperature within the tolerances (with dark scaling any exposure);
//! for flats the filter. What a header does not say fits everything. Among several the one with fewest unknowns, then the
//! nearest temperature, the nearest exposure, the first.

use crate::calibration::facts::ImageFacts;
use crate::calibration::files::CalibrationKind;
use crate::calibration::options::{CalibrationOptions, DarkScaling};

/// A master as far as matching knows it.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// What it is used as.
    pub kind: CalibrationKind,
    /// What its headers say; the size is that of its pixels.
    pub facts: &'a ImageFacts,
}

/// A master that is used, and its pixel under pixel (0, 0) of the frame.
pub type Fit = (usize, (usize, usize));

/// What the user should know of the choice for a frame.
#[derive(Debug, Clone, PartialEq)]
pub enum Remark {
    /// Masters of this kind were given and none fits; why.
    NoFit(CalibrationKind, String),
    /// The camera subtracted the dark itself: the darks that were given are not used.
    OnBoard,
    /// By its header this step was done before: it is not done again.
    Done(CalibrationKind),
    /// A flat acts on values whose level without light is not known.
    NoZero,
}

/// The masters for a frame, by their index among the candidates.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Choice {
    /// Subtracted with these factors.
    pub subtract: Vec<(Fit, f64)>,
    /// A bias of which only the level is subtracted.
    pub level: Option<Fit>,
    /// Level without light that stays.
    pub pedestal_adu: f64,
    /// Divided by.
    pub flat: Option<Fit>,
    /// Maps of bad pixels.
    pub bad_pixels: Vec<Fit>,
    /// What the user should know.
    pub remarks: Vec<Remark>,
}

/// Whether the level of pixels without light is known to be gone already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZeroLevel {
    /// An overscan is subtracted.
    Overscan,
    /// Not known.
    Unknown,
}

/// Chooses the masters of `frame`. `pedestal_adu` is what the frame's header says.
pub fn choose(
    frame: &ImageFacts,
    candidates: &[Candidate<'_>],
    options: &CalibrationOptions,
    zero: ZeroLevel,
    pedestal_adu: Option<f64>,
) -> Choice {
    let given = |kind| candidates.iter().any(|candidate| candidate.kind == kind);
    let mut choice = Choice::default();
    let done = frame.applied;
    if done.on_board {
        if given(CalibrationKind::Dark) {
            choice.remarks.push(Remark::OnBoard);
        }
        if given(CalibrationKind::Bias) {
            choice.level =
                choice.noted(CalibrationKind::Bias, best(CalibrationKind::Bias, frame, candidates, options));
        }
    } else {
        choice.choose_subtracted(frame, candidates, options);
    }
    if given(CalibrationKind::Flat) {
        if done.flat {
            choice.remarks.push(Remark::Done(CalibrationKind::Flat));
        } else {
            choice.flat =
                choice.noted(CalibrationKind::Flat, best(CalibrationKind::Flat, frame, candidates, options));
        }
    }
    if choice.subtract.is_empty() && choice.level.is_none() && choice.flat.is_some() {
        let pedestal = options.pedestal_adu.or(pedestal_adu);
        choice.pedestal_adu = pedestal.unwrap_or(0.0);
        let gone = zero == ZeroLevel::Overscan || (done.bias && !done.on_board);
        if pedestal.is_none() && !gone {
            choice.remarks.push(Remark::NoZero);
        }
    }
    if given(CalibrationKind::BadPixels) {
        choice.choose_bad_pixels(frame, candidates, options);
    }
    choice
}

impl Choice {
    fn noted(&mut self, kind: CalibrationKind, found: Result<Fit, String>) -> Option<Fit> {
        match found {
            Ok(fit) => Some(fit),
            Err(why) => {
                self.remarks.push(Remark::NoFit(kind, why));
                None
            }
        }
    }

    /// Bias and dark. With D the dark without its bias, the frame loses b bias + t D: of the dark t, of the bias what is
    /// left of it.
    fn choose_subtracted(
        &mut self,
        frame: &ImageFacts,
        candidates: &[Candidate<'_>],
        options: &CalibrationOptions,
    ) {
        let given = |kind| candidates.iter().any(|candidate| candidate.kind == kind);
        let done = frame.applied;
        let bias_given = given(CalibrationKind::Bias);
        let bias = bias_given.then(|| best(CalibrationKind::Bias, frame, candidates, options));
        let known_bias = bias.as_ref().and_then(|found| found.as_ref().ok()).copied();
        // Without a bias there is nothing to scale a dark above.
        let strict = CalibrationOptions { dark_scaling: DarkScaling::Off, ..options.clone() };
        let options = if known_bias.is_some() { options } else { &strict };
        let mut dark = None;
        if given(CalibrationKind::Dark) {
            if done.dark {
                self.remarks.push(Remark::Done(CalibrationKind::Dark));
            } else {
                dark = self
                    .noted(CalibrationKind::Dark, best(CalibrationKind::Dark, frame, candidates, options));
            }
        }
        let of_frame = if done.bias { 0.0 } else { 1.0 };
        let mut of_bias = of_frame;
        if let Some(fit) = dark {
            let facts = candidates[fit.0].facts;
            let factor = scale_of(frame, facts, options);
            of_bias -= if facts.applied.bias { 0.0 } else { factor };
            self.subtract.push((fit, factor));
        }
        if of_bias == 0.0 {
            if dark.is_none() && bias_given && done.bias {
                self.remarks.push(Remark::Done(CalibrationKind::Bias));
            }
            return;
        }
        if let Some(fit) = bias.and_then(|found| self.noted(CalibrationKind::Bias, found)) {
            // First the bias, then the dark current.
            self.subtract.insert(0, (fit, of_bias));
        }
    }

    fn choose_bad_pixels(
        &mut self,
        frame: &ImageFacts,
        candidates: &[Candidate<'_>],
        options: &CalibrationOptions,
    ) {
        let kind = CalibrationKind::BadPixels;
        for (index, candidate) in candidates.iter().enumerate().filter(|(_, other)| other.kind == kind) {
            if let Ok((offset, _)) = fit_of(kind, frame, candidate.facts, options) {
                self.bad_pixels.push((index, offset));
            }
        }
        if self.bad_pixels.is_empty() {
            let _ = self.noted(kind, best(kind, frame, candidates, options));
        }
    }
}

/// What the dark current of a dark is multiplied with for a frame.
fn scale_of(frame: &ImageFacts, dark: &ImageFacts, options: &CalibrationOptions) -> f64 {
    match (options.dark_scaling, frame.exposure_s, dark.exposure_s) {
        (DarkScaling::Exposure, Some(own), Some(other))
            if other > 0.0 && !within(own, other, options.exposure_tolerance) =>
        {
            own / other
        }
        _ => 1.0,
    }
}

fn within(own: f64, other: f64, share: f64) -> bool {
    (own - other).abs() <= share * own.max(other)
}

/// How well a master fits: what is not known, then distances. Less is better.
type Distance = (u32, f64, f64);

/// The best of the candidates of `kind`.
///
/// # Errors
/// Why none fits.
fn best(
    kind: CalibrationKind,
    frame: &ImageFacts,
    candidates: &[Candidate<'_>],
    options: &CalibrationOptions,
) -> Result<Fit, String> {
    let mut found: Option<(Fit, Distance)> = None;
    let mut misfits: Vec<(String, usize)> = Vec::new();
    for (index, candidate) in candidates.iter().enumerate().filter(|(_, other)| other.kind == kind) {
        match fit_of(kind, frame, candidate.facts, options) {
            Ok((offset, distance)) => {
                let nearer = found.is_none_or(|(_, other)| is_less(distance, other));
                if nearer {
                    found = Some(((index, offset), distance));
                }
            }
            Err(why) => match misfits.iter_mut().find(|(text, _)| *text == why) {
                Some((_, count)) => *count += 1,
                None => misfits.push((why, 1)),
            },
        }
    }
    found.map(|(fit, _)| fit).ok_or_else(|| {
        let parts: Vec<String> =
            misfits.into_iter().map(|(why, count)| format!("{count} with {why}")).collect();
        parts.join(", ")
    })
}

fn is_less(a: Distance, b: Distance) -> bool {
    a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.total_cmp(&b.2)).is_lt()
}

/// What two sides say of one thing.
enum Agreement {
    Same,
    Unknown,
    Differs(String),
}

fn compare<T>(
    own: Option<&T>,
    other: Option<&T>,
    same: impl Fn(&T, &T) -> bool,
    show: impl Fn(&T) -> String,
) -> Agreement {
    match (own, other) {
        (Some(own), Some(other)) if same(own, other) => Agreement::Same,
        (Some(own), Some(other)) => Agreement::Differs(format!("{} instead of {}", show(other), show(own))),
        _ => Agreement::Unknown,
    }
}

/// The master's pixel under the frame's pixel (0, 0).
fn offset_of(frame: &ImageFacts, master: &ImageFacts) -> Result<(usize, usize), String> {
    let (origin, trimmed) = frame.trimmed_px;
    let offset = if master.stored_px == frame.stored_px {
        origin
    } else if master.stored_px == trimmed {
        (0, 0)
    } else {
        let ((w, h), (own_w, own_h)) = (master.stored_px, frame.stored_px);
        return Err(format!("{w} x {h} pixels instead of {own_w} x {own_h}"));
    };
    if master.planes != 1 && master.planes != frame.planes {
        return Err(format!("{} planes instead of {}", master.planes, frame.planes));
    }
    Ok(offset)
}

/// Where the frame lies on the master and how well it fits.
fn fit_of(
    kind: CalibrationKind,
    frame: &ImageFacts,
    master: &ImageFacts,
    options: &CalibrationOptions,
) -> Result<((usize, usize), Distance), String> {
    let origin = frame.trimmed_px.0;
    let offset = offset_of(frame, master)?;
    let (own, other) = (&frame.setup, &master.setup);
    // Patterns of one place: that of pixel (0, 0) of the trimmed frame.
    let shifted = |facts: &ImageFacts, by: (usize, usize)| {
        facts.pattern.map(|pattern| pattern.shifted(by.0 as i64, by.1 as i64))
    };
    let (own_pattern, other_pattern) = (shifted(frame, origin), shifted(master, offset));
    let exact = |a: &f64, b: &f64| (a - b).abs() <= 1e-3 * a.abs().max(1.0);
    let number = |what: &'static str| move |value: &f64| format!("{what} {value}");
    let mut rules = vec![
        compare(
            own.binning.as_ref(),
            other.binning.as_ref(),
            |a, b| a == b,
            |(x, y)| format!("binning {x}x{y}"),
        ),
        compare(
            own_pattern.as_ref(),
            other_pattern.as_ref(),
            |a, b| a == b,
            |p| format!("pattern {}", p.name()),
        ),
        compare(
            own.camera.as_ref(),
            other.camera.as_ref(),
            |a, b| same_name(a, b),
            |name| format!("camera {name}"),
        ),
    ];
    let tolerance = options.temperature_tolerance_deg;
    match kind {
        CalibrationKind::Bias | CalibrationKind::Dark => {
            rules.push(compare(own.gain.as_ref(), other.gain.as_ref(), exact, number("gain")));
            rules.push(compare(own.offset.as_ref(), other.offset.as_ref(), exact, number("offset")));
        }
        CalibrationKind::Flat => {
            let same = |a: &String, b: &String| same_name(a, b);
            rules.push(compare(frame.filter.as_ref(), master.filter.as_ref(), same, |name| {
                format!("filter {name}")
            }));
        }
        CalibrationKind::BadPixels => {}
    }
    if kind == CalibrationKind::Dark {
        let near = |a: &f64, b: &f64| (a - b).abs() <= tolerance;
        let celsius = |value: &f64| format!("{value} degrees");
        rules.push(compare(own.temperature_c.as_ref(), other.temperature_c.as_ref(), near, celsius));
        let scaling = options.dark_scaling == DarkScaling::Exposure;
        let near = |a: &f64, b: &f64| scaling || within(*a, *b, options.exposure_tolerance);
        let seconds = |value: &f64| format!("{value} s");
        rules.push(compare(frame.exposure_s.as_ref(), master.exposure_s.as_ref(), near, seconds));
    }
    let (mut unknown, mut differences) = (0, Vec::new());
    for rule in rules {
        match rule {
            Agreement::Same => {}
            Agreement::Unknown => unknown += 1,
            Agreement::Differs(what) => differences.push(what),
        }
    }
    if !differences.is_empty() {
        return Err(differences.join(" and "));
    }
    Ok((offset, (unknown, temperature_distance(frame, master), exposure_distance(kind, frame, master))))
}

fn temperature_distance(frame: &ImageFacts, master: &ImageFacts) -> f64 {
    match (frame.setup.temperature_c, master.setup.temperature_c) {
        (Some(own), Some(other)) => (own - other).abs(),
        _ => 0.0,
    }
}

fn exposure_distance(kind: CalibrationKind, frame: &ImageFacts, master: &ImageFacts) -> f64 {
    match (kind, frame.exposure_s, master.exposure_s) {
        (CalibrationKind::Dark, Some(own), Some(other)) if own > 0.0 && other > 0.0 => {
            (own / other).ln().abs()
        }
        _ => 0.0,
    }
}

/// Whether two names mean one thing: letters and digits are equal, or one name is the beginning or end of the other.
fn same_name(a: &str, b: &str) -> bool {
    let plain = |name: &str| -> String {
        name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let (a, b) = (plain(a), plain(b));
    let part =
        |whole: &str, part: &str| part.len() >= 4 && (whole.starts_with(part) || whole.ends_with(part));
    a == b || part(&a, &b) || part(&b, &a)
}
