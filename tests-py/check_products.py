#!/usr/bin/env python3
"""Judges a mosaic with astropy, which shares no code with the program.

    check_products.py MOSAIC_DIR FRAMES_DIR

MOSAIC_DIR holds mosaic.fits and its companions, FRAMES_DIR the frames it was made of (each with a TAN header, no masked
pixels, none left out). Prints a line per check and ends with `N passed, N failed`; the exit code says the same.
"""
import csv
import json
import re
import sys
import traceback
import warnings
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from astropy.wcs import WCS

PLANES = ["SCI", "WHT", "VAR", "DEPTH", "DQ"]
DQ_NO_DATA = 1
EDGE_PX = 2.0
SAMPLES = 40_000


def check_opens_with_good_checksums(mosaic, _frames):
    """astropy opens every HDU with checksum=True, verifies it strictly and has nothing to warn about."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", AstropyWarning)
        with fits.open(mosaic / "mosaic.fits", checksum=True, memmap=False) as hdus:
            hdus.verify("exception")
            for hdu in hdus:
                assert hdu.data is not None, f"{hdu.name} has no data"
                for key in ("CHECKSUM", "DATASUM"):
                    assert key in hdu.header, f"{hdu.name} has no {key}"
                    comment = hdu.header.comments[key]
                    assert not re.search(r"\d\d:\d\d|\d{4}-\d\d", comment), f"{hdu.name}: {key} carries a time: {comment}"


def check_planes_and_tables(mosaic, _frames):
    """Extension names, shapes and types."""
    with fits.open(mosaic / "mosaic.fits") as hdus:
        names = [hdu.header.get("EXTNAME") for hdu in hdus]
        assert names[: len(PLANES)] == PLANES, f"extensions {names}"
        assert len(set(names)) == len(names), f"a name is used twice: {names}"
        science = hdus[0].data
        assert science.ndim == 2 or (science.ndim == 3 and science.shape[0] == 3), f"SCI has shape {science.shape}"
        for name in ("SCI", "WHT", "VAR"):
            assert hdus[name].header["BITPIX"] == -32, f"{name} is not float32"
            assert hdus[name].data.shape == science.shape, f"{name} has shape {hdus[name].data.shape}"
        for name in ("DEPTH", "DQ"):
            assert hdus[name].header["BITPIX"] == 32, f"{name} is not int32"
            assert hdus[name].data.shape == science.shape[-2:], f"{name} has shape {hdus[name].data.shape}"
        assert isinstance(hdus["INPUTS"], fits.BinTableHDU), "INPUTS is no binary table"


def check_header(mosaic, _frames):
    """The keywords that other programs rely on."""
    with fits.open(mosaic / "mosaic.fits") as hdus:
        wanted = {"WCSAXES": 2, "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CUNIT1": "deg", "CUNIT2": "deg", "RADESYS": "ICRS"}
        for name in PLANES:
            header = hdus[name].header
            for key, value in wanted.items():
                assert header.get(key) == value, f"{name}: {key} = {header.get(key)!r}, expected {value!r}"
            for key in ("CRPIX1", "CRPIX2", "CRVAL1", "CRVAL2", "CD1_1", "CD1_2", "CD2_1", "CD2_2", "LONPOLE", "LATPOLE"):
                assert key in header, f"{name}: {key} is missing"
            for key in ("PC1_1", "CDELT1", "CROTA2", "BAYERPAT"):
                assert key not in header, f"{name}: {key} should not be there"
        for key in ("PROGRAM", "NCOMBINE", "NINPUT", "BUNIT", "ROWORDER"):
            assert key in hdus[0].header, f"SCI: {key} is missing"


def check_inputs_table(mosaic, frames):
    """INPUTS lists every frame once, and the header counts them."""
    with fits.open(mosaic / "mosaic.fits") as hdus:
        count = len(frames)
        assert len(hdus["INPUTS"].data) == count, f"INPUTS has {len(hdus['INPUTS'].data)} rows for {count} frames"
        assert hdus[0].header["NINPUT"] == count, f"NINPUT = {hdus[0].header['NINPUT']}, expected {count}"
        assert hdus[0].header["NCOMBINE"] == count, f"NCOMBINE = {hdus[0].header['NCOMBINE']}, expected {count}"
        columns = [name for name in hdus["INPUTS"].columns.names if hdus["INPUTS"].data[name].dtype.kind == "U"]
        texts = ["\n".join(hdus["INPUTS"].data[name]) for name in columns]
        for frame in frames:
            assert any(frame.stem in text for text in texts), f"INPUTS does not name {frame.name}"


def check_no_data(mosaic, _frames):
    """NaN, weight 0, depth 0 and DQ bit 1 say the same."""
    with fits.open(mosaic / "mosaic.fits") as hdus:
        empty = hdus["DEPTH"].data == 0
        assert not empty.all(), "no pixel has data"
        assert (hdus["DEPTH"].data >= 0).all(), "a depth is negative"
        assert np.array_equal((hdus["DQ"].data & DQ_NO_DATA) != 0, empty), "DQ bit 1 and DEPTH = 0 differ"
        for plane in np.atleast_3d(hdus["SCI"].data.T).T:
            assert np.array_equal(np.isnan(plane), empty), "SCI is NaN elsewhere than DEPTH = 0"
        for plane in np.atleast_3d(hdus["WHT"].data.T).T:
            assert np.array_equal(plane == 0, empty), "WHT is 0 elsewhere than DEPTH = 0"
        for plane in np.atleast_3d(hdus["VAR"].data.T).T:
            assert np.isnan(plane[empty]).all(), "VAR has a value where DEPTH = 0"
            assert (plane[np.isfinite(plane)] > 0).all(), "a variance is not positive"


def check_wcs_and_depth(mosaic, frames):
    """At random pixels DEPTH counts the frames whose footprint, by astropy's WCS of mosaic and frame, holds the pixel."""
    with fits.open(mosaic / "mosaic.fits") as hdus:
        wcs = WCS(hdus[0].header, naxis=2)
        other = WCS(hdus["DEPTH"].header, naxis=2)
        for name in ("ctype", "crpix", "crval", "cd"):  # compare() would also compare the dates, which only SCI has
            same = np.array_equal(list(getattr(other.wcs, name)), list(getattr(wcs.wcs, name)))
            assert same, f"the planes differ in {name}"
        depth = hdus["DEPTH"].data
    rng = np.random.default_rng(1)
    x = rng.integers(0, depth.shape[1], SAMPLES)
    y = rng.integers(0, depth.shape[0], SAMPLES)
    sky = wcs.pixel_to_world(x, y)
    expected = np.zeros(SAMPLES, int)
    near_edge = np.zeros(SAMPLES, bool)
    for path in frames:
        header = fits.getheader(path)
        column, row = WCS(header, naxis=2).world_to_pixel(sky)
        inside = np.full(SAMPLES, np.inf)  # distance to the nearest edge, negative outside
        for position, size in ((column, header["NAXIS1"]), (row, header["NAXIS2"])):
            inside = np.minimum(inside, np.minimum(position + 0.5, size - 0.5 - position))
        inside = np.where(np.isfinite(inside), inside, -np.inf)
        expected += inside > 0
        near_edge |= np.abs(inside) < EDGE_PX
    clear = ~near_edge
    found = depth[y, x]
    assert clear.sum() > SAMPLES / 4, "hardly a pixel is clear of footprint edges"
    wrong = clear & (found != expected)
    if wrong.any():
        k = np.flatnonzero(wrong)[0]
        raise AssertionError(
            f"DEPTH differs from the footprints at {wrong.sum()} of {clear.sum()} pixels; at ({x[k]}, {y[k]}) it is {found[k]}, expected {expected[k]}"
        )


def check_companions(mosaic, frames):
    """The preview is a PNG, the report is JSON, frames.csv has a line for each frame, nothing is half written."""
    assert (mosaic / "mosaic_preview.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n", "mosaic_preview.png is no PNG"
    json.loads((mosaic / "report.json").read_text())
    for line in (mosaic / "events.jsonl").read_text().splitlines():
        json.loads(line)
    with open(mosaic / "frames.csv", newline="") as lines:
        rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    assert len(rows) == len(frames), f"frames.csv has {len(rows)} lines for {len(frames)} frames"
    assert not list(mosaic.rglob("*.partial")), "a .partial file was left behind"


def main():
    mosaic, folder = Path(sys.argv[1]), Path(sys.argv[2])
    frames = sorted(path for path in folder.rglob("*") if path.suffix in (".fit", ".fits", ".fts"))
    checks = [value for name, value in globals().items() if name.startswith("check_")]
    failed = 0
    for check in checks:
        name = check.__name__.removeprefix("check_").replace("_", " ")
        try:
            assert frames, f"no frames in {folder}"
            check(mosaic, frames)
            print(f"ok: astropy: {name}")
        except Exception as error:  # every fault of a product is one failed check, whatever astropy raises
            failed += 1
            if not isinstance(error, AssertionError):
                traceback.print_exc(file=sys.stdout)
            print(f"FAILED: astropy: {name}: {error}")
    print(f"{len(checks) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
