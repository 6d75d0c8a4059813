//! Length of files and functions, tests not counted.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::Findings;
use crate::source::{blank_text, functions, product_lines};

const FILE_SOFT_LINES: usize = 500;
const FILE_HARD_LINES: usize = 800;
const FUNCTION_LINES: usize = 80;
/// Folders of the repository that hold our Rust code.
const ROOTS: &[&str] = &["crates", "benches", "xtask"];
/// Folders whose files are tests or benches, or not ours.
const EXEMPT: &[&str] = &["tests", "benches", "target"];

/// A source file by its path below the repository root.
pub struct SourceFile {
    pub path: String,
    pub text: String,
}

/// Reads every `.rs` file of the product.
pub fn read_sources(root: &Path) -> Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    for folder in ROOTS {
        collect(root, &root.join(folder), &mut files)?;
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<SourceFile>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("{}", folder.display()))? {
        let path: PathBuf = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !EXEMPT.contains(&name.as_str()) && !name.starts_with('.') {
                collect(root, &path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
            files.push(SourceFile {
                path: path.strip_prefix(root).unwrap_or(&path).display().to_string(),
                text,
            });
        }
    }
    Ok(())
}

/// Checks the limits.
pub fn check(files: &[SourceFile]) -> (String, Findings) {
    let mut findings = Findings::default();
    let mut counted = Vec::with_capacity(files.len());
    for file in files {
        let blanked = blank_text(&file.text);
        let lines = product_lines(&blanked).into_iter().filter(|product| *product).count();
        counted.push(lines);
        if lines > FILE_HARD_LINES {
            findings.fail(format!(
                "{}: {lines} lines, at most {FILE_HARD_LINES}: one algorithm, one file",
                file.path
            ));
        } else if lines > FILE_SOFT_LINES {
            findings.warn(format!("{}: {lines} lines, more than {FILE_SOFT_LINES}", file.path));
        }
        for function in functions(&blanked).iter().filter(|function| function.lines > FUNCTION_LINES) {
            findings.fail(format!(
                "{}:{}: fn {} has {} lines, at most {FUNCTION_LINES}",
                file.path, function.line, function.name, function.lines
            ));
        }
    }
    counted.sort_unstable();
    let median = counted.get(counted.len() / 2).copied().unwrap_or(0);
    (format!("{} files, median {median} lines", files.len()), findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: String) -> Findings {
        check(&[SourceFile { path: "a.rs".to_owned(), text }]).1
    }

    #[test]
    fn long_files_warn_then_fail() {
        let lines = |count: usize| "const A: u8 = 1;\n".repeat(count);
        assert!(findings(lines(500)).warnings.is_empty());
        assert_eq!(findings(lines(501)).warnings.len(), 1);
        assert_eq!(findings(lines(801)).failures.len(), 1);
    }

    #[test]
    fn tests_at_the_end_do_not_count() {
        let text = format!(
            "const A: u8 = 1;\n#[cfg(test)]\nmod tests {{\n{}}}\n",
            "    const B: u8 = 1;\n".repeat(900)
        );
        let found = findings(text);
        assert!(found.warnings.is_empty() && found.failures.is_empty());
    }

    #[test]
    fn long_functions_fail() {
        let function = |body: usize| format!("fn long() {{\n{}}}\n", "    step();\n".repeat(body));
        assert!(findings(function(78)).failures.is_empty());
        let failures = findings(function(79)).failures;
        assert_eq!(failures.len(), 1);
        assert!(failures[0].contains("a.rs:1: fn long has 81 lines"), "{failures:?}");
    }
}
