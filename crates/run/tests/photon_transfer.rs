//! Photon transfer of real Seestar frames: the gain of the camera's profile.

use zemosaic_fits::{FilePool, unpack_packed};
use zemosaic_frames::transfer::{TransferPoint, transfer_points};
use zemosaic_frames::{IngestOptions, NoiseOrigin, discover, ingest};
use zemosaic_run::noise_model::photon_transfer;
use zemosaic_testkit::real_data;

/// ADU of variance per ADU of signal, from the frames' own description.
const VARIANCE_PER_ADU: f64 = 14.1;

#[test]
fn seestar_frames_have_the_gain_of_their_profile() {
    let folder = tempfile::tempdir().unwrap();
    for set in ["seestar_m94", "seestar_ngc7023"] {
        let Some(data) = real_data(set) else { return };
        for file in std::fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path()) {
            if file.extension().is_some_and(|ending| ending == "gz") {
                let name = file.file_stem().unwrap();
                unpack_packed(&file, &folder.path().join(name)).unwrap();
                std::fs::copy(file.with_extension("").with_extension("wcs"), {
                    folder.path().join(name).with_extension("wcs")
                })
                .unwrap();
            }
        }
    }
    let files = discover(&[folder.path().to_path_buf()], &[]).unwrap();
    let ingested = ingest(&files, &IngestOptions::default(), &|_| {});
    assert_eq!(ingested.frames.len(), 5, "{:?}", ingested.left_out);
    let pool = FilePool::new(4);
    let mut all: Vec<TransferPoint> = Vec::new();
    for frame in &ingested.frames {
        assert!(matches!(frame.noise_model.origin, NoiseOrigin::Profile(_)));
        let profile = frame.noise_model.gain_e_per_adu.unwrap();
        assert!((1.0 / profile / VARIANCE_PER_ADU - 1.0).abs() < 0.02);
        let points = transfer_points(&pool, frame).unwrap();
        eprintln!("{}: {} points, {:?}", frame.id, points.len(), photon_transfer(&points));
        all.extend(points);
    }
    let found = photon_transfer(&all).unwrap();
    eprintln!("together: {} points, {found:?}, {:.2} ADU per ADU", all.len(), 1.0 / found.gain_e_per_adu);
    assert!((1.0 / found.gain_e_per_adu / VARIANCE_PER_ADU - 1.0).abs() < 0.15, "{found:?}");
    assert!((found.zero_variance_adu - 433.0).abs() < 80.0, "{found:?}");
}
