//! Room for a match: whether what it takes is within the memory budget, and how many threads it may then have.

use zemosaic_coadd::{CoaddError, MemoryBudget, Source};
use zemosaic_gauge::{MatchBytes, MatchMethod, MatchOptions, Pair, Preview};

use crate::error::RunError;
use crate::units::show_size;

/// What the program takes besides.
const PROGRAM_BYTES: u64 = 24 << 20;
/// With fewer pairs threads are not worth it.
const FEW_PAIRS: usize = 4;

/// Threads for the match of `sources`, whose `previews` are held, over `pairs`: those of the pool this is called on; one where
/// there is little to do, or where only one channel at a time fits the budget.
///
/// # Errors
/// [`RunError::Resource`] when not even that does.
pub(crate) fn match_threads(
    budget: MemoryBudget,
    sources: &[Source],
    (previews, pairs): (&[Preview], &[Pair]),
    options: &MatchOptions,
) -> Result<usize, RunError> {
    let held = PROGRAM_BYTES
        + sources.iter().map(|source| source.kept_bytes).sum::<u64>()
        + previews.iter().map(|preview| preview.bytes() as u64).sum::<u64>();
    let bytes = MatchBytes::of(previews, pairs, options);
    let channels = previews.first().map_or(0, Preview::channels);
    let free = budget.total_bytes.saturating_sub(held);
    threads_for(bytes, channels, pairs.len(), free, rayon::current_num_threads()).ok_or_else(|| {
        let instead = match options.method {
            MatchMethod::Surface | MatchMethod::Zemosaic => "give --match full",
            _ => "lower --match-pairs",
        };
        RunError::Resource(format!(
            "--match {} takes {} for {} frames and {} pairs besides the {} that are held, the memory budget is {}; raise \
             --memory or {instead}",
            options.method.name(),
            show_size(bytes.at_once(1)),
            previews.len(),
            pairs.len(),
            show_size(held),
            show_size(budget.total_bytes)
        ))
    })
}

/// Threads of `threads` that a match of `pairs` pairs may have within `free` bytes; `None` where it does not fit at all. A
/// thread that waits may take up another channel, so that with two threads all channels may be under way.
fn threads_for(bytes: MatchBytes, channels: usize, pairs: usize, free: u64, threads: usize) -> Option<usize> {
    if bytes.at_once(1) > free {
        None
    } else if pairs < FEW_PAIRS || bytes.at_once(channels) > free {
        Some(1)
    } else {
        Some(threads)
    }
}

/// Do `work` on a pool of `threads`: the current one where it has as many.
///
/// # Errors
/// When threads cannot be started.
pub(crate) fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> Result<T, RunError> {
    if threads == rayon::current_num_threads() {
        return Ok(work());
    }
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| CoaddError::Threads(error.to_string()))?;
    Ok(pool.install(work))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_come_one_after_another_where_room_is_short() {
        let bytes = MatchBytes { shared: 100, channel: 50 };
        let threads = |pairs: usize, free: u64| threads_for(bytes, 3, pairs, free, 8);
        assert_eq!(
            [250, 249, 150, 149, 0].map(|free| threads(40, free)),
            [Some(8), Some(1), Some(1), None, None]
        );
        assert_eq!([3, 4].map(|pairs| threads(pairs, 1000)), [Some(1), Some(8)]);
    }

    #[test]
    fn work_has_the_threads_it_is_given() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        for threads in [1, 2, 3] {
            let found = pool.install(|| on_threads(threads, rayon::current_num_threads));
            assert_eq!(found.ok(), Some(threads));
        }
    }
}
