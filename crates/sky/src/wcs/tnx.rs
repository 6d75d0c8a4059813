//! IRAF's TNX and ZPX: correction surfaces on the projection plane, kept in WAT strings.
//!
//! Source: the TNX and ZPX conventions of the FITS registry. `lngcor` and `latcor` hold: type (1 Chebyshev, 2 Legendre,
//! 3 polynomial), orders in xi and eta, cross terms (0 none, 1 full, 2 half), the ranges of xi and eta in degrees, and the
//! coefficients. The corrections, in degrees, are added to (xi, eta) before the projection.

use zemosaic_fits::Header;

use super::axes::CelestialAxes;
use super::polynomial::Polynomial;
use super::root::Jet;
use crate::error::WcsError;

/// Characters of a string card; IRAF breaks its strings there, and readers lose trailing blanks.
const CARD_TEXT: usize = 68;
const MAX_ORDER: f64 = 10.0;

/// One correction surface.
#[derive(Debug, Clone, PartialEq)]
struct Surface {
    polynomial: Polynomial,
    /// Factor and offset that bring xi and eta to the variables of the polynomial.
    norm: [(f64, f64); 2],
    /// The numbers of the string.
    numbers: Vec<f64>,
}

impl Surface {
    fn new(numbers: Vec<f64>) -> Option<Self> {
        let head: [f64; 8] = numbers.get(..8)?.try_into().ok()?;
        let order = |v: f64| ((1.0..=MAX_ORDER).contains(&v) && v.fract() == 0.0).then_some(v as usize);
        let kind = (1..=3).find(|k| f64::from(*k) == head[0])?;
        let (nx, ny) = (order(head[1])?, order(head[2])?);
        let terms = terms(nx, ny, head[3])?;
        let values = numbers.get(8..).filter(|v| v.len() == terms.len())?;
        let scale = |low: f64, high: f64| (2.0 / (high - low), -(high + low) / (high - low));
        let norm = match kind {
            3 => [(1.0, 0.0); 2],
            _ => [scale(head[4], head[5]), scale(head[6], head[7])],
        };
        if !norm.iter().all(|(a, b)| a.is_finite() && b.is_finite()) {
            return None;
        }
        let mut polynomial = Polynomial::zero(nx + ny - 2);
        for ((m, n), value) in terms.into_iter().zip(values) {
            for (p, a) in basis(kind, m).into_iter().enumerate() {
                for (q, b) in basis(kind, n).into_iter().enumerate() {
                    polynomial.add(p, q, value * a * b);
                }
            }
        }
        Some(Self { polynomial, norm, numbers })
    }

    #[inline]
    fn value_and_slopes(&self, x: f64, y: f64) -> (f64, f64, f64) {
        let [(ax, bx), (ay, by)] = self.norm;
        let (f, f_x, f_y) = self.polynomial.value_and_slopes(ax * x + bx, ay * y + by);
        (f, f_x * ax, f_y * ay)
    }
}

/// Degrees (in xi, in eta) of the coefficients in their order; `None` for an unknown kind of cross terms.
fn terms(nx: usize, ny: usize, cross: f64) -> Option<Vec<(usize, usize)>> {
    let all = (0..ny).flat_map(|n| (0..nx).map(move |m| (m, n)));
    let kind = (0..=2).find(|k| f64::from(*k) == cross)?;
    Some(match kind {
        0 => all.filter(|(m, n)| *m == 0 || *n == 0).collect(),
        1 => all.collect(),
        _ => all.filter(|(m, n)| m + n < nx.max(ny)).collect(),
    })
}

/// Coefficients of the n-th basis function in powers of its variable.
fn basis(kind: i32, n: usize) -> Vec<f64> {
    let unit = |k: usize| {
        let mut v = vec![0.0; k + 1];
        v[k] = 1.0;
        v
    };
    if kind == 3 || n < 2 {
        return unit(n);
    }
    let (mut before, mut last) = (unit(0), unit(1));
    for k in 1..n {
        let i = k as f64;
        // Chebyshev: T(k+1) = 2 x T(k) - T(k-1); Legendre: (k+1) P(k+1) = (2k+1) x P(k) - k P(k-1).
        let (a, b) = if kind == 1 { (2.0, 1.0) } else { ((2.0 * i + 1.0) / (i + 1.0), i / (i + 1.0)) };
        let mut next = vec![0.0; k + 2];
        for (p, c) in last.iter().enumerate() {
            next[p + 1] += a * c;
        }
        for (p, c) in before.iter().enumerate() {
            next[p] -= b * c;
        }
        (before, last) = (last, next);
    }
    last
}

/// The corrections of TNX and ZPX.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tnx {
    lon: Option<Surface>,
    lat: Option<Surface>,
    /// Coefficients of ZPN (ZPX only).
    projp: Vec<(usize, f64)>,
}

impl Tnx {
    /// Reads the WAT strings of the two axes.
    pub(super) fn read(header: &Header, axes: &CelestialAxes) -> Result<Self, WcsError> {
        let (lon, lat) = (attributes(header, axes.lon), attributes(header, axes.lat));
        let projp = lon
            .iter()
            .filter_map(|(k, v)| Some((k.strip_prefix("projp")?.parse().ok()?, v.trim().parse().ok()?)))
            .collect();
        Ok(Self { lon: surface(&lon, "lngcor")?, lat: surface(&lat, "latcor")?, projp })
    }

    /// Parameter of the ZPN projection below ZPX.
    pub(super) fn projp(&self, j: usize) -> Option<f64> {
        self.projp.iter().find(|(k, _)| *k == j).map(|(_, v)| *v)
    }

    /// Corrected position and its derivatives, degrees.
    #[inline]
    pub(super) fn jet(&self, x: f64, y: f64) -> Jet {
        let at = |s: &Option<Surface>| s.as_ref().map_or((0.0, 0.0, 0.0), |s| s.value_and_slopes(x, y));
        let (f, f_x, f_y) = at(&self.lon);
        let (g, g_x, g_y) = at(&self.lat);
        (x + f, y + g, 1.0 + f_x, f_y, g_x, 1.0 + g_y)
    }

    /// Writes the WAT strings.
    pub(super) fn write_to(&self, header: &mut Header, code: &str) {
        let wtype = code.to_ascii_lowercase();
        let projp: Vec<String> = self.projp.iter().map(|(j, v)| format!(" projp{j}={v:e}")).collect();
        let projp = projp.concat();
        header.set_str("WAT0_001", "system=image", "IRAF coordinate system");
        for (i, surface, axtype, name) in [(1, &self.lon, "ra", "lngcor"), (2, &self.lat, "dec", "latcor")] {
            let mut text = format!("wtype={wtype} axtype={axtype}{projp}");
            if let Some(surface) = surface {
                let numbers: Vec<String> = surface.numbers.iter().map(|v| format!("{v:e}")).collect();
                text = format!("{text} {name} = \"{} \"", numbers.join(" "));
            }
            for (n, part) in text.as_bytes().chunks(CARD_TEXT).enumerate() {
                header.set_str(&format!("WAT{i}_{:03}", n + 1), &String::from_utf8_lossy(part), "");
            }
        }
    }
}

fn surface(attributes: &[(String, String)], name: &str) -> Result<Option<Surface>, WcsError> {
    let Some((_, text)) = attributes.iter().find(|(k, _)| k == name) else { return Ok(None) };
    let numbers: Option<Vec<f64>> = text.split_whitespace().map(|t| t.parse().ok()).collect();
    numbers.and_then(Surface::new).map(Some).ok_or_else(|| WcsError::Distortion {
        reason: format!("{name} of the WAT cards is not a correction surface: '{text}'"),
    })
}

/// `key=value` pairs of the WAT string of an axis; values may be quoted.
fn attributes(header: &Header, axis: usize) -> Vec<(String, String)> {
    let mut text = String::new();
    for n in 1..=999 {
        let Some(part) = header.get_str(&format!("WAT{axis}_{n:03}")) else { break };
        text.push_str(&part);
        text.extend(std::iter::repeat_n(' ', CARD_TEXT.saturating_sub(part.len())));
    }
    let mut found = Vec::new();
    let mut rest = text.as_str();
    while let Some((head, tail)) = rest.split_once('=') {
        let key = head.split_whitespace().last().unwrap_or_default().to_ascii_lowercase();
        let tail = tail.trim_start();
        let (value, after) = match tail.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => tail.split_once(char::is_whitespace).unwrap_or((tail, "")),
        };
        found.push((key, value.to_string()));
        rest = after;
    }
    found
}
