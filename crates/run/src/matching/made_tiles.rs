//! Master tiles that a run made of matched frames are matched to one another before they are added up: where ZeMosaic matches
//! its tiles, after each was equalised.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use zemosaic_fits::FilePool;
use zemosaic_frames::IngestOptions;
use zemosaic_gauge::{FrameGauge, MatchOptions};

use super::stage::match_tiles;
use crate::classic::MadeTiles;
use crate::error::RunError;
use crate::events::{Reporter, Warning};
use crate::existing::tile_inputs;
use crate::options::{MosaicOptions, MosaicRequest};
use crate::plan::PlannedRun;
use crate::products::facts::Facts;

/// Tiles below which there is nothing to match.
const FEWEST: usize = 2;

/// Set the gauge of the tiles that were made, where that was asked for; `facts` gets it in place of that of the frames, which
/// stays beside it. A tile that cannot be compared is added as it is, and `W-TILE` says so, as where there are none to compare.
///
/// # Errors
/// As [`match_tiles`].
pub(crate) fn match_made_tiles(
    request: &MosaicRequest,
    planned: &mut PlannedRun,
    (made, facts): (&mut MadeTiles, &mut Facts),
    place: (&Path, &FilePool),
    reporter: &Reporter,
    cancel: &AtomicBool,
) -> Result<(), RunError> {
    let Some(method) = request.options.match_tiles else { return Ok(()) };
    if made.tiles.len() < FEWEST {
        let message = format!(
            "--match-tiles has nothing to match: master tiles made: {}; the seams are not certified anew",
            made.tiles.len()
        );
        let warning = Warning { code: "W-TILE", message };
        reporter.warn(&warning);
        planned.warnings.push(warning);
        return Ok(());
    }
    let paths: Vec<PathBuf> = made.tiles.iter().map(|tile| tile.path.clone()).collect();
    let files = tile_inputs(&paths, &[], &IngestOptions::default(), reporter)?;
    // What the other options ask for was done to the frames.
    let matching = MatchOptions { method, reference: None, ..request.options.matching.clone() };
    let options = MosaicOptions { matching, ..MosaicOptions::default() };
    let own = MosaicRequest { options, ..request.clone() };
    let found = match_tiles(&own, planned, &mut made.tiles, &files, place, reporter, cancel)?;
    let Some(mut gauge) = found else { return Ok(()) };
    // The order of files need not be that of the tiles, and a tile without data was not made.
    let numbers = facts.tiles.iter().filter(|record| record.missing.is_none()).map(|record| record.number);
    let numbered: Vec<(usize, &PathBuf)> = numbers.zip(&paths).collect();
    gauge.renumber(|position| {
        let file = &files[position - 1];
        numbered.iter().find(|(_, path)| **path == file.path).map_or(0, |(number, _)| *number)
    });
    let gauges = made.tiles.iter().map(|tile| tile.gauge);
    let applied: Vec<(usize, FrameGauge)> = numbered.iter().map(|(number, _)| *number).zip(gauges).collect();
    gauge.note_tiles(&mut facts.tiles, &applied, facts.channels);
    facts.frame_gauge = facts.gauge.replace(gauge);
    Ok(())
}
