//! The stage: previews, the gauge, what it says set in the sources.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use zemosaic_coadd::{CoaddError, MemoryBudget, Source, Tile};
use zemosaic_fits::FilePool;
use zemosaic_frames::{IngestOptions, InputFile, LeftOut, Reason, ingest};
use zemosaic_gauge::{
    BlockGrid, CertificateJob, FrameGauge, Gauge, GaugeError, MatchJob, MatchMethod, NormalizeMethod, Pair,
    PixelNoise, Preview, choose_pairs, match_frames, normalize, seam_certificate,
};

use super::log::MatchLog;
use super::previews::{Measuring, blocks_of, keep_good, keep_sources, threads_within};
use super::tell::{W_SEAMS, log_metrics, log_samples, note_odd_gains, warnings_of};
use crate::error::RunError;
use crate::events::{Reporter, Stage, Warning};
use crate::match_room::{channels_within, on_threads};
use crate::options::{MosaicOptions, MosaicRequest};
use crate::plan::{Placed, PlannedRun, place_sources};
use crate::prepare::prepare;
use crate::products::gauge::{GaugeFacts, MatchSources, Subject, UntoldFacts};
use crate::scan::{no_usable, tell_left_out};
use crate::stack::place_of_figures;

/// Set gain, offset and surface of the frames `placed` as the options want it; frames that cannot be used are left out.
///
/// # Errors
/// Too little memory, a reference frame that is none, no frame left, cancelled.
pub(crate) fn gauge_frames(
    request: &MosaicRequest,
    planned: &mut PlannedRun,
    placed: &mut Placed,
    pool: &FilePool,
    reporter: &Reporter,
    cancel: &AtomicBool,
) -> Result<(), RunError> {
    let left_out = gauge_sources((request, Subject::Frames), planned, placed, pool, reporter, cancel)?;
    planned.layout.left_out.extend(left_out);
    planned.layout.left_out.sort_by(|a, b| (&a.id, &a.path).cmp(&(&b.id, &b.path)));
    if placed.sources.is_empty() {
        return Err(no_usable(planned.layout.left_out.len(), &planned.layout.left_out));
    }
    Ok(())
}

/// Set the gauge of `placed`, which are what `subject` says; returns those that have none and are no longer in it.
fn gauge_sources(
    (request, subject): (&MosaicRequest, Subject),
    planned: &mut PlannedRun,
    placed: &mut Placed,
    pool: &FilePool,
    reporter: &Reporter,
    cancel: &AtomicBool,
) -> Result<Vec<LeftOut>, RunError> {
    let options = &request.options;
    let mut left_out = Vec::new();
    if options.matching.method == MatchMethod::None && options.normalize.method == NormalizeMethod::None {
        return Ok(left_out);
    }
    let total = placed.sources.len() as u64;
    let facts = reporter.stage(Stage::Gauge, total, || {
        let blocks = blocks_of(&placed.sources, options);
        let threads = threads_within(planned.budget, &placed.sources, blocks)?;
        let workers = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(|error| CoaddError::Threads(error.to_string()))?;
        let measuring = Measuring {
            grid: &planned.layout.grid.wcs,
            blocks,
            with_stars: options.matching.method.has_gain(),
            pool,
            reporter,
            cancel,
        };
        let found = workers.install(|| measuring.all(&placed.sources))?;
        let previews = keep_good(placed, found, &mut left_out);
        workers.install(|| {
            if options.matching.method == MatchMethod::None {
                relative_to_one(placed, &previews, blocks, options, &mut left_out, reporter)
            } else {
                matched((placed, subject), &previews, blocks, (options, planned.budget), reporter)
            }
        })
    });
    if subject == Subject::Frames {
        for item in &left_out {
            tell_left_out(reporter, item);
        }
    }
    let facts = facts?;
    let mut warnings = warnings_of(&facts, place_of_figures(request));
    if subject == Subject::Frames && options.match_tiles.is_some() {
        // What is wrong with seams is told of those of the tiles.
        warnings.retain(|warning| warning.code != W_SEAMS);
    }
    for warning in &warnings {
        reporter.warn(warning);
    }
    planned.warnings.extend(warnings);
    placed.set_weights(request.options.coadd.weights);
    placed.gauge = Some(facts);
    Ok(left_out)
}

/// Index of the frame that an option names: by id, by file name, or by number.
fn index_of(option: &str, name: Option<&str>, sources: &[Source]) -> Result<Option<usize>, RunError> {
    let Some(name) = name else { return Ok(None) };
    let position = |is: &dyn Fn(&str) -> bool| sources.iter().position(|source| is(&source.frame.id));
    position(&|id| id == name)
        .or_else(|| position(&|id| id.rsplit('/').next() == Some(name)))
        .or_else(|| name.parse().ok().filter(|number| *number < sources.len()))
        .map(Some)
        .ok_or_else(|| {
            let last = sources.len().saturating_sub(1);
            RunError::Usage(format!(
                "{option} {name}: no used frame has this name, nor this number from 0 to {last}"
            ))
        })
}

fn ids_of(sources: &[Source]) -> Vec<String> {
    sources.iter().map(|source| source.frame.id.clone()).collect()
}

/// The gauge against one reference frame.
fn relative_to_one(
    placed: &mut Placed,
    previews: &[Preview],
    blocks: BlockGrid,
    options: &MosaicOptions,
    left_out: &mut Vec<LeftOut>,
    reporter: &Reporter,
) -> Result<GaugeFacts, RunError> {
    let options = &options.normalize;
    let reference = index_of("--normalize-reference", options.reference.as_deref(), &placed.sources)?;
    let noise = |index: usize| -> Vec<f64> {
        let scale = placed.sources[index].frame.flux_scale;
        placed.measured[index].noise.sigma_adu.iter().map(|sigma| sigma * scale).collect()
    };
    let sigma: Vec<Vec<f64>> = (0..previews.len()).map(noise).collect();
    let ids = ids_of(&placed.sources);
    let found = normalize(previews, &sigma, reference, options).map_err(|error| match error {
        GaugeError::Reference(index) => RunError::Usage(format!(
            "the reference frame {} has no block of sky that lies wholly inside it (zero_valid_support); name another \
             with --normalize-reference",
            ids[index]
        )),
        GaugeError::NothingScaled(index) => RunError::Usage(format!(
            "no frame could be scaled to {}: none has valid pixels in common with it; name another with \
             --normalize-reference",
            ids[index]
        )),
    })?;
    set_gauges(placed, &found);
    for record in &found.scaling {
        reporter.log(record.line(blocks.block_px));
    }
    let facts = GaugeFacts::of_normalize(&found, options.method, blocks.block_px, &ids);
    let mut reasons = vec![None; previews.len()];
    for item in found.left_out {
        reasons[item.frame] = Some(Reason::Normalize(item.code, item.message));
    }
    keep_sources(placed, reasons, left_out);
    Ok(facts)
}

/// The gauge of all at once.
fn matched(
    (placed, subject): (&mut Placed, Subject),
    previews: &[Preview],
    blocks: BlockGrid,
    (options, budget): (&MosaicOptions, MemoryBudget),
    reporter: &Reporter,
) -> Result<GaugeFacts, RunError> {
    let matching = &options.matching;
    let reference = index_of("--match-reference", matching.reference.as_deref(), &placed.sources)?;
    let pairs = choose_pairs(previews, matching);
    let channels_at_once = channels_within(budget, &placed.sources, (previews, &pairs), matching)?;
    let job = MatchJob { previews, blocks, pairs: &pairs, reference, channels_at_once };
    let longest = |preview: &Preview| preview.region.width.max(preview.region.height);
    let log = MatchLog::new(reporter, previews.iter().map(longest).max().unwrap_or(0));
    let working = reporter.working(format!("gauge: pairs and solve of {} sources", previews.len()));
    let mut found = on_threads(pairs.len(), || log.with_heartbeat(|| match_frames(&job, matching, &log)))?;
    drop((working, pairs));
    log_samples(reporter, &found);
    let ids = ids_of(&placed.sources);
    for untold in &found.undetermined {
        reporter.log(format!("gauge: not determined: {}", UntoldFacts::of(untold, &ids).in_words()));
    }
    let _working = reporter.working("gauge: certificate of the seams");
    set_gauges(placed, &found);
    placed.set_weights(options.coadd.weights);
    let noise: Vec<PixelNoise> = placed.sources.iter().map(pixel_noise).collect();
    let before = vec![FrameGauge::default(); previews.len()];
    let pairs: Vec<Pair> =
        found.pairs.iter().map(|pair| Pair { a: pair.a, b: pair.b, blocks: pair.blocks }).collect();
    let after = &found.frames;
    let job = CertificateJob { previews, blocks, before: &before, after, pairs: &pairs, noise: &noise };
    let certificate = log.with_heartbeat(|| seam_certificate(&job, &log));
    log_metrics(reporter, &certificate);
    note_odd_gains(&mut found);
    found.certificate = Some(certificate);
    let sources = MatchSources { subject, ids, numbers: (1..=previews.len()).collect() };
    Ok(GaugeFacts::of_match(&found, matching.method, blocks.block_px, &sources))
}

fn set_gauges(placed: &mut Placed, found: &Gauge) {
    for (source, frame) in placed.sources.iter_mut().zip(&found.frames) {
        source.set_gauge(frame);
    }
}

/// What the certificate needs of a source.
fn pixel_noise(source: &Source) -> PixelNoise {
    PixelNoise { sigma: source.noise_variance.map(f64::sqrt), weight: source.weight }
}

/// Set the gauge of master tiles that are added up as they are, in the order of `files`; what the products say of it. A tile that
/// cannot be compared is added as it is, and `W-TILE` says so: it is none of those left out.
///
/// # Errors
/// As [`gauge_frames`], but that no tile needs a gauge.
pub(crate) fn match_tiles(
    request: &MosaicRequest,
    planned: &mut PlannedRun,
    tiles: &mut [Tile],
    files: &[InputFile],
    (spill, pool): (&Path, &FilePool),
    reporter: &Reporter,
    cancel: &AtomicBool,
) -> Result<Option<GaugeFacts>, RunError> {
    let options = &request.options;
    if options.matching.method == MatchMethod::None {
        return Ok(None);
    }
    let found = ingest(files, &IngestOptions::default(), &|_| reporter.beat());
    let prepared = prepare(found.frames, &options.coadd, planned.budget, spill, pool, reporter, cancel)?;
    let mut placed = place_sources(prepared.frames, &planned.layout, options)?;
    let mut without = [found.left_out, prepared.left_out, std::mem::take(&mut placed.left_out)].concat();
    without.extend(gauge_sources((request, Subject::Tiles), planned, &mut placed, pool, reporter, cancel)?);
    let source_of = |file: &InputFile| placed.sources.iter().position(|own| own.frame.path == file.path);
    for file in files.iter().filter(|file| source_of(file).is_none()) {
        let warning = added_as_it_is(file, &without);
        reporter.warn(&warning);
        planned.warnings.push(warning);
    }
    if placed.sources.is_empty() {
        return Ok(None);
    }
    let numbers = (1..).zip(files).filter(|(_, file)| source_of(file).is_some()).map(|(number, _)| number);
    let numbers: Vec<usize> = numbers.collect();
    if let Some(gauge) = &mut placed.gauge {
        gauge.set_numbers(numbers);
    }
    for source in &placed.sources {
        let own = tiles.iter_mut().find(|tile| tile.path == source.frame.path);
        if let Some(tile) = own {
            tile.gauge = source.gauge();
        }
    }
    Ok(placed.gauge)
}

/// What is said of a tile that has no gauge, with the reason where it is known.
fn added_as_it_is(file: &InputFile, without: &[LeftOut]) -> Warning {
    let known = without.iter().find(|item| item.path == file.path);
    let why = known.map(|item| format!(" ({})", item.reason.message())).unwrap_or_default();
    let message = format!("{}: it cannot be compared with the others{why} and is added as it is", file.id);
    Warning { code: "W-TILE", message }
}

#[cfg(test)]
mod tests {
    use zemosaic_frames::Given;

    use super::*;

    #[test]
    fn a_tile_without_gauge_is_told_with_its_reason() {
        let file = |id: &str| InputFile {
            id: id.into(),
            path: format!("/tiles/{id}").into(),
            named: true,
            given: Given::default(),
        };
        let without = [LeftOut {
            id: "b.fits".into(),
            path: "/tiles/b.fits".into(),
            reason: Reason::Normalize("zero_valid_support", "no block of sky".into()),
        }];
        let known = added_as_it_is(&file("b.fits"), &without);
        assert_eq!(
            (known.code, known.message.as_str()),
            (
                "W-TILE",
                "b.fits: it cannot be compared with the others (no block of sky) and is added as it is"
            )
        );
        let message = added_as_it_is(&file("a.fits"), &without).message;
        assert_eq!(message, "a.fits: it cannot be compared with the others and is added as it is");
    }
}
