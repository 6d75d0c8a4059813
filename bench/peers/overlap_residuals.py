#!/usr/bin/env python3
"""What remains between the frames of a mosaic where they overlap.

    python3 overlap_residuals.py ZEMOSAIC RUN_FOLDER FRAME [FRAME ...]

Every frame is put alone onto the mosaic's grid, corrected as the table INPUTS of the mosaic says, and compared with the
others: rms of the medians of 32 x 32 px blocks per overlap, before and after, in units of the mosaic."""
import os, subprocess, sys, tempfile, warnings
import numpy as np
from astropy.io import fits
from gauge_truth import inputs, surface_at

warnings.filterwarnings("ignore")
BLOCK = 32


def blocks(difference):
    h, w = (n // BLOCK for n in difference.shape)
    cells = difference[:h * BLOCK, :w * BLOCK].reshape(h, BLOCK, w, BLOCK).transpose(0, 2, 1, 3).reshape(h, w, -1)
    known = np.isfinite(cells).sum(2)
    medians = np.where(known > BLOCK * BLOCK / 4, np.nanmedian(cells, 2), np.nan)
    return medians[np.isfinite(medians)]


def main():
    program, folder, frames = sys.argv[1], sys.argv[2], sys.argv[3:]
    grid, rows = inputs(folder)
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
            planes[frame] = (raw, fixed)
    worst = [0.0, 0.0]
    for i, a in enumerate(frames):
        for b in frames[i + 1:]:
            both = [blocks(planes[a][k] - planes[b][k]) for k in (0, 1)]
            if len(both[0]) < 2:
                continue
            rms = [float(np.sqrt(np.mean(d ** 2))) for d in both]
            worst = [max(w, r) for w, r in zip(worst, rms)]
            print(f"{os.path.basename(a)[:24]:24} {os.path.basename(b)[:24]:24} {len(both[0]):4} blocks  before {rms[0]:7.3f}  after {rms[1]:6.3f}", flush=True)
    print(f"largest: before {worst[0]:.3f}, after {worst[1]:.3f}")


if __name__ == "__main__":
    main()
