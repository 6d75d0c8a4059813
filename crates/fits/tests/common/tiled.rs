//! Tile-compressed test images: streams from independent encoders in a table laid out here.

use std::io::Write;
use std::path::Path;
use zemosaic_fits::Header;

/// One row of the table: array columns by name, and numbers of 8 bytes.
#[derive(Debug, Clone, Default)]
pub struct TileRow {
    pub compressed: Vec<u8>,
    pub gzip: Option<Vec<u8>>,
    pub uncompressed: Option<Vec<u8>>,
    pub scale_zero: Option<(f64, f64)>,
    pub blank: Option<i32>,
}

/// What the header says.
#[derive(Debug, Clone)]
pub struct Tiled<'a> {
    pub codec: &'a str,
    pub bitpix: i64,
    pub dims: &'a [usize],
    pub tile: &'a [usize],
    /// Name of the elements' type in COMPRESSED_DATA.
    pub element: char,
    pub extras: Header,
}

/// The file: an empty primary HDU and the image; all rows must have the same columns.
pub fn file_bytes(image: &Tiled<'_>, rows: &[TileRow]) -> Vec<u8> {
    let element = match image.element {
        'I' => 2,
        'J' => 4,
        _ => 1,
    };
    let mut columns = vec![("COMPRESSED_DATA", format!("1P{}(9)", image.element))];
    let first = &rows[0];
    let optional = [
        (first.gzip.is_some(), "GZIP_COMPRESSED_DATA", "1PB"),
        (first.uncompressed.is_some(), "UNCOMPRESSED_DATA", "1QB"),
        (first.scale_zero.is_some(), "ZSCALE", "1D"),
        (first.scale_zero.is_some(), "ZZERO", "1D"),
        (first.blank.is_some(), "ZBLANK", "1J"),
    ];
    columns
        .extend(optional.iter().filter(|(is, ..)| *is).map(|(_, name, form)| (*name, (*form).to_string())));
    let (mut table, mut heap) = (Vec::<u8>::new(), Vec::<u8>::new());
    for row in rows {
        table.extend(((row.compressed.len() / element) as u32).to_be_bytes());
        table.extend((heap.len() as u32).to_be_bytes());
        heap.extend(&row.compressed);
        if let Some(bytes) = &row.gzip {
            table.extend((bytes.len() as u32).to_be_bytes());
            table.extend((heap.len() as u32).to_be_bytes());
            heap.extend(bytes);
        }
        if let Some(bytes) = &row.uncompressed {
            table.extend((bytes.len() as u64).to_be_bytes());
            table.extend((heap.len() as u64).to_be_bytes());
            heap.extend(bytes);
        }
        if let Some((scale, zero)) = row.scale_zero {
            table.extend(scale.to_be_bytes());
            table.extend(zero.to_be_bytes());
        }
        if let Some(blank) = row.blank {
            table.extend(blank.to_be_bytes());
        }
    }
    let mut primary = Header::new();
    primary.set_bool("SIMPLE", true, "");
    primary.set_i64("BITPIX", 8, "");
    primary.set_i64("NAXIS", 0, "");
    let mut header = Header::new();
    header.set_str("XTENSION", "BINTABLE", "");
    let cards = [
        ("BITPIX", 8),
        ("NAXIS", 2),
        ("NAXIS1", table.len() / rows.len()),
        ("NAXIS2", rows.len()),
        ("PCOUNT", heap.len()),
        ("GCOUNT", 1),
        ("TFIELDS", columns.len()),
    ];
    for (key, value) in cards {
        header.set_i64(key, value as i64, "");
    }
    for (n, (name, form)) in columns.iter().enumerate() {
        header.set_str(&format!("TTYPE{}", n + 1), name, "");
        header.set_str(&format!("TFORM{}", n + 1), form, "");
    }
    header.set_bool("ZIMAGE", true, "");
    header.set_i64("ZBITPIX", image.bitpix, "");
    header.set_i64("ZNAXIS", image.dims.len() as i64, "");
    for (n, (dim, tile)) in image.dims.iter().zip(image.tile).enumerate() {
        header.set_i64(&format!("ZNAXIS{}", n + 1), *dim as i64, "");
        header.set_i64(&format!("ZTILE{}", n + 1), *tile as i64, "");
    }
    header.set_str("ZCMPTYPE", image.codec, "");
    header.extend_from(&image.extras, |_| true);
    let mut bytes = primary.to_bytes();
    bytes.extend(header.to_bytes());
    bytes.extend(table);
    bytes.extend(heap);
    bytes.resize(bytes.len().next_multiple_of(2880), 0);
    bytes
}

pub fn write(path: &Path, image: &Tiled<'_>, rows: &[TileRow]) {
    std::fs::write(path, file_bytes(image, rows)).unwrap();
}

/// Calls `each` with the values of every tile in table order.
pub fn tiles<T: Copy>(dims: &[usize], tile: &[usize], pixels: &[T], mut each: impl FnMut(&[usize], Vec<T>)) {
    let counts: Vec<usize> = dims.iter().zip(tile).map(|(n, t)| n.div_ceil(*t)).collect();
    for index in 0..counts.iter().product() {
        let mut rest = index;
        let start: Vec<usize> = counts
            .iter()
            .zip(tile)
            .map(|(count, t)| {
                let c = rest % count;
                rest /= count;
                c * t
            })
            .collect();
        let extent: Vec<usize> =
            dims.iter().zip(tile).zip(&start).map(|((n, t), s)| (*t).min(n - s)).collect();
        let values = (0..extent.iter().product())
            .map(|i: usize| {
                let (mut rest, mut stride, mut at) = (i, 1, 0);
                for axis in 0..dims.len() {
                    at += (start[axis] + rest % extent[axis]) * stride;
                    rest /= extent[axis];
                    stride *= dims[axis];
                }
                pixels[at]
            })
            .collect();
        each(&extent, values);
    }
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn shuffle(bytes: &[u8], width: usize) -> Vec<u8> {
    (0..width).flat_map(|place| bytes.iter().skip(place).step_by(width).copied()).collect()
}

pub fn hcompress(values: &[i32], extent: &[usize]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (nx, ny) = (extent[0], extent[1..].iter().product());
    let mut wide: Vec<i64> = values.iter().map(|&v| i64::from(v)).collect();
    hcompress::write::HCEncoder::new(&mut bytes).write64(&mut wide, nx, ny, 0).unwrap();
    bytes
}

pub fn plio(values: &[i32]) -> Vec<u8> {
    let mut words = vec![0_i16; pliocomp::pl_p2li_max_len(values.len()).max(64)];
    let used = pliocomp::pl_p2li(values, 0, &mut words, values.len()).unwrap();
    words[..used].iter().flat_map(|w| w.to_be_bytes()).collect()
}

/// RICE_1 with blocks of 32 and 4 bytes a sample.
pub fn rice(values: &[i32]) -> Vec<u8> {
    let mut bytes = Vec::new();
    ricecomp::write::RCEncoder::new(&mut bytes).encode(values, values.len(), 32).unwrap();
    bytes
}
