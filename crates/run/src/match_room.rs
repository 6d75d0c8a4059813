//! Room for a match: whether what it takes is within the memory budget, and how many channels may be solved at once.

use zemosaic_coadd::{CoaddError, MemoryBudget, Source};
use zemosaic_gauge::{ChannelsAtOnce, FEW_PAIRS, MatchBytes, MatchMethod, MatchOptions, Pair, Preview};

use crate::error::RunError;
use crate::units::show_size;

/// What the program takes besides.
const PROGRAM_BYTES: u64 = 24 << 20;

/// Channels that the match of `sources`, whose `previews` are held, over `pairs` may solve at once.
///
/// # Errors
/// [`RunError::Resource`] when not even one fits the budget.
pub(crate) fn channels_within(
    budget: MemoryBudget,
    sources: &[Source],
    (previews, pairs): (&[Preview], &[Pair]),
    options: &MatchOptions,
) -> Result<ChannelsAtOnce, RunError> {
    let held = PROGRAM_BYTES
        + sources.iter().map(|source| source.kept_bytes).sum::<u64>()
        + previews.iter().map(|preview| preview.bytes() as u64).sum::<u64>();
    let bytes = MatchBytes::of(previews, pairs, options);
    let channels = previews.first().map_or(0, Preview::channels);
    let free = budget.total_bytes.saturating_sub(held);
    channels_for(bytes, channels, free).ok_or_else(|| {
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

/// Channels of `channels` within `free` bytes; `None` where not even one fits. A thread that waits may take up another
/// channel, so that with two threads all may be under way: it is all or one.
fn channels_for(bytes: MatchBytes, channels: usize, free: u64) -> Option<ChannelsAtOnce> {
    if bytes.at_once(channels) <= free {
        Some(ChannelsAtOnce::All)
    } else {
        (bytes.at_once(1) <= free).then_some(ChannelsAtOnce::One)
    }
}

/// Do `work`, a match of `pairs` pairs: on the current pool, or on one thread where there is little to do.
///
/// # Errors
/// When a thread cannot be started.
pub(crate) fn on_threads<T: Send>(pairs: usize, work: impl FnOnce() -> T + Send) -> Result<T, RunError> {
    if pairs >= FEW_PAIRS || rayon::current_num_threads() == 1 {
        return Ok(work());
    }
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
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
        let (all, one) = (Some(ChannelsAtOnce::All), Some(ChannelsAtOnce::One));
        assert_eq!(
            [250, 249, 150, 149, 0].map(|free| channels_for(bytes, 3, free)),
            [all, one, one, None, None]
        );
    }

    #[test]
    fn little_work_has_one_thread() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        for (pairs, threads) in [(FEW_PAIRS - 1, 1), (FEW_PAIRS, 3)] {
            let found = pool.install(|| on_threads(pairs, rayon::current_num_threads));
            assert_eq!(found.ok(), Some(threads));
        }
    }
}
