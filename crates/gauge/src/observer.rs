//! Who is told how a match and its certificate go on, so that nobody takes long work for a stand-still.

/// Pieces of work too small to be told of one by one: one in so many is.
const SMALL_PIECES: usize = 256;

/// Is told about the work as it goes on; called from many threads. What it does changes no result.
pub trait MatchObserver: Sync {
    /// So many pairs will be measured, by so many threads.
    fn pairs_chosen(&self, _pairs: usize, _threads: usize) {}
    /// A pair is measured; so many of all are done.
    fn pair_done(&self, _done: usize, _pairs: usize) {}
    /// Something else is done: some hundred gains or levels of pairs, a round of a solution, a channel, what remains of a pair;
    /// of a certificate the blocks of a source, a line of joins, some hundred seams of pairs.
    fn piece_done(&self) {}
}

/// Nobody is told.
impl MatchObserver for () {}

/// Tell of the small pieces up to `index`, which is begun.
pub(crate) fn small_piece_done(observer: &dyn MatchObserver, index: usize) {
    if index.is_multiple_of(SMALL_PIECES) {
        observer.piece_done();
    }
}
