#!/usr/bin/env python3
"""Golden of the real mosaic: reproject's plain mean of the eight 2MASS tiles of M 17.

    make_2mass_golden.py DATA_DIR OUT_DIR

Each tile of DATA_DIR/2mass_m17 is brought onto goldens/2mass_m17_grid.hdr; the planes are those of mean_golden.py.
Everything that concerns the sky (the tiles name no RADESYS, so they are FK5; the grid is ICRS) is left to astropy.
"""
# data: 2mass_m17
# inputs: goldens/2mass_m17_grid.hdr goldens/mean_golden.py
# writes: 2mass_m17_mean.fits 2mass_m17_depth.fits 2mass_m17_safe.fits 2mass_m17_range.fits 2mass_m17_gradient.fits
import sys
import warnings
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from mean_golden import mean_golden, write

GRID = Path(__file__).resolve().parent / "2mass_m17_grid.hdr"


def main():
    data, out = Path(sys.argv[1]) / "2mass_m17", Path(sys.argv[2])
    warnings.simplefilter("ignore", FITSFixedWarning)
    tiles = []
    for path in sorted(data.glob("*.fits.gz")):
        with fits.open(path) as hdus:
            tiles.append((hdus[0].data.astype(np.float64), WCS(hdus[0].header)))
    if len(tiles) != 8:
        sys.exit(f"{data}: 8 tiles expected, {len(tiles)} found")
    header = fits.Header.fromtextfile(GRID)
    grid_wcs, shape = WCS(header), (header["NAXIS2"], header["NAXIS1"])
    write(out, "2mass_m17", mean_golden(tiles, grid_wcs, shape), grid_wcs)


if __name__ == "__main__":
    main()
