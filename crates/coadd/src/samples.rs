//! A row of samples of one source: positions, kernel, and what becomes of values and variances on the way to the stack.

use zemosaic_frames::RelativeVariance;
use zemosaic_image::Region;
use zemosaic_image::simd::SimdLevel;
use zemosaic_resample::area::{
    AreaRow, CornerRows, SphereArea, SphereRows, area_ratio_row, area_row, area_row_cfa,
};
use zemosaic_resample::{
    KernelTable, NoiseWindow, SourceWindow, WarpRow, warp_noise_row, warp_row_coefficients,
};

use crate::options::FluxConvention;
use crate::plane_map::{PlaneCell, to_stored};
use crate::resampler::{Positions, Resampler, SphereJob};
use crate::source::Source;
use crate::window::FrameWindow;

/// Samples of a row of output pixels; the first `n` elements count.
#[derive(Default)]
pub(crate) struct SampleRow {
    /// Positions of the centres in the frame.
    pub(crate) xs: Vec<f64>,
    pub(crate) ys: Vec<f64>,
    /// Value per channel in the unit of the mosaic, NaN for none.
    pub(crate) value: [Vec<f32>; 3],
    /// Variance over that of a pixel of the frame.
    pub(crate) factor: [Vec<f32>; 3],
    /// Share of the frame's weight; only of sources that [weigh samples](Source::weighs_samples).
    pub(crate) weight: [Vec<f32>; 3],
    /// What the kernel met, `zemosaic_resample::flags`.
    pub(crate) flags: [Vec<u8>; 3],
    corners: Corners,
    sphere: Sphere,
    /// Relative variance per channel.
    noise: [Vec<f32>; 3],
    area_ratio: Vec<f32>,
}

/// Frame positions of the corners of a row of output pixels.
#[derive(Default)]
struct Corners {
    lower: [Vec<f64>; 2],
    upper: [Vec<f64>; 2],
    /// Row whose upper corners are in `upper`.
    row: Option<i64>,
}

impl Corners {
    /// Corners of the row `y` of `part`. Rows of one part come one after the other: upper corners become lower ones.
    fn fill(&mut self, cell: &PlaneCell, part: Region, y: i64) {
        let n = part.width + 1;
        for plane in self.lower.iter_mut().chain(&mut self.upper) {
            plane.resize(n, 0.0);
        }
        let corner_row = |y: i64, [xs, ys]: &mut [Vec<f64>; 2]| {
            cell.corner_row(y as usize, part.x0 as usize, part.width, xs, ys);
        };
        if y > part.y0 && self.row == Some(y - 1) {
            std::mem::swap(&mut self.lower, &mut self.upper);
        } else {
            corner_row(y, &mut self.lower);
        }
        corner_row(y + 1, &mut self.upper);
        self.row = Some(y);
    }

    fn rows(&self) -> CornerRows<'_> {
        let ([lower_x, lower_y], [upper_x, upper_y]) = (&self.lower, &self.upper);
        CornerRows { lower_x, lower_y, upper_x, upper_y }
    }
}

/// Corners on the sky, and the corners of frame pixels that were asked for.
#[derive(Default)]
struct Sphere {
    area: Option<SphereArea>,
    lower: Vec<[f64; 3]>,
    upper: Vec<[f64; 3]>,
}

impl SampleRow {
    /// A new window or part begins: nothing of the last row is of use.
    pub(crate) fn begin_part(&mut self) {
        self.corners.row = None;
    }

    /// A new window will be read: what belongs to the last one is freed before.
    pub(crate) fn begin_window(&mut self) {
        self.sphere.area = None;
        self.begin_part();
    }

    /// Samples of the row `y` of `part`, which lies in the cell of `cell`.
    pub(crate) fn fill(
        &mut self,
        source: &Source,
        window: &FrameWindow<'_>,
        cell: &PlaneCell,
        part: Region,
        y: i64,
        level: SimdLevel,
    ) {
        let n = part.width;
        self.resize(n);
        cell.row(y as usize, part.x0 as usize, n, &mut self.xs[..n], &mut self.ys[..n]);
        if source.resampler.positions() == Positions::Corners || source.flux == FluxConvention::Flux {
            self.corners.fill(cell, part, y);
        }
        match &source.resampler {
            Resampler::Point(table) => self.sample_points(table, window, n, level),
            Resampler::Area(kernel) if let Some(pattern) = window.cfa => {
                self.sample_cfa(window, n, |window, noise, corners, outs| {
                    area_row_cfa(kernel, level, window, pattern, noise, corners, outs);
                });
            }
            Resampler::Area(kernel) => {
                self.sample_areas(window, n, |_, windows, noise, corners, outs| {
                    area_row(kernel, level, windows, noise, corners, outs);
                });
            }
            Resampler::Adaptive(kernel) => {
                self.sample_areas(window, n, |_, windows, noise, corners, outs| {
                    kernel.row(windows, noise, corners, outs);
                });
            }
            Resampler::Sphere(job) => {
                self.sample_areas(window, n, |sphere, windows, noise, corners, outs| {
                    sphere.sample((job, source.frame.binning()), (part, y), windows, noise, corners, outs);
                });
            }
        }
        self.apply_variances(source, window, n);
        self.apply_scale(source, window.channels, (part, y));
    }

    fn resize(&mut self, n: usize) {
        self.xs.resize(n, 0.0);
        self.ys.resize(n, 0.0);
        let planes = [&mut self.value, &mut self.factor, &mut self.weight, &mut self.noise];
        for plane in planes.into_iter().flatten() {
            plane.resize(n, 0.0);
        }
        for plane in &mut self.flags {
            plane.resize(n, 0);
        }
        self.area_ratio.resize(n, 0.0);
    }

    fn sample_points(&mut self, table: &KernelTable, window: &FrameWindow<'_>, n: usize, level: SimdLevel) {
        let channels = window.channels;
        let (xs, ys) = (&self.xs[..n], &self.ys[..n]);
        let planes = self.value.iter_mut().zip(&mut self.factor).zip(&mut self.flags);
        let mut outs: Vec<WarpRow<'_>> = planes
            .take(channels)
            .map(|((value, factor), flags)| WarpRow {
                value: &mut value[..n],
                variance_factor: &mut factor[..n],
                flags: &mut flags[..n],
            })
            .collect();
        let windows = &window.planes[..channels];
        warp_row_coefficients(table, level, windows, &window.coefficients[..channels], xs, ys, &mut outs);
        let Some(variances) = window.relative_variance else { return };
        for (channel, (sampled, noise)) in outs.iter().zip(&mut self.noise).enumerate() {
            let noise_window = NoiseWindow { pixels: windows[channel], variances: variances.of(channel) };
            warp_noise_row(table, level, &noise_window, xs, ys, sampled, &mut noise[..n]);
        }
    }

    /// Samples of a kernel that is asked row by row: `kernel` gets windows of planes with one map, the map, corners, and
    /// where the samples go.
    fn sample_areas(
        &mut self,
        window: &FrameWindow<'_>,
        n: usize,
        mut kernel: impl FnMut(
            &mut Sphere,
            &[SourceWindow<'_>],
            Option<&[f32]>,
            CornerRows<'_>,
            &mut [AreaRow<'_>],
        ),
    ) {
        let channels = window.channels;
        let corners = self.corners.rows();
        // Overlaps are computed once for all planes, unless each has a map of its own.
        let together = match window.relative_variance {
            None | Some(RelativeVariance::Shared(_)) => channels,
            Some(RelativeVariance::PerPlane(_)) => 1,
        };
        let with_noise = window.relative_variance.is_some();
        let planes = self.value.iter_mut().zip(&mut self.factor).zip(&mut self.weight).zip(&mut self.flags);
        let mut outs: Vec<AreaRow<'_>> = planes
            .zip(&mut self.noise)
            .take(channels)
            .map(|((((value, factor), weight), flags), noise)| AreaRow {
                value: &mut value[..n],
                variance_factor: &mut factor[..n],
                weight: &mut weight[..n],
                flags: &mut flags[..n],
                noise: with_noise.then_some(&mut noise[..n]),
            })
            .collect();
        for (group, outs) in outs.chunks_mut(together).enumerate() {
            let first = group * together;
            let noise = window.relative_variance.map(|variance| variance.of(first));
            let windows = &window.planes[first..first + together];
            kernel(&mut self.sphere, windows, noise, corners, outs);
        }
    }

    /// Samples of the three colours of a raw CFA plane.
    fn sample_cfa(
        &mut self,
        window: &FrameWindow<'_>,
        n: usize,
        kernel: impl FnOnce(&SourceWindow<'_>, Option<&[f32]>, CornerRows<'_>, &mut [AreaRow<'_>; 3]),
    ) {
        let noise = window.relative_variance.map(|variance| variance.of(0));
        let corners = self.corners.rows();
        let [red, green, blue] = &mut self.value;
        let (values, factors) = ([red, green, blue], self.factor.each_mut());
        let (weights, flags, noises) = (self.weight.each_mut(), self.flags.each_mut(), self.noise.each_mut());
        let mut planes = values.into_iter().zip(factors).zip(weights).zip(flags).zip(noises);
        let mut out = || {
            let ((((value, factor), weight), flags), noise_out) = planes.next()?;
            Some(AreaRow {
                value: &mut value[..n],
                variance_factor: &mut factor[..n],
                weight: &mut weight[..n],
                flags: &mut flags[..n],
                noise: noise.is_some().then_some(&mut noise_out[..n]),
            })
        };
        if let (Some(red), Some(green), Some(blue)) = (out(), out(), out()) {
            kernel(&window.planes[0], noise, corners, &mut [red, green, blue]);
        }
    }

    /// Everything that makes one sample noisier than another goes into its variance factor, and what a weight map
    /// says into its weight.
    fn apply_variances(&mut self, source: &Source, window: &FrameWindow<'_>, n: usize) {
        for channel in 0..window.channels {
            let (value, factor) = (&self.value[channel][..n], &mut self.factor[channel][..n]);
            if window.relative_variance.is_some() {
                let noise = &self.noise[channel][..n];
                for (factor, noise) in factor.iter_mut().zip(noise) {
                    *factor *= noise;
                }
            }
            if let Some(photons) = source.photons[channel] {
                for (factor, value) in factor.iter_mut().zip(value) {
                    let share = 1.0 + (value - photons.level) * photons.growth_per_unit;
                    *factor *= share.max(photons.least);
                }
            }
            if source.weighs_samples {
                let weight = &mut self.weight[channel][..n];
                if !source.resampler.weighs_samples() {
                    weight.fill(1.0);
                }
                if source.weighs_by_map && window.relative_variance.is_some() {
                    for (weight, noise) in weight.iter_mut().zip(&self.noise[channel][..n]) {
                        *weight /= noise;
                    }
                }
                if let Some(spatial) = &source.spatial {
                    spatial.weigh(&self.xs[..n], &self.ys[..n], weight);
                }
            }
        }
    }

    /// Values into the unit of the mosaic: flux scale, gain, offset and surface of the frame. The constant factors are part of the
    /// frame's noise variance already, the area of output pixels is not.
    fn apply_scale(&mut self, source: &Source, channels: usize, (part, y): (Region, i64)) {
        let n = part.width;
        if source.flux == FluxConvention::Flux {
            area_ratio_row(self.corners.rows(), &mut self.area_ratio[..n]);
            let binning = source.frame.binning();
            if binning > 1 {
                // The unit is the frame's stored pixel.
                let stored = (binning * binning) as f32;
                for ratio in &mut self.area_ratio[..n] {
                    *ratio *= stored;
                }
            }
            for channel in 0..channels {
                let samples = self.value[channel][..n].iter_mut().zip(&mut self.factor[channel][..n]);
                for ((value, factor), ratio) in samples.zip(&self.area_ratio[..n]) {
                    *value *= ratio;
                    *factor *= ratio * ratio;
                }
            }
        }
        for (channel, plane) in self.value.iter_mut().enumerate().take(channels) {
            let values = &mut plane[..n];
            let scale = (source.frame.flux_scale * source.gain[channel]) as f32;
            if scale != 1.0 {
                for value in values.iter_mut() {
                    *value *= scale;
                }
            }
            let area_ratio = match source.flux {
                FluxConvention::Brightness => None,
                FluxConvention::Flux => Some(&self.area_ratio[..n]),
            };
            let (offset, surface) = (source.offset[channel], &source.surface[channel]);
            if surface.is_zero() {
                if offset != 0.0 {
                    add_to_row(values, area_ratio, |_| offset as f32);
                }
            } else {
                // Places are those of the grid, so that no cut into patches changes anything.
                let (row, x0) = (surface.row(y as f64), part.x0 as f64);
                add_to_row(values, area_ratio, |i| (offset + row.at(x0 + f64::from(i))) as f32);
            }
        }
    }
}

/// Add `of(i)` to the i-th value, where areas are given times the area. Counted in 32 bits, which vectors turn into f64.
fn add_to_row(values: &mut [f32], area_ratio: Option<&[f32]>, of: impl Fn(i32) -> f32) {
    let values = (0i32..).zip(values);
    match area_ratio {
        None => values.for_each(|(i, value)| *value += of(i)),
        Some(ratios) => values.zip(ratios).for_each(|((i, value), ratio)| *value += of(i) * ratio),
    }
}

impl Sphere {
    fn sample(
        &mut self,
        (job, binning): (&SphereJob, usize),
        (part, y): (Region, i64),
        windows: &[SourceWindow<'_>],
        noise: Option<&[f32]>,
        corners: CornerRows<'_>,
        outs: &mut [AreaRow<'_>],
    ) {
        let Some(first) = windows.first() else { return };
        for (row, vectors) in [(y, &mut self.lower), (y + 1, &mut self.upper)] {
            vectors.clear();
            vectors.extend((0..=part.width as i64).map(|i| {
                let (x, y) = ((part.x0 + i) as f64 - 0.5, row as f64 - 0.5);
                job.grid.pixel_to_icrs(x, y).unwrap_or([f64::NAN; 3])
            }));
        }
        let area = self.area.get_or_insert_with(|| SphereArea::new(job.scale_ratio, first.region));
        let sky = SphereRows { lower: &self.lower, upper: &self.upper };
        let corner = &mut |x, y| job.frame.pixel_to_icrs(to_stored(x, binning), to_stored(y, binning));
        area.row(windows, noise, corners, sky, corner, outs);
    }
}
