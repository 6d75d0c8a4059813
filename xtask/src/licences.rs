//! Every dependency may be used under a licence of the allow-list, so that the binaries stay MIT OR Apache-2.0.

use anyhow::{Result, bail, ensure};

use crate::Findings;
use crate::metadata::Metadata;

/// SPDX identifiers, and identifiers with an exception, that we accept.
const ALLOWED: &[&str] = &[
    "MIT",
    "MIT-0",
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "IJG",
    "ISC",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    // BSD-style: keep the notice, mark changes (libbz2-rs-sys; docs/decisions/0008).
    "bzip2-1.0.6",
    // Copyleft by file, used unmodified (option-ext, under seiza; docs/decisions/0009).
    "MPL-2.0",
    // Figures of constellations inside seiza, credited in NOTICE (docs/decisions/0009).
    "CC-BY-4.0",
];

/// Checks every package of the graph that is not ours.
pub fn check(metadata: &Metadata) -> (String, Findings) {
    let mut findings = Findings::default();
    let mut checked = 0;
    for package in metadata.packages.iter().filter(|package| !package.is_member) {
        checked += 1;
        let (name, version) = (&package.name, &package.version);
        match package.licence.as_deref().map(|licence| (licence, is_allowed(licence))) {
            Some((_, Ok(true))) => {}
            Some((licence, Ok(false))) => {
                findings.fail(format!("{name} {version}: \"{licence}\" is not on the allow-list"));
            }
            Some((licence, Err(error))) => findings.fail(format!("{name} {version}: \"{licence}\": {error}")),
            None => findings.fail(format!("{name} {version} names no licence")),
        }
    }
    (format!("{checked} packages"), findings)
}

/// Whether an SPDX expression can be satisfied with allowed licences alone. The old `MIT/Apache-2.0` means OR.
fn is_allowed(expression: &str) -> Result<bool> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { words: &words, at: 0 };
    let allowed = parser.any_of()?;
    ensure!(parser.at == words.len(), "unexpected `{}`", words[parser.at]);
    Ok(allowed)
}

/// Recursive descent over an SPDX expression; WITH binds tighter than AND, AND tighter than OR.
struct Parser<'a> {
    words: &'a [&'a str],
    at: usize,
}

impl Parser<'_> {
    fn any_of(&mut self) -> Result<bool> {
        let mut allowed = self.all_of()?;
        while self.take("OR") {
            allowed |= self.all_of()?;
        }
        Ok(allowed)
    }

    fn all_of(&mut self) -> Result<bool> {
        let mut allowed = self.term()?;
        while self.take("AND") {
            allowed &= self.term()?;
        }
        Ok(allowed)
    }

    fn term(&mut self) -> Result<bool> {
        if self.take("(") {
            let allowed = self.any_of()?;
            ensure!(self.take(")"), "a `)` is missing");
            return Ok(allowed);
        }
        let Some(name) = self.next_name() else { bail!("a licence name is missing") };
        if self.take("WITH") {
            let Some(exception) = self.next_name() else { bail!("the exception after WITH is missing") };
            return Ok(ALLOWED.contains(&format!("{name} WITH {exception}").as_str()));
        }
        Ok(ALLOWED.contains(&name.as_str()))
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.words.get(self.at).is_some_and(|next| *next == word);
        self.at += usize::from(found);
        found
    }

    fn next_name(&mut self) -> Option<String> {
        let word = *self.words.get(self.at)?;
        if ["AND", "OR", "WITH", "(", ")"].contains(&word) {
            return None;
        }
        self.at += 1;
        Some(word.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Package;

    #[test]
    fn expressions_are_evaluated() {
        for good in [
            "MIT",
            "MIT OR Apache-2.0",
            "MIT/Apache-2.0",
            "Apache-2.0 WITH LLVM-exception",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "MIT OR Apache-2.0 OR LGPL-2.1-or-later",
            "GPL-3.0-only OR (BSD-3-Clause AND (Zlib OR GPL-2.0-only))",
            "GPL-3.0-only AND MIT OR ISC",
        ] {
            assert!(is_allowed(good).unwrap(), "{good}");
        }
        for bad in [
            "GPL-3.0-only",
            "MIT AND GPL-3.0-only",
            "ISC AND (GPL-2.0-only OR LGPL-2.1-only)",
            "Apache-2.0 WITH Classpath-exception-2.0",
            "MIT AND (ISC OR MIT) AND LGPL-2.1-only",
        ] {
            assert!(!is_allowed(bad).unwrap(), "{bad}");
        }
    }

    #[test]
    fn malformed_expressions_are_errors() {
        for broken in ["", "MIT OR", "(MIT", "MIT ISC", "MIT WITH", "AND MIT", "MIT)"] {
            assert!(is_allowed(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn packages_without_an_allowed_licence_fail() {
        let package = |name: &str, licence: Option<&str>, is_member| Package {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            licence: licence.map(str::to_owned),
            is_member,
            manifest: "Cargo.toml".into(),
            dependencies: Vec::new(),
        };
        let metadata = Metadata {
            packages: vec![
                package("good", Some("MIT"), false),
                package("ours", None, true),
                package("copyleft", Some("GPL-3.0-or-later"), false),
                package("silent", None, false),
                package("garbled", Some("MIT AND"), false),
            ],
        };
        let failures = check(&metadata).1.failures;
        assert_eq!(failures.len(), 3, "{failures:?}");
        assert!(failures[0].contains("copyleft 1.0.0") && failures[1].contains("silent"));
    }
}
