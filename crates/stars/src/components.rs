//! Connected components of the pixels above a threshold (8 neighbours), row by row with a union-find over the runs of two
//! rows: memory is that of what is still open.

/// A pixel above the threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Lit {
    pub x: u32,
    pub y: u32,
    /// Above the background, ADU.
    pub value: f32,
    /// The same over the noise there.
    pub sigmas: f32,
}

/// Pixels kept of one component at most; what is larger is no star, and a nebula must not fill the memory.
const MAX_PIXELS: usize = 100_000;

/// A run of pixels in a row: columns `x0 .. x1`.
#[derive(Debug, Clone, Copy)]
struct Run {
    x0: u32,
    x1: u32,
    slot: usize,
}

#[derive(Debug, Default)]
struct Slot {
    pixels: Vec<Lit>,
    /// Pixels that were not kept.
    dropped: usize,
    /// The slot it was merged into, itself while it is a component.
    parent: usize,
    last_row: u32,
}

/// A finished component; pixels in no particular order.
#[derive(Debug)]
pub(crate) struct Component {
    pub pixels: Vec<Lit>,
    /// Whether pixels are missing because there were too many.
    pub is_cut: bool,
}

/// Takes rows in order.
#[derive(Debug, Default)]
pub(crate) struct Labeller {
    slots: Vec<Slot>,
    free: Vec<usize>,
    /// Slots in use, in order of their making.
    open: Vec<usize>,
    before: Vec<Run>,
    now: Vec<Run>,
}

impl Labeller {
    /// Row `y`: `values` above the background, and over the noise. Components that end are given to `close`.
    pub fn add_row(
        &mut self,
        y: u32,
        values: &[f32],
        sigmas: &[f32],
        threshold: f32,
        close: &mut impl FnMut(Component),
    ) {
        let mut from = 0;
        for_runs(sigmas, threshold, |x0, x1| {
            let slot = self.slot_for(x0 as u32, x1 as u32, &mut from);
            let own = &mut self.slots[slot];
            own.last_row = y;
            for x in x0..x1 {
                if own.pixels.len() < MAX_PIXELS {
                    own.pixels.push(Lit { x: x as u32, y, value: values[x], sigmas: sigmas[x] });
                } else {
                    own.dropped += 1;
                }
            }
            self.now.push(Run { x0: x0 as u32, x1: x1 as u32, slot });
        });
        self.end_row(y, close);
    }

    /// Ends what is still open.
    pub fn finish(mut self, close: &mut impl FnMut(Component)) {
        self.before.clear();
        self.end_row(u32::MAX, close);
    }

    /// The component of a run: that of the runs it touches in the row before, merged into the first of them.
    fn slot_for(&mut self, x0: u32, x1: u32, from: &mut usize) -> usize {
        while self.before.get(*from).is_some_and(|run| run.x1 < x0) {
            *from += 1;
        }
        let mut found = None;
        let mut index = *from;
        while let Some(run) = self.before.get(index).copied().filter(|run| run.x0 <= x1) {
            let root = self.root(run.slot);
            found = Some(match found {
                None => root,
                Some(own) => self.merge(own, root),
            });
            index += 1;
        }
        found.unwrap_or_else(|| self.new_slot())
    }

    fn new_slot(&mut self) -> usize {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() - 1
        });
        self.slots[slot].parent = slot;
        self.open.push(slot);
        slot
    }

    fn root(&self, mut slot: usize) -> usize {
        while self.slots[slot].parent != slot {
            slot = self.slots[slot].parent;
        }
        slot
    }

    fn merge(&mut self, a: usize, b: usize) -> usize {
        if a == b {
            return a;
        }
        // The longer list stays where it is.
        let longer_is_a = self.slots[a].pixels.len() >= self.slots[b].pixels.len();
        let (into, gone) = if longer_is_a { (a, b) } else { (b, a) };
        let (pixels, dropped) = (std::mem::take(&mut self.slots[gone].pixels), self.slots[gone].dropped);
        self.slots[gone].dropped = 0;
        self.slots[gone].parent = into;
        let own = &mut self.slots[into];
        let room = MAX_PIXELS.saturating_sub(own.pixels.len()).min(pixels.len());
        own.pixels.extend_from_slice(&pixels[..room]);
        own.dropped += dropped + pixels.len() - room;
        into
    }

    fn end_row(&mut self, y: u32, close: &mut impl FnMut(Component)) {
        let mut now = std::mem::take(&mut self.now);
        for run in &mut now {
            run.slot = self.root(run.slot);
            self.slots[run.slot].last_row = y;
        }
        let open = std::mem::take(&mut self.open);
        for slot in open {
            let own = &mut self.slots[slot];
            if own.parent != slot {
                self.free.push(slot);
            } else if own.last_row != y || y == u32::MAX {
                let pixels = std::mem::take(&mut own.pixels);
                close(Component { pixels, is_cut: std::mem::take(&mut own.dropped) > 0 });
                self.free.push(slot);
            } else {
                self.open.push(slot);
            }
        }
        self.now = std::mem::replace(&mut self.before, now);
        self.now.clear();
    }
}

/// Values looked at together: most have nothing above the threshold.
const BLOCK: usize = 16;

/// The runs of `values` above `threshold`.
fn for_runs(values: &[f32], threshold: f32, mut run: impl FnMut(usize, usize)) {
    let mut start = None;
    for (block, chunk) in values.chunks(BLOCK).enumerate() {
        // The largest value, not the first above: a loop without a branch. NaN is never the largest.
        let any = chunk.iter().fold(f32::NEG_INFINITY, |most, value| value.max(most)) > threshold;
        if !any && start.is_none() {
            continue;
        }
        for (index, value) in chunk.iter().enumerate() {
            let x = block * BLOCK + index;
            match (*value > threshold, start) {
                (true, None) => start = Some(x),
                (false, Some(x0)) => {
                    run(x0, x);
                    start = None;
                }
                _ => {}
            }
        }
    }
    if let Some(x0) = start {
        run(x0, values.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Components by flood fill, each sorted, all sorted.
    fn definition(width: usize, plane: &[f32], threshold: f32) -> Vec<Vec<(u32, u32)>> {
        let height = plane.len() / width;
        let mut seen = vec![false; plane.len()];
        let mut all = Vec::new();
        for start in 0..plane.len() {
            if seen[start] || plane[start] <= threshold {
                continue;
            }
            seen[start] = true;
            let (mut stack, mut own) = (vec![start], Vec::new());
            while let Some(at) = stack.pop() {
                let (x, y) = (at % width, at / width);
                own.push((y as u32, x as u32));
                for v in y.saturating_sub(1)..(y + 2).min(height) {
                    for u in x.saturating_sub(1)..(x + 2).min(width) {
                        if !seen[v * width + u] && plane[v * width + u] > threshold {
                            seen[v * width + u] = true;
                            stack.push(v * width + u);
                        }
                    }
                }
            }
            own.sort_unstable();
            all.push(own);
        }
        all.sort();
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn equal_to_flood_fill(width in 1_usize..40, values in prop::collection::vec(0_u8..5, 1..900), level in 0_u8..4) {
            let height = values.len() / width;
            let plane: Vec<f32> = values[..width * height].iter().map(|v| f32::from(*v)).collect();
            let mut found = Vec::new();
            let mut close = |component: Component| {
                let mut own: Vec<(u32, u32)> = component.pixels.iter().map(|p| (p.y, p.x)).collect();
                own.sort_unstable();
                found.push(own);
            };
            let mut labeller = Labeller::default();
            for (y, row) in plane.chunks(width).enumerate() {
                labeller.add_row(y as u32, row, row, f32::from(level), &mut close);
            }
            labeller.finish(&mut close);
            found.sort();
            prop_assert_eq!(found, definition(width, &plane, f32::from(level)));
        }
    }
}
