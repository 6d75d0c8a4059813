//! `zemosaic demo`: simulate raw frames of the real sky, make their mosaic, compare it with the truth.

use std::path::{Path, PathBuf};

use serde_json::json;
use zemosaic_fits::{FilePool, FitsError, HduKind, ReadScratch, Window, read_window, scan};
use zemosaic_gauge::{MatchMethod, MatchOptions};
use zemosaic_run::options::Existing;
use zemosaic_run::units::show_seconds;
use zemosaic_run::watchdog::WatchdogOptions;
use zemosaic_run::{ExitCode, InputKind, MosaicOptions, MosaicRequest, RunCommand, TileKeeping};
use zemosaic_testkit::depth::{DepthComparison, compare_depth};
use zemosaic_testkit::{
    CompareOptions, SimulateOptions, StarComparison, TanFrame, Truth, compare_stars, load_truth,
};

use crate::command_args::DemoArgs;
use crate::progress::Display;
use crate::{commands, say};

/// What must hold for the demo to succeed.
const MAX_FLUX_BIAS: f64 = 0.01;
const MAX_POSITION_RMS_PX: f64 = 0.05;
/// Pixels this close to a footprint's edge are not compared.
const EDGE_PX: f64 = 2.0;
const CHANNELS: [&str; 3] = ["red", "green", "blue"];

/// Run it.
pub fn run(args: &DemoArgs) -> u8 {
    match demo(&args.output) {
        Ok(true) => ExitCode::Ok as u8,
        Ok(false) => {
            say::failure(
                "E-DEMO",
                "the mosaic is farther from the truth than it should be; see the figures above",
            );
            ExitCode::Internal as u8
        }
        Err(message) => {
            say::failure("E-DEMO", &message);
            ExitCode::InputOutput as u8
        }
    }
}

fn demo(out: &Path) -> Result<bool, String> {
    let sim = out.join("sim");
    // The simulator refuses a folder in use; an earlier demo's frames are ours to remove.
    if sim.join("truth.json").is_file() {
        std::fs::remove_dir_all(&sim).map_err(|error| format!("cannot remove {}: {error}", sim.display()))?;
    }
    let options = SimulateOptions::demo();
    let start = std::time::Instant::now();
    eprintln!("simulating {} raw frames of {}", options.frames, options.object);
    commands::simulate::with_progress(&options, &sim).map_err(|error| error.to_string())?;
    let simulated_s = start.elapsed().as_secs_f64();
    let mosaic = make_mosaic(&sim, &out.join("mosaic"))?;
    let mosaicked_s = start.elapsed().as_secs_f64() - simulated_s;
    let truth = load_truth(&sim).map_err(|error| error.to_string())?;
    let product = Product::load(&mosaic).map_err(|error| error.to_string())?;
    let stars = product.compare_stars(&truth);
    let depth = product.compare_depth(&truth);
    outln!("frames    {}", sim.join("frames").display());
    outln!("truth     {}", sim.join("truth.json").display());
    outln!("mosaic    {}", mosaic.display());
    outln!("preview   {}", mosaic.with_file_name("mosaic_preview.png").display());
    outln!("time      simulate {}, mosaic {}", show_seconds(simulated_s), show_seconds(mosaicked_s));
    for (name, comparison) in CHANNELS.iter().zip(&stars) {
        outln!(
            "{name:9} {} stars: flux bias {:+.3} %, scatter {:.2} %, position rms {:.4} px (mean {:+.4}, {:+.4})",
            comparison.n,
            comparison.flux_bias_median * 100.0,
            comparison.flux_scatter * 100.0,
            comparison.position_rms_px,
            comparison.mean_dx,
            comparison.mean_dy
        );
    }
    outln!("depth     {} of {} pixels equal the count of footprints", depth.equal, depth.compared);
    write_report(out, &stars, depth)?;
    let flux_holds = stars.iter().all(|s| s.n > 0 && s.flux_bias_median.abs() < MAX_FLUX_BIAS);
    let position_holds = stars.iter().all(|s| s.position_rms_px < MAX_POSITION_RMS_PX);
    Ok(flux_holds && position_holds && depth.compared > 0 && depth.equal == depth.compared)
}

fn make_mosaic(sim: &Path, out: &Path) -> Result<PathBuf, String> {
    let request = MosaicRequest {
        run_command: RunCommand::Mosaic,
        input_kind: InputKind::Frames,
        tile_keeping: TileKeeping::Keep,
        inputs: vec![sim.join("frames")],
        out: out.to_path_buf(),
        // The frames of the demo have neither gains nor offsets: its figures are of the engine alone.
        options: MosaicOptions {
            matching: MatchOptions { method: MatchMethod::None, ..MatchOptions::default() },
            ..MosaicOptions::default()
        },
        memory_bytes: None,
        threads: None,
        spill: None,
        excluded: Vec::new(),
        watchdog: WatchdogOptions::default(),
        compress: None,
        existing: Existing::Replace,
        command: format!("zemosaic mosaic {} -o {}", sim.join("frames").display(), out.display()),
        given: Vec::new(),
    };
    let outcome =
        commands::mosaic::execute(&request, Display::Bars).map_err(|error| format!("no mosaic: {error}"))?;
    outcome.mosaics.into_iter().next().ok_or_else(|| "no mosaic was made".to_owned())
}

/// The planes of a mosaic that are compared.
struct Product {
    grid: TanFrame,
    planes: Vec<Vec<f32>>,
    depth: Vec<i32>,
}

impl Product {
    fn load(path: &Path) -> Result<Self, FitsError> {
        let file = scan(path)?;
        let pool = FilePool::new(1);
        let mut scratch = ReadScratch::default();
        let bad = |what: String| FitsError::Unsupported { path: path.to_path_buf(), what };
        let grid = TanFrame::from_header(&file.hdus[0].header).map_err(|error| bad(error.to_string()))?;
        let mut plane_of = |hdu: usize, plane: usize| -> Result<Vec<f32>, FitsError> {
            let HduKind::Image(layout) = &file.hdus[hdu].kind else {
                return Err(bad(format!("HDU {hdu} is no image")));
            };
            let mut out = vec![0.0; layout.width() * layout.height()];
            read_window(&pool, path, layout, plane, Window::full(layout), &mut scratch, &mut out)?;
            Ok(out)
        };
        let planes = (0..3).map(|channel| plane_of(0, channel)).collect::<Result<_, _>>()?;
        let depth = plane_of(3, 0)?.into_iter().map(|value| value as i32).collect();
        Ok(Self { grid, planes, depth })
    }

    fn compare_stars(&self, truth: &Truth) -> Vec<StarComparison> {
        let predicted: Vec<(f64, f64)> = truth
            .stars
            .iter()
            .map(|star| self.grid.sky_to_pixel(star.ra_deg, star.dec_deg).unwrap_or((f64::NAN, f64::NAN)))
            .collect();
        let fwhms: Vec<f64> = truth.file.frames.iter().map(|frame| frame.fwhm_px).collect();
        let options = CompareOptions {
            psf_fwhm_px: Some(fwhms.iter().sum::<f64>() / fwhms.len().max(1) as f64),
            saturation_adu: truth.file.options.saturation_adu * 0.8,
            ..CompareOptions::default()
        };
        self.planes
            .iter()
            .enumerate()
            .map(|(channel, plane)| {
                let flux: Vec<f64> = truth.stars.iter().map(|star| star.flux_adu[channel]).collect();
                compare_stars(plane, self.grid.width_px, self.grid.height_px, &predicted, &flux, &options)
            })
            .collect()
    }

    fn compare_depth(&self, truth: &Truth) -> DepthComparison {
        let frames: Vec<TanFrame> = truth.file.frames.iter().map(zemosaic_testkit::FrameTruth::tan).collect();
        compare_depth(&self.depth, &self.grid, &frames, EDGE_PX)
    }
}

fn write_report(out: &Path, stars: &[StarComparison], depth: DepthComparison) -> Result<(), String> {
    let channels: Vec<_> = CHANNELS
        .iter()
        .zip(stars)
        .map(|(name, s)| {
            json!({
                "channel": name,
                "stars": s.n,
                "flux_bias_median": s.flux_bias_median,
                "flux_scatter": s.flux_scatter,
                "position_rms_px": s.position_rms_px,
            })
        })
        .collect();
    let path = out.join("comparison.json");
    let text = format!("{:#}\n", json!({"channels": channels, "depth": depth}));
    std::fs::write(&path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}
