#!/usr/bin/env python3
"""Pixel agreement with SWarp on one frame of set A: same frame, grid and TPV side-car, no combination.

    agree_swarp.py FRAME.fits GRID.hdr ZEMOSAIC WORK        (SWarp on the PATH; needs numpy, scipy, astropy)

K1   Lanczos3, exact astrometry on both sides         largest difference below 1e-5 of the local peak
K1b  Lanczos3, interpolated astrometry on both sides  at most 0.001 px x gradient + 1e-5 of the local peak
K2b  bilinear, exact astrometry                        below 1e-5 of the local peak

SWarp's pixels hold flux per pixel (FSCALASTRO_TYPE FIXED, factor in FLASCALE), ours surface brightness. Compared are all
pixels to which SWarp gives weight, without the outer 3 px of the frame. The local peak is the largest |value| of SWarp
within 3 px, which is a sky of about 400 where there is no star.
"""
import subprocess
import sys
from pathlib import Path

import numpy as np
from astropy.io import fits
from scipy.ndimage import maximum_filter, minimum_filter

COMMON = (
    "-NTHREADS 2 -WRITE_XML N -VERBOSE_TYPE QUIET -HEADER_SUFFIX .head -SUBTRACT_BACK N -COMBINE N "
    "-FSCALASTRO_TYPE FIXED -OVERSAMPLING 1 -CENTER_TYPE MANUAL -PIXELSCALE_TYPE MANUAL -PROJECTION_TYPE TAN "
    "-CELESTIAL_TYPE EQUATORIAL"
)
CASES = {
    "K1": dict(kernel="lanczos3", ours="0", theirs="0"),
    "K1b": dict(kernel="lanczos3", ours="1e-4", theirs="0.001"),
    "K2b": dict(kernel="bilinear", ours="0", theirs="0"),
}


def swarp(frame, grid, case, work):
    work.mkdir(parents=True, exist_ok=True)
    header = fits.Header.fromtextfile(grid) if b"\n" in grid.read_bytes()[:200] else fits.getheader(grid)
    geometry = (
        f"-CENTER {header['CRVAL1']},{header['CRVAL2']} -PIXEL_SCALE {abs(header['CD2_2']) * 3600} "
        f"-IMAGE_SIZE {header['NAXIS1']},{header['NAXIS2']}"
    )
    command = f"SWarp {frame} {COMMON} {geometry} -RESAMPLING_TYPE {case['kernel'].upper()} -PROJECTION_ERR {case['theirs']} -RESAMPLE_DIR {work}"
    subprocess.run(command.split(), check=True, cwd=work, capture_output=True)
    with fits.open(work / f"{frame.stem}.resamp.fits") as hdus:
        header = hdus[0].header
        data = hdus[0].data.astype(np.float64)
    weight = fits.getdata(work / f"{frame.stem}.resamp.weight.fits")
    return header, data / header["FLASCALE"], weight > 0


def zemosaic(frame, grid, case, program, work):
    command = [
        program, "mosaic", frame, "-o", work, "--grid", grid, "--kernel", case["kernel"], "--map-error", case["ours"],
        "--antialias", "off", "--reject", "none", "--flux-scale-key", "none", "--force", "--quiet",
    ]
    subprocess.run(command, check=True, capture_output=True)
    with fits.open(work / "mosaic.fits") as hdus:
        return hdus[0].header, hdus[0].data.astype(np.float64)


def main():
    frame, grid, program, work = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), sys.argv[3], Path(sys.argv[4]).resolve()
    failed = False
    for name, case in CASES.items():
        theirs_header, theirs, used = swarp(frame, grid, case, work / f"swarp-{name}")
        ours_header, ours = zemosaic(frame, grid, case, program, work / f"zemosaic-{name}")
        x0 = round(ours_header["CRPIX1"] - theirs_header["CRPIX1"])
        y0 = round(ours_header["CRPIX2"] - theirs_header["CRPIX2"])
        height, width = theirs.shape
        # SWarp's cut-out may reach over the grid by a pixel.
        ys, xs = np.arange(y0, y0 + height), np.arange(x0, x0 + width)
        ky, kx = (ys >= 0) & (ys < ours.shape[0]), (xs >= 0) & (xs < ours.shape[1])
        ours = ours[np.ix_(ys[ky], xs[kx])]
        theirs, used = theirs[np.ix_(ky, kx)], used[np.ix_(ky, kx)]
        interior = minimum_filter(used, 7) & np.isfinite(ours)
        filled = np.where(used, np.abs(theirs), 0)
        peak = maximum_filter(filled, 7)
        gy, gx = np.gradient(np.where(used, theirs, 0))
        gradient = maximum_filter(np.abs(gx) + np.abs(gy), 5)  # an error of 0.001 px on each axis
        difference = np.abs(ours - theirs)
        allowed = 1e-5 * peak + (1e-3 * gradient if name == "K1b" else 0)
        ratio = np.where(interior, difference / np.maximum(allowed, 1e-30), 0)
        relative = np.where(interior, difference / peak, 0)
        ok = ratio.max() <= 1
        failed |= not ok
        print(
            f"{name:4} {interior.sum()} px: largest difference {relative.max():.2e} of the local peak "
            f"(99.99 % below {np.quantile(relative[interior], 0.9999):.2e}), {ratio.max():.3f} of what is allowed: "
            f"{'ok' if ok else 'FAILED'}"
        )
    sys.exit(failed)


if __name__ == "__main__":
    main()
