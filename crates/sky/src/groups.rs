//! Groups of frames that share sky: connected components of the overlap graph.

use crate::footprint::Footprint;

/// The group of every frame. Groups are numbered by size, largest first, then by their first frame.
pub fn overlap_groups(footprints: &[Footprint]) -> Vec<usize> {
    let n = footprints.len();
    let mut parent: Vec<usize> = (0..n).collect();
    for i in 0..n {
        for j in i + 1..n {
            let (ri, rj) = (root(&mut parent, i), root(&mut parent, j));
            // Frames already connected need no geometry.
            if ri != rj && footprints[i].overlaps(&footprints[j]) {
                // The smaller index becomes the root, so a root is always its group's first frame.
                parent[ri.max(rj)] = ri.min(rj);
            }
        }
    }
    let roots: Vec<usize> = (0..n).map(|i| root(&mut parent, i)).collect();
    let mut size = vec![0_usize; n];
    for &r in &roots {
        size[r] += 1;
    }
    let mut order: Vec<usize> = (0..n).filter(|&r| size[r] > 0).collect();
    order.sort_by_key(|&r| (std::cmp::Reverse(size[r]), r));
    let mut number = vec![0; n];
    for (k, &r) in order.iter().enumerate() {
        number[r] = k;
    }
    roots.into_iter().map(|r| number[r]).collect()
}

fn root(parent: &mut [usize], mut i: usize) -> usize {
    while parent[i] != i {
        parent[i] = parent[parent[i]];
        i = parent[i];
    }
    i
}
