//! Catalogues: cones against brute force, proper motion against astropy, extracts of Gaia and their faults.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::OnceLock;
use zemosaic_sky::{angle_rad, unit_vector};
use zemosaic_stars::catalogue::motion::moved;
use zemosaic_stars::{Catalogue, CatalogueError, ReferenceStar, ReferenceStars};

fn tycho() -> &'static Catalogue {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(|| Catalogue::embedded().unwrap())
}

fn separation_arcsec(a: (f64, f64), b: (f64, f64)) -> f64 {
    angle_rad(&unit_vector(a.0, a.1), &unit_vector(b.0, b.1)).to_degrees() * 3600.0
}

const CONES: [(f64, f64, f64); 7] = [
    (0.05, 10.0, 0.7),
    (359.95, -60.2, 1.3),
    (123.0, 89.4, 1.0),
    (50.0, -89.99, 0.8),
    (200.0, 0.0, 2.0),
    (0.0, 90.0, 0.5),
    (269.45, 4.7658, 0.15),
];

fn check_cones(catalogue: &Catalogue, year: f64) {
    let dated = catalogue.at(year);
    let all = dated.cone((0.0, 0.0), 180.0, usize::MAX);
    assert_eq!(all.len(), catalogue.len());
    assert!(all.is_sorted_by(|a, b| (a.mag, a.id) < (b.mag, b.id)));
    for (ra, dec, radius) in CONES {
        let near =
            |s: &&ReferenceStar| separation_arcsec((s.ra_deg, s.dec_deg), (ra, dec)) <= radius * 3600.0;
        let brute: Vec<ReferenceStar> = all.iter().filter(near).copied().collect();
        assert!(!brute.is_empty(), "{ra} {dec}");
        assert_eq!(dated.cone((ra, dec), radius, usize::MAX), brute, "{ra} {dec} {radius} {year}");
        assert_eq!(dated.cone((ra, dec), radius, 3), brute[..brute.len().min(3)]);
        assert_eq!(dated.cone((ra - 360.0, dec), radius, usize::MAX).len(), brute.len());
        assert!(dated.cone((ra, dec), radius, 0).is_empty());
    }
}

#[test]
fn cones_of_tycho_equal_brute_force_after_motion() {
    for year in [2000.0, 2025.25, 2060.0] {
        check_cones(tycho(), year);
    }
    assert_eq!((tycho().name().as_str(), tycho().len()), ("Tycho-2", 2_557_501));
}

#[test]
fn barnards_star_is_where_astropy_puts_it() {
    // By the motion of Hipparcos; that of Tycho-2 is 0.05 arcsec per year less.
    let stars = tycho().at(2025.25).cone((269.44645462, 4.76580442), 0.01, 10);
    let near =
        |s: &&ReferenceStar| separation_arcsec((s.ra_deg, s.dec_deg), (269.44645462, 4.76580442)) < 2.0;
    let star = stars.iter().find(near).unwrap();
    assert!((star.mag - 9.6).abs() < 0.6, "{star:?}");
}

#[test]
fn motion_is_that_of_astropy() {
    // SkyCoord.apply_space_motion over 25.25 years.
    for (from, pm, to) in [
        ((269.4520752, 4.6933642), [-798.58, 10328.12], (269.44645462064284, 4.765804424687294)),
        ((40.0, 89.9998), [1500.0, -2500.0], (70.67784257475945, 89.97937942118848)),
        ((200.0, -60.0), [-3775.0, 765.0], (199.94705374199265, -59.99462378087801)),
    ] {
        let off = separation_arcsec(moved(from, pm, 25.25), to);
        assert!(off < 1e-3, "{from:?}: {off}");
    }
    assert_eq!(moved((10.0, 20.0), [0.0, 0.0], 100.0), (10.0, 20.0));
}

#[test]
fn uncertainty_grows_with_magnitude_and_years() {
    let sigma = |mag: f64, year: f64| {
        let stars = tycho().at(year).cone((192.8, 41.1), 8.0, usize::MAX);
        let like = |s: &&ReferenceStar| (s.mag - mag).abs() < 0.3;
        let mut all: Vec<f64> = stars.iter().filter(like).map(|s| s.sigma_arcsec).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    // sqrt(s(mag)^2 + (0.0025 * 33.75)^2 + 0.01^2).
    assert!((sigma(8.0, 1991.25) - 0.0122).abs() < 0.002);
    assert!((sigma(11.0, 1991.25) - 0.06).abs() < 0.01);
    assert!((sigma(11.0, 2025.0) - 0.104).abs() < 0.01);
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

#[test]
fn an_extract_of_gaia_is_read() {
    let text = "SOURCE_ID,Dec,RA,phot_g_mean_mag,pmdec,pmra,ref_epoch,ra_error,dec_error,pmra_error,pmdec_error\n\
                1,4.7397,269.4485,8.2,10362.4,-801.6,2016.0,0.03,0.03,0.03,0.03\n\
                2,-10.5,359.9999,12.5,,,,,,,\n\
                3,11,1,,1,1,2016,,,,\n\
                4,89.9999,12.0,15.25,null,null,2016.0,0.3,0.4,,\n";
    let folder = Folder::new();
    let plain = folder.file("gaia.csv", text.as_bytes());
    let packed = folder.0.path().join("gaia.csv.gz");
    let mut gz =
        flate2::write::GzEncoder::new(std::fs::File::create(&packed).unwrap(), flate2::Compression::fast());
    gz.write_all(text.as_bytes()).unwrap();
    gz.finish().unwrap();
    for path in [plain, packed] {
        let catalogue = Catalogue::open(&path).unwrap();
        assert_eq!(catalogue.len(), 3);
        assert!(catalogue.name().starts_with("gaia.csv"));
        let dated = catalogue.at(2026.0);
        let barnard = dated.cone((269.4485, 4.7397), 0.1, 10)[0];
        assert!((barnard.dec_deg - (4.7397 + 103.624 / 3600.0)).abs() < 1e-6, "{barnard:?}");
        assert!((barnard.sigma_arcsec - 0.0003).abs() < 2e-5, "{barnard:?}");
        // No motion known: 10 years of 20 mas/yr.
        let still = dated.cone((0.0, -10.5), 0.01, 10)[0];
        assert_eq!((still.id, still.ra_deg), (1, 359.9999));
        assert!((still.sigma_arcsec - 0.2).abs() < 1e-3);
        assert_eq!(dated.cone((200.0, 90.0), 0.01, 10)[0].id, 3);
    }
}

#[test]
fn a_large_extract_has_the_cones_of_brute_force() {
    let mut text = "ra,dec,phot_g_mean_mag,pmra,pmdec\n".to_owned();
    let stars = tycho().at(2016.0).cone((0.0, 0.0), 180.0, 60_000);
    for star in &stars {
        writeln!(text, "{},{},{},{},{}", star.ra_deg, star.dec_deg, star.mag, 3000, -4000).unwrap();
    }
    for (ra, dec, _) in CONES {
        writeln!(text, "{ra},{dec},14,,").unwrap();
    }
    let folder = Folder::new();
    let catalogue = Catalogue::open(&folder.file("many.csv", text.as_bytes())).unwrap();
    for year in [2016.0, 1950.0] {
        check_cones(&catalogue, year);
    }
}

#[test]
fn faults_of_an_extract_name_line_and_column() {
    let folder = Folder::new();
    let fault =
        |text: &str| Catalogue::open(&folder.file("bad.csv", text.as_bytes())).unwrap_err().to_string();
    let head = "ra,dec,phot_g_mean_mag\n1,2,3\n";
    for (text, parts) in [
        (format!("{head}1,x,3\n"), vec!["bad.csv", "line 3", "column dec", "not a number"]),
        (format!("{head}400,2,3\n"), vec!["line 3", "column ra", "400"]),
        (format!("{head}1,,3\n"), vec!["line 3", "column dec", "no value"]),
        (format!("{head}NaN,2,3\n"), vec!["line 3", "column ra"]),
        (format!("{head}1,2\n"), vec!["line: 3", "bad.csv"]),
        ("ra,dec\n1,2\n".to_owned(), vec!["no column phot_g_mean_mag"]),
        ("ra,dec,phot_g_mean_mag\n".to_owned(), vec!["no star"]),
        (String::new(), vec!["no column ra"]),
    ] {
        let said = fault(&text);
        assert!(parts.iter().all(|part| said.contains(part)), "{text:?}: {said}");
    }
}

#[test]
fn files_of_other_programs_are_refused_with_advice() {
    let folder = Folder::new();
    let index = folder.file("index-4107.fits", format!("SIMPLE  = {:>20}", "T").as_bytes());
    let astap = folder.file("d50_0101.1476", &[1, 2, 0, 3]);
    for path in [index, astap, folder.0.path().to_path_buf()] {
        let error = Catalogue::open(&path).unwrap_err();
        assert!(matches!(error, CatalogueError::Format { .. }));
        let said = error.to_string();
        assert!(said.contains("Gaia") && said.contains("seiza") && said.contains("ASTAP"), "{said}");
    }
    let missing = Catalogue::open(&folder.0.path().join("none.csv")).unwrap_err();
    assert!(matches!(missing, CatalogueError::Io { .. }));
    let damaged = folder.file("stars.bin", b"SEIZA and no more");
    assert!(matches!(Catalogue::open(&damaged), Err(CatalogueError::Io { .. })));
}
