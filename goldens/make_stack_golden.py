#!/usr/bin/env python3
"""Golden of the stack: numpy and astropy on seeded blocks of samples.

    make_stack_golden.py DATA_DIR OUT_DIR

Blocks of 8, 30 and 100 frames by 20,000 pixels of float32: normal noise, outliers of all sizes on both sides, missing
samples (NaN), and from pixel to pixel also coarse steps (duplicates), few samples, two levels. Everything is computed in
float64 from the float32 samples.

sigma_clip is given functions in place of the names "median", "std" and "mad_std": with names astropy 8.0.2 takes another
way, which applies the limits of the last round to all samples and so may take back one that an earlier round rejected;
with functions a sample once rejected stays so, as here.

Files written to OUT_DIR, one for each number of frames, little endian, without padding:

    stack_N.bin   u32 frames, u32 pixels, then planes of f32 frames x pixels or f64 pixels, or u8 frames x pixels:
                  f32 samples
                  f64 numpy nanmean, nanmedian, nanmin, nanmax, nansum, nanpercentile 25, nanpercentile 97.3
                  u8  astropy sigma_clip, median and std, sigma 3, 5 rounds: 1 = masked (rejected or NaN)
                  f64 mean of what it leaves
                  u8  astropy sigma_clip, median and mad_std, sigma 3, 5 rounds
                  f64 mean of what it leaves
                  u8  Winsorised clip, clause C-62 of SCI-05 written with numpy.nanquantile, 0.05 and 0.05, 3 sigma, 5 rounds
                  f64 mean of what it leaves
                  u8  Winsorised clip of Huber as PixInsight describes it, written with numpy, 3 sigma, 5 rounds
                  f64 mean of what it leaves
                  u8  percentile clipping, 0.2 below and 0.1 above numpy.nanmedian
                  f64 mean of what it leaves
                  f64 mean without the least and the greatest sample (of one or two all), from numpy.sort
                  f64 mean without the two least and the three greatest (of five or fewer the median)
"""
# data: -
# inputs:
# writes: stack_8.bin stack_30.bin stack_100.bin
import sys
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from astropy.stats import mad_std, sigma_clip

PIXELS = 20_000
FRAMES = (8, 30, 100)


def block(frames):
    """Seeded samples; the kind of a pixel goes by its index modulo 10."""
    random = np.random.default_rng(20_000 + frames)
    shape = (frames, PIXELS)
    sky = random.uniform(100.0, 4000.0, PIXELS)
    noise = random.uniform(2.0, 40.0, PIXELS)
    samples = sky + noise * random.standard_normal(shape)
    is_outlier = random.random(shape) < 0.02
    outlier = noise * random.uniform(3.0, 200.0, shape) * np.where(random.random(shape) < 0.7, 1.0, -1.0)
    samples += np.where(is_outlier, outlier, 0.0)
    kind = np.arange(PIXELS) % 10
    # Steps of half the noise: many equal samples.
    samples = np.where(kind == 1, np.round(samples / (0.5 * noise)) * (0.5 * noise), samples)
    # Two levels far apart.
    samples = np.where((kind == 2) & (random.random(shape) < 0.2), samples + 50.0 * noise, samples)
    samples = samples.astype(np.float32)
    missing = np.select([kind == 3, kind == 4], [0.6, 0.0], 0.02)
    samples[random.random(shape) < missing] = np.nan
    samples[:, 0] = np.nan
    return samples


def shrink(wide, limits):
    """What a clip by `limits` of the survivors (low, high per pixel) rejects: 1, as what is NaN."""
    survivors = wide.copy()
    for _ in range(5):
        low, high = limits(survivors)
        frozen = np.isfinite(survivors).sum(axis=0) < 3
        outside = ~((survivors >= low) & (survivors <= high)) & ~frozen & np.isfinite(survivors)
        if not outside.any():
            break
        survivors[outside] = np.nan
    return np.isnan(survivors)


def by_quantiles(survivors):
    """Clause C-62: mean and population standard deviation of the survivors held within two quantiles."""
    low, high = np.nanquantile(survivors, [0.05, 0.95], axis=0)
    held = np.clip(survivors, low, high)
    mean, spread = np.nanmean(held, axis=0), np.nanstd(held, axis=0) * (1.0 + 1e-12)
    return mean - 3.0 * spread, mean + 3.0 * spread


def settled(survivors):
    """Median, and the spread of the survivors held within 1.5 spreads of it, when it has settled."""
    centre, spread = np.nanmedian(survivors, axis=0), np.nanstd(survivors, axis=0, ddof=1)
    moving = np.ones(len(spread), bool)
    for _ in range(50):
        held = np.clip(survivors[:, moving], centre[moving] - 1.5 * spread[moving], centre[moving] + 1.5 * spread[moving])
        after = 1.134 * np.nanstd(held, axis=0, ddof=1)
        change = np.abs(after - spread[moving])
        still = change > 0.0005 * spread[moving]
        spread[moving] = after
        moving[moving] = still
        if not moving.any():
            break
    return centre - 3.0 * spread, centre + 3.0 * spread


def percentile_clip(wide):
    """Shares of the median; should all go the middle two stay."""
    median = np.nanmedian(wide, axis=0)
    mask = ~(((median - wide) / np.abs(median) <= 0.2) & ((wide - median) / np.abs(median) <= 0.1))
    ranks = np.argsort(np.argsort(wide, axis=0, kind="stable"), axis=0)
    number = np.isfinite(wide).sum(axis=0)
    middle = (ranks >= (number - 1) // 2) & (ranks <= number // 2) & np.isfinite(wide)
    return np.where(mask.all(axis=0), ~middle, mask)


def without_extremes(wide, lowest, highest):
    """Mean without so many of the least and greatest."""
    ranked = np.sort(wide, axis=0)
    number = np.isfinite(wide).sum(axis=0)
    short = number <= lowest + highest
    low = np.where(short, (number - 1) // 2, lowest)
    high = np.where(short, number - (number - 1) // 2, number - highest)
    rank = np.arange(len(wide))[:, None]
    return np.nanmean(np.where((rank >= low) & (rank < high), ranked, np.nan), axis=0)


def golden(samples):
    """The planes after the samples, in the order of the file."""
    wide = samples.astype(np.float64)
    planes = [
        np.nanmean(wide, axis=0),
        np.nanmedian(wide, axis=0),
        np.nanmin(wide, axis=0),
        np.nanmax(wide, axis=0),
        np.nansum(wide, axis=0),
        np.nanpercentile(wide, 25.0, axis=0),
        np.nanpercentile(wide, 97.3, axis=0),
    ]
    for spread in (np.nanstd, partial(mad_std, ignore_nan=True)):
        clipped = sigma_clip(wide, sigma=3.0, maxiters=5, cenfunc=np.nanmedian, stdfunc=spread, axis=0)
        mask = np.ma.getmaskarray(clipped)
        planes += [mask.astype(np.uint8), np.nanmean(np.where(mask, np.nan, wide), axis=0)]
    for mask in (shrink(wide, by_quantiles), shrink(wide, settled), percentile_clip(wide)):
        planes += [mask.astype(np.uint8), np.nanmean(np.where(mask, np.nan, wide), axis=0)]
    return planes + [without_extremes(wide, 1, 1), without_extremes(wide, 2, 3)]


def main():
    out = Path(sys.argv[2])
    warnings.simplefilter("ignore")  # all-NaN pixels are meant
    out.mkdir(parents=True, exist_ok=True)
    for frames in FRAMES:
        samples = block(frames)
        with open(out / f"stack_{frames}.bin", "wb") as file:
            np.array([frames, PIXELS], "<u4").tofile(file)
            samples.astype("<f4").tofile(file)
            planes = golden(samples)
            for plane in planes:
                plane.astype("u1" if plane.dtype == np.uint8 else "<f8").tofile(file)
        missing = int(np.isnan(samples).sum())
        rejected = [int(plane.sum()) - missing for plane in planes if plane.dtype == np.uint8]
        names = ("std", "MAD", "quantiles", "Winsorised std", "percentiles")
        clipped = ", ".join(f"{number} by {name}" for number, name in zip(rejected, names))
        print(f"stack: {frames} frames, {missing} samples missing, clipped: {clipped}")


if __name__ == "__main__":
    main()
