#!/usr/bin/env python3
"""Goldens of survey images: reproject's plain means on grids of several kinds.

    make_survey_golden.py DATA_DIR OUT_DIR

    decam_n3, decam_s1   DECam cutouts with TPV distortion, pixels of weight 0 masked; 3 and 2 frames, TAN grid turned by 17 deg
    gc_equ_S, gc_gal_S   the galactic centre (GLON-CAR, 24") onto an equatorial TAN and a galactic ZEA grid at S arcsec
    horsehead            a plate scan (i16) onto a TAN grid turned by -25 deg

For each NAME: the planes of mean_golden.py, and NAME_grid.hdr, the grid as a text header. The DECam goldens have further
planes for the mean weighted with the maps, where a frame's variance at a position is sum k^2 v of the four bilinear
weights k with v = 1 / weight, and its weight W = sum k^2 / sum k^2 v:

    weighted f64  sum W x / sum W          wht f64  sum W          var f64  sum W^2 (sum k^2 v) / (sum W)^2
"""
# data: decam_tpv galactic_centre survey_cutouts
# inputs: goldens/mean_golden.py
# writes: decam_n3_grid.hdr decam_n3_var.fits decam_s1_var.fits gc_equ_12_mean.fits gc_equ_24_mean.fits gc_equ_48_mean.fits gc_gal_12_mean.fits gc_gal_24_mean.fits gc_gal_48_mean.fits horsehead_mean.fits horsehead_grid.hdr
import sys
import warnings
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from astropy.wcs.utils import pixel_to_pixel
from mean_golden import mean_golden, write

ARCSEC = 1 / 3600


def grid_of(kind, centre, scale_deg, size, turn_deg=0.0):
    """A WCS about `centre`, +y turned by turn_deg from north through east; `kind` such as RA---TAN, DEC--TAN."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = kind
    wcs.wcs.cunit = ["deg", "deg"]
    wcs.wcs.crval = centre
    wcs.wcs.crpix = [(size[0] + 1) / 2, (size[1] + 1) / 2]
    c, s = np.cos(np.radians(turn_deg)), np.sin(np.radians(turn_deg))
    wcs.wcs.cd = scale_deg * np.array([[-c, s], [s, c]])
    if kind[0].startswith("RA"):
        wcs.wcs.radesys = "ICRS"
    wcs.wcs.set()
    return wcs, (size[1], size[0])


def write_grid(out, name, wcs, shape):
    header = wcs.to_header()
    header["NAXIS"] = 2
    header["NAXIS1"], header["NAXIS2"] = shape[1], shape[0]
    header.totextfile(out / f"{name}_grid.hdr", overwrite=True)


def bilinear(plane, x, y, square):
    """Sum of k v over the four pixels about (x, y), of k^2 v where `square`; no edges: positions are inside."""
    i, j = np.floor(x).astype(int), np.floor(y).astype(int)
    fx, fy = x - i, y - j
    total = np.zeros(x.shape)
    for dj, ky in ((0, 1 - fy), (1, fy)):
        for di, kx in ((0, 1 - fx), (1, fx)):
            k = kx * ky
            total += (k * k if square else k) * plane[j + dj, i + di]
    return total


def weighted_golden(frames, grid_wcs, shape):
    """The weighted mean described at the top over frames (image, WCS, weight map); NaN masked pixels must stay out of it."""
    sum_w, sum_wx, sum_w2v = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    y, x = np.indices(shape, dtype=float)
    for image, wcs, weight in frames:
        u, v = pixel_to_pixel(grid_wcs, wcs, x, y)
        inside = (u >= 0) & (u < image.shape[1] - 1) & (v >= 0) & (v < image.shape[0] - 1)
        u, v = u[inside], v[inside]
        with np.errstate(divide="ignore"):
            variance = np.where(weight > 0, 1 / weight, np.nan)
        value = bilinear(image, u, v, False)
        k2 = bilinear(np.ones(image.shape), u, v, True)
        k2v = bilinear(variance, u, v, True)
        good = np.isfinite(value) & np.isfinite(k2v)
        w = np.where(good, k2 / k2v, 0.0)
        sum_w[inside] += w
        sum_wx[inside] += np.where(good, w * value, 0.0)
        sum_w2v[inside] += np.where(good, w * w * k2v, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {"weighted": sum_wx / sum_w, "wht": sum_w, "var": sum_w2v / sum_w**2}


def decam(data, out, name, chip, centre, size):
    frames = []
    for path in sorted((data / "decam_tpv").glob(f"*_ooi_*{chip}.fits")):
        with fits.open(path) as image, fits.open(str(path).replace("_ooi_", "_oow_")) as map_:
            weight = map_[1].data.astype(np.float64)
            pixels = np.where(weight > 0, image[1].data.astype(np.float64), np.nan)
            header = image[1].header
            # INHERIT = T: the primary header says FK5 for all extensions, which astropy does not take over.
            header["RADESYS"], header["EQUINOX"] = image[0].header["RADESYS"], image[0].header["EQUINOX"]
            frames.append((pixels, WCS(header), weight))
    wcs, shape = grid_of(["RA---TAN", "DEC--TAN"], centre, 0.27 * ARCSEC, size, 17.0)
    planes = mean_golden([(pixels, own) for pixels, own, _ in frames], wcs, shape)
    planes.update(weighted_golden(frames, wcs, shape))
    write(out, name, planes, wcs)
    write_grid(out, name, wcs, shape)


def main():
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore", FITSFixedWarning)
    decam(data, out, "decam_n3", "N3", (186.7440, 25.4617), (300, 300))
    decam(data, out, "decam_s1", "S1", (186.7416, 25.4617), (300, 260))
    with fits.open(data / "galactic_centre" / "gc_msx_e.fits") as hdus:
        tile = (hdus[0].data.astype(np.float64), WCS(hdus[0].header))
    for scale in (12, 24, 48):
        size = (round(190 * 24 / scale), round(180 * 24 / scale))
        kinds = {
            "equ": (["RA---TAN", "DEC--TAN"], (266.4168, -29.0078), 10.0),
            "gal": (["GLON-ZEA", "GLAT-ZEA"], (0.01, -0.02), -35.0),
        }
        for kind, (ctype, centre, turn) in kinds.items():
            wcs, shape = grid_of(ctype, centre, scale * ARCSEC, size, turn)
            write(out, f"gc_{kind}_{scale}", mean_golden([tile], wcs, shape), wcs)
            write_grid(out, f"gc_{kind}_{scale}", wcs, shape)
    with fits.open(data / "survey_cutouts" / "HorseHead.fits.gz") as hdus:
        tile = (hdus[0].data.astype(np.float64), WCS(hdus[0].header))
    wcs, shape = grid_of(["RA---TAN", "DEC--TAN"], (85.27, -2.46), 1.1 * ARCSEC, (1100, 1100), -25.0)
    write(out, "horsehead", mean_golden([tile], wcs, shape), wcs)
    write_grid(out, "horsehead", wcs, shape)


if __name__ == "__main__":
    main()
