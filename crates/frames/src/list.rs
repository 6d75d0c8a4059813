//! Lists of inputs: text, one path a line, or CSV (RFC 4180) with a header row.
//!
//! A relative path is looked for beside the list, then in the working folder. Blank lines and lines that begin
//! with `#` say nothing. A CSV has the column `path` and any of [`COLUMNS`]. What a list names must be there: a
//! mistake ends the run, with the line, before anything is read.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use crate::FramesError;
use crate::discover::{Given, InputFile, MapSource, id_below};

/// The columns of a CSV list; `path` is required.
pub const COLUMNS: [&str; 6] = ["path", "weight", "mask", "wcs", "flux_scale", "hdu"];

/// Endings of lists.
const LISTS: [&str; 3] = [".csv", ".txt", ".lst"];

/// The list that an input means: `@FILE`, or a file with the ending of a list; `None` for any other input.
pub(crate) fn list_of(input: &Path) -> Option<PathBuf> {
    let text = input.to_string_lossy();
    if let Some(list) = text.strip_prefix('@').filter(|list| !list.is_empty() && !input.exists()) {
        return Some(PathBuf::from(list));
    }
    let lower = text.to_lowercase();
    (LISTS.iter().any(|ending| lower.ends_with(ending)) && !input.is_dir()).then(|| input.to_path_buf())
}

/// The files that `list` names.
///
/// # Errors
/// A list that cannot be read, and every mistake in it with its line.
pub(crate) fn read_list(list: &Path) -> Result<Vec<InputFile>, FramesError> {
    let bytes =
        std::fs::read(list).map_err(|source| FramesError::Unreadable { path: list.to_path_buf(), source })?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let mut reader = List { path: list, files: Vec::new(), lines: HashMap::new() };
    if list.to_string_lossy().to_lowercase().ends_with(".csv") {
        reader.csv(bytes)?;
    } else {
        reader.text(bytes)?;
    }
    if reader.files.is_empty() {
        return Err(reader.wrong(1, "the list names no file".into()));
    }
    Ok(reader.files)
}

struct List<'a> {
    path: &'a Path,
    files: Vec<InputFile>,
    /// Lines and indices in `files` of what was named so far.
    lines: HashMap<PathBuf, Vec<(u64, usize)>>,
}

impl List<'_> {
    fn wrong(&self, line: u64, what: String) -> FramesError {
        FramesError::List { list: self.path.to_path_buf(), line, what }
    }

    fn text(&mut self, bytes: &[u8]) -> Result<(), FramesError> {
        for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let number = index as u64 + 1;
            let text = std::str::from_utf8(line)
                .map_err(|_| self.wrong(number, "the line is not UTF-8 text; is this a list?".into()))?;
            let text = text.trim();
            if !text.is_empty() && !text.starts_with('#') {
                self.add(number, text, Given::default())?;
            }
        }
        Ok(())
    }

    fn csv(&mut self, bytes: &[u8]) -> Result<(), FramesError> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .comment(Some(b'#'))
            .trim(csv::Trim::All)
            .from_reader(bytes.chain(END));
        let mut columns: Option<Vec<usize>> = None;
        let mut record = csv::StringRecord::new();
        loop {
            let more = reader.read_record(&mut record);
            let line = record.position().map_or(1, |position| line_of(bytes, position));
            match more {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    let line = error.position().map_or(line, |position| line_of(bytes, position));
                    return Err(self.wrong(line, format!("not CSV in UTF-8 ({error})")));
                }
            }
            if reader.position().byte() as usize > bytes.len() + 1 {
                if record == END_FIELDS[..] {
                    break;
                }
                return Err(self.wrong(line, "a quote that is opened here is never closed".into()));
            }
            match &columns {
                None => columns = Some(self.columns(line, &record)?),
                Some(columns) => self.row(line, columns, &record)?,
            }
        }
        Ok(())
    }

    /// For each field of the header row its place in [`COLUMNS`].
    fn columns(&self, line: u64, header: &csv::StringRecord) -> Result<Vec<usize>, FramesError> {
        if header.len() == 1 && header.iter().any(|name| name.contains([';', '\t'])) {
            return Err(
                self.wrong(line, "the first row names one column only; separate columns by commas".into())
            );
        }
        let mut columns = Vec::with_capacity(header.len());
        for name in header {
            let lower = name.to_lowercase();
            let Some(column) = COLUMNS.iter().position(|column| *column == lower) else {
                return Err(self.wrong(line, unknown_column(name, &lower)));
            };
            if columns.contains(&column) {
                return Err(self.wrong(line, format!("the column {lower} is there twice")));
            }
            columns.push(column);
        }
        if !columns.contains(&0) {
            return Err(self.wrong(line, "there is no column path; the first row names the columns".into()));
        }
        Ok(columns)
    }

    fn row(&mut self, line: u64, columns: &[usize], row: &csv::StringRecord) -> Result<(), FramesError> {
        if row.len() != columns.len() {
            let what = format!("{} fields where the header row has {}", row.len(), columns.len());
            return Err(self.wrong(line, what));
        }
        let mut fields = [""; COLUMNS.len()];
        for (column, field) in columns.iter().zip(row) {
            fields[*column] = field;
        }
        let [path, weight, mask, wcs, flux_scale, hdu] = fields;
        let given = Given {
            weight: self.map(line, "weight", weight)?,
            mask: self.map(line, "mask", mask)?,
            wcs: if wcs.is_empty() { None } else { Some(self.find(line, "wcs", wcs)?) },
            flux_scale: self.number(line, "flux_scale", flux_scale)?,
            hdu: self.number(line, "hdu", hdu)?,
        };
        if path.is_empty() {
            return Err(self.wrong(line, "the path is empty".into()));
        }
        self.add(line, path, given)
    }

    fn number<T: std::str::FromStr>(
        &self,
        line: u64,
        column: &str,
        text: &str,
    ) -> Result<Option<T>, FramesError> {
        if text.is_empty() {
            return Ok(None);
        }
        let wanted = if column == "hdu" { "the number of an HDU (0, 1, ...)" } else { "a number" };
        let number = text.parse().map_err(|_| self.wrong(line, format!("{column} = {text} is not {wanted}")));
        number.map(Some)
    }

    fn map(&self, line: u64, column: &str, text: &str) -> Result<Option<MapSource>, FramesError> {
        Ok(match text {
            "" => None,
            "none" => Some(MapSource::None),
            text if is_empty_extension(text) => {
                return Err(self.wrong(line, format!("{column} {text} names no extension")));
            }
            text => Some(match extension_name(text) {
                Some(name) => MapSource::Extension(name.to_owned()),
                None => MapSource::File(self.find(line, column, text)?),
            }),
        })
    }

    /// The file that `text` means.
    fn find(&self, line: u64, column: &str, text: &str) -> Result<PathBuf, FramesError> {
        let beside = self.folder().join(text);
        let found = [beside, PathBuf::from(text)].into_iter().find(|path| path.exists());
        match found {
            Some(path) if path.is_dir() => {
                Err(self
                    .wrong(line, format!("{column} {text} is a folder; give folders as inputs of their own")))
            }
            Some(path) => Ok(path),
            None => {
                let what = format!(
                    "{column} {text} does not exist, neither beside the list nor in the working folder"
                );
                Err(self.wrong(line, what))
            }
        }
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    fn add(&mut self, line: u64, text: &str, given: Given) -> Result<(), FramesError> {
        let beside = self.folder().join(text);
        if list_of(if beside.exists() { &beside } else { Path::new(text) }).is_some() {
            let what = format!("{text} is a list inside a list; give it as an input of its own");
            return Err(self.wrong(line, what));
        }
        let path = self.find(line, "path", text)?;
        let same_file = self.lines.entry(path.canonicalize().unwrap_or(path.clone())).or_default();
        for (first, index) in &*same_file {
            let known = &self.files[*index].given;
            if *known == given {
                return Ok(());
            }
            if share_images(known, &given) {
                let what = format!("{text} is named in line {first} already, with other values");
                return Err(self.wrong(line, what));
            }
        }
        same_file.push((line, self.files.len()));
        let id = self.id_of(&path);
        self.files.push(InputFile { id, path, named: true, given });
        Ok(())
    }

    /// The path below the folder of the list, the bare name of a file that is elsewhere.
    fn id_of(&self, path: &Path) -> String {
        let below = path.strip_prefix(self.folder()).unwrap_or(path);
        if below.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            let plain: PathBuf =
                below.components().filter(|part| matches!(part, Component::Normal(_))).collect();
            return id_below(Path::new(""), &plain);
        }
        let whole = |path: &Path| {
            let folder = if path.as_os_str().is_empty() { Path::new(".") } else { path };
            folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf())
        };
        let own = path.parent().unwrap_or(Path::new(""));
        let name = path.file_name().map(PathBuf::from).unwrap_or_default();
        match whole(own).strip_prefix(whole(self.folder())) {
            Ok(below) => id_below(Path::new(""), &below.join(name)),
            Err(_) => id_below(Path::new(""), &name),
        }
    }
}

/// Whether both are said of one image or more: of the same HDU, or one of them of all HDUs.
pub(crate) fn share_images(one: &Given, other: &Given) -> bool {
    one.hdu == other.hdu || one.hdu.is_none() || other.hdu.is_none()
}

/// What is read behind a CSV: a row of its own, unless a quote is still open.
const END: &[u8] = b"\nend,end";
/// The fields of that row.
const END_FIELDS: [&str; 2] = ["end", "end"];

/// The line of a record: its position is that before the blank lines and comments in front of it.
fn line_of(bytes: &[u8], position: &csv::Position) -> u64 {
    let mut rest = bytes.get(position.byte() as usize..).unwrap_or_default();
    let mut line = position.line();
    while let Some(b'\r' | b'\n' | b'#') = rest.first() {
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else { break };
        rest = &rest[end + 1..];
        line += 1;
    }
    line
}

/// `NAME` of `[NAME]`.
pub(crate) fn extension_name(text: &str) -> Option<&str> {
    let name = text.trim().strip_prefix('[')?.strip_suffix(']')?.trim();
    (!name.is_empty()).then_some(name)
}

/// Whether these are brackets without a name.
pub(crate) fn is_empty_extension(text: &str) -> bool {
    let inside = text.trim().strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    inside.is_some_and(|name| name.trim().is_empty())
}

fn unknown_column(name: &str, lower: &str) -> String {
    let near = COLUMNS
        .iter()
        .map(|column| (strsim::damerau_levenshtein(lower, column), column))
        .min()
        .filter(|(distance, _)| *distance <= 2)
        .map_or(String::new(), |(_, column)| format!("; did you mean {column}?"));
    if near.is_empty() {
        format!("unknown column {name:?}; the first row names the columns, which are {}", COLUMNS.join(", "))
    } else {
        format!("unknown column {name:?}{near}")
    }
}
