//! `zemosaic overlaps`: which frames share sky, from their headers alone.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use zemosaic_coadd::CoaddError;
use zemosaic_frames::{Frame, IngestOptions, LeftOut, Reason};
use zemosaic_gauge::{GraphOptions, Overlap, OverlapGraph, overlap_graph};
use zemosaic_sky::Footprint;

use crate::error::RunError;
use crate::events::{Reporter, Stage};
use crate::output::refuse_input_files;
use crate::products::frames_csv::quote;
use crate::products::staged::StagedFiles;
use crate::scan::{no_usable, scan_frames};

/// Square arcminutes in a steradian.
const ARCMIN2_PER_SR: f64 = (180.0 * 60.0 / std::f64::consts::PI) * (180.0 * 60.0 / std::f64::consts::PI);

/// What is asked.
#[derive(Debug, Clone, Default)]
pub struct OverlapsRequest {
    /// Files and folders.
    pub inputs: Vec<PathBuf>,
    /// Reading of the inputs.
    pub ingest: IngestOptions,
    /// What becomes part of the graph.
    pub options: GraphOptions,
    /// Worker threads; `None`: all cores.
    pub threads: Option<usize>,
}

impl OverlapsRequest {
    /// The table must not take the place of an input, nor of the file with the WCS.
    ///
    /// # Errors
    /// [`RunError::Usage`]; inputs that cannot be listed.
    pub fn refuse_output(&self, path: &Path) -> Result<(), RunError> {
        let files = self.inputs.iter().chain(&self.ingest.wcs.wcs_from);
        refuse_input_files(&files.cloned().collect::<Vec<_>>(), path)
    }
}

/// The overlaps of all frames that have a WCS.
#[derive(Debug)]
pub struct OverlapsReport {
    /// Names of the frames, in frame order.
    pub frames: Vec<String>,
    /// The graph of these.
    pub graph: OverlapGraph,
    /// What is no frame, cannot be read, or has no place on the sky.
    pub left_out: Vec<LeftOut>,
}

/// The overlaps of the frames of `request`.
///
/// # Errors
/// As [`scan_frames`]; a share that is none; no frame with a place on the sky.
pub fn overlaps_of(request: &OverlapsRequest, reporter: &Reporter) -> Result<OverlapsReport, RunError> {
    let share = request.options.min_share;
    if !(0.0..=1.0).contains(&share) {
        return Err(RunError::Usage(format!("--min-share {share}: from 0 to 1")));
    }
    let threads = rayon::ThreadPoolBuilder::new()
        .num_threads(request.threads.unwrap_or(0))
        .build()
        .map_err(|error| CoaddError::Threads(error.to_string()))?;
    threads.install(|| found(request, reporter))
}

fn found(request: &OverlapsRequest, reporter: &Reporter) -> Result<OverlapsReport, RunError> {
    let scan = scan_frames(&request.inputs, &[], &request.ingest, reporter)?;
    let (files, mut left_out) = (scan.files, scan.left_out);
    let (frames, footprints) = outlines(scan.frames, &mut left_out);
    if frames.is_empty() {
        return Err(no_usable(files, &left_out));
    }
    let graph =
        reporter.stage(Stage::Plan, 1, || Ok::<_, RunError>(overlap_graph(&footprints, &request.options)))?;
    Ok(OverlapsReport { frames, graph, left_out })
}

/// Names and outlines of the frames that have one.
fn outlines(frames: Vec<Frame>, left_out: &mut Vec<LeftOut>) -> (Vec<String>, Vec<Footprint>) {
    let (mut names, mut footprints) = (Vec::new(), Vec::new());
    for frame in frames {
        match Footprint::of(&frame.wcs, frame.width, frame.height) {
            Ok(footprint) => {
                footprints.push(footprint);
                names.push(frame.id);
            }
            Err(error) => {
                let reason = Reason::BadWcs(error.code(), error.to_string());
                left_out.push(LeftOut { id: frame.id, path: frame.path, reason });
            }
        }
    }
    left_out.sort_by(|a, b| (&a.id, &a.path).cmp(&(&b.id, &b.path)));
    (names, footprints)
}

/// Common area of a pair, square arcminutes.
pub fn area_arcmin2(edge: &Overlap) -> f64 {
    edge.area_sr * ARCMIN2_PER_SR
}

impl OverlapsReport {
    /// One line per pair, as CSV.
    pub fn csv(&self) -> String {
        let mut csv = "frame_a,frame_b,share,area_arcmin2,bridge,part\n".to_owned();
        for edge in &self.graph.edges {
            // Writing to a String cannot fail.
            let _ = writeln!(
                csv,
                "{},{},{:.6},{:.6},{},{}",
                quote(&self.frames[edge.a]),
                quote(&self.frames[edge.b]),
                edge.share,
                area_arcmin2(edge),
                u8::from(edge.is_bridge),
                self.graph.part[edge.a] + 1
            );
        }
        csv
    }

    /// Write [`Self::csv`] to `path`, which gets its name when it is complete.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_csv(&self, path: &Path) -> Result<(), RunError> {
        let mut staged = StagedFiles::default();
        staged.add(path, self.csv().as_bytes())?;
        staged.publish()
    }
}
