#!/usr/bin/env python3
"""What remains between the frames of a mosaic where they overlap.

    [BRIGHT=8000] python3 overlap_residuals.py ZEMOSAIC RUN_FOLDER FRAME [FRAME ...]

Every frame is put alone onto the mosaic's grid, corrected as the table INPUTS of the mosaic says, and compared with the
others: rms of the medians of 32 x 32 px blocks per overlap, before and after, in units of the mosaic. With BRIGHT also without
what is less than 64 px from a pixel above that value: halos and glints of saturated stars differ from frame to frame."""
import os, subprocess, sys, tempfile, warnings
import numpy as np
from astropy.io import fits
from scipy.ndimage import distance_transform_edt
from gauge_truth import inputs, surface_at

warnings.filterwarnings("ignore")
BLOCK = 32
HALO_PX = 64


def blocks(difference):
    h, w = (n // BLOCK for n in difference.shape)
    cells = difference[:h * BLOCK, :w * BLOCK].reshape(h, BLOCK, w, BLOCK).transpose(0, 2, 1, 3).reshape(h, w, -1)
    known = np.isfinite(cells).sum(2)
    medians = np.where(known > BLOCK * BLOCK / 4, np.nanmedian(cells, 2), np.nan)
    return medians[np.isfinite(medians)]


def main():
    program, folder, frames = sys.argv[1], sys.argv[2], sys.argv[3:]
    grid, rows = inputs(folder)
    bright = float(os.environ.get("BRIGHT", "inf"))
    planes = {}
    with tempfile.TemporaryDirectory() as work:
        header = os.path.join(folder, "mosaic.fits")
        for frame in frames:
            out = os.path.join(work, "one")
            subprocess.run([program, "mosaic", frame, "-o", out, "--grid", header, "--kernel", "bilinear", "--force", "-q"], check=True)
            raw = fits.getdata(os.path.join(out, "mosaic.fits")).astype(np.float64)
            raw = raw[0] if raw.ndim == 3 else raw
            gain, offset, surface = rows[os.path.basename(frame).split(".")[0]]
            y, x = np.mgrid[0:raw.shape[0], 0:raw.shape[1]]
            fixed = gain[0] * raw + offset[0]
            if surface is not None:
                fixed = fixed + surface_at(surface[0], x, y)
            stars = raw >= bright
            away = distance_transform_edt(~stars) >= HALO_PX if stars.any() else True
            planes[frame] = (raw, fixed, np.where(away, fixed, np.nan))
    kinds = (0, 1, 2) if np.isfinite(bright) else (0, 1)
    worst = [0.0] * len(kinds)
    for i, a in enumerate(frames):
        for b in frames[i + 1:]:
            found = [blocks(planes[a][k] - planes[b][k]) for k in kinds]
            if len(found[0]) < 2:
                continue
            rms = [float(np.sqrt(np.mean(d ** 2))) for d in found]
            worst = [max(w, r) for w, r in zip(worst, rms)]
            rest = f"  without halos {rms[2]:6.3f} ({len(found[2])} blocks)" if len(rms) > 2 else ""
            print(f"{os.path.basename(a)[:24]:24} {os.path.basename(b)[:24]:24} {len(found[0]):4} blocks  before {rms[0]:7.3f}  after {rms[1]:6.3f}{rest}", flush=True)
    print("largest: " + ", ".join(f"{name} {w:.3f}" for name, w in zip(("before", "after", "without halos"), worst)))


if __name__ == "__main__":
    main()
