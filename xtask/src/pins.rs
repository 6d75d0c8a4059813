//! Every dependency is pinned to one version, and the version stands in the workspace table only.

use std::path::Path;

use anyhow::{Context, Result};

use crate::Findings;
use crate::metadata::Metadata;

/// A manifest by its path below the repository root.
pub struct Manifest {
    pub path: String,
    pub text: String,
}

/// Reads the manifests of the workspace: the root's first, then the members'.
pub fn read_manifests(root: &Path, metadata: &Metadata) -> Result<Vec<Manifest>> {
    let own = metadata.members().map(|package| package.manifest.clone());
    std::iter::once(root.join("Cargo.toml"))
        .chain(own)
        .map(|path| {
            let text = std::fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
            Ok(Manifest { path: path.strip_prefix(root).unwrap_or(&path).display().to_string(), text })
        })
        .collect()
}

/// Checks the requirements that cargo understood, and where they are written.
pub fn check(metadata: &Metadata, manifests: &[Manifest]) -> (String, Findings) {
    let mut findings = Findings::default();
    for package in metadata.members() {
        for dependency in package.dependencies.iter().filter(|dependency| !dependency.is_path) {
            if !is_exact(&dependency.requirement) {
                let (user, used, found) = (&package.name, &dependency.name, &dependency.requirement);
                findings.fail(format!(
                    "{user} uses {used} as \"{found}\": write the exact version as \"=x.y.z\""
                ));
            }
        }
    }
    let mut pinned = 0;
    for manifest in manifests {
        for (table, line) in dependency_lines(&manifest.text) {
            let name = line.split(['=', '.', ' ']).next().unwrap_or_default();
            if table == "workspace.dependencies" {
                if line.contains("path = ") {
                    continue;
                }
                pinned += 1;
                if !line.contains("\"=") {
                    findings.fail(format!("{}: {name} is not pinned with =", manifest.path));
                }
            } else if !line.contains("workspace = true") {
                findings.fail(format!(
                    "{}: {name} must come from the workspace table ({name}.workspace = true)",
                    manifest.path
                ));
            }
        }
    }
    (format!("{pinned} dependencies"), findings)
}

/// `=x.y.z`, with a pre-release or build part if it has one.
fn is_exact(requirement: &str) -> bool {
    let Some(version) = requirement.strip_prefix('=') else { return false };
    let core = version.trim_start().split(['-', '+']).next().unwrap_or_default();
    let parts: Vec<&str> = core.split('.').collect();
    parts.len() == 3
        && parts.iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The entries of all dependency tables, one per line as this repository writes them, with their table's name.
fn dependency_lines(text: &str) -> Vec<(&str, &str)> {
    let mut table = "";
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[') {
            table = name.trim_end_matches(']');
        } else if table.ends_with("dependencies") && !line.is_empty() && !line.starts_with('#') {
            found.push((table, line));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::{Dependency, DependencyKind, Package};

    fn package(requirement: &str) -> Metadata {
        let dependency = Dependency {
            name: "serde".to_owned(),
            kind: DependencyKind::Normal,
            requirement: requirement.to_owned(),
            is_path: false,
        };
        Metadata {
            packages: vec![Package {
                name: "a".to_owned(),
                version: "0.1.0".to_owned(),
                licence: None,
                is_member: true,
                manifest: "Cargo.toml".into(),
                dependencies: vec![dependency],
            }],
        }
    }

    fn manifest(text: &str) -> Vec<Manifest> {
        vec![Manifest { path: "Cargo.toml".to_owned(), text: text.to_owned() }]
    }

    #[test]
    fn exact_requirements_pass_and_ranges_fail() {
        assert_eq!(check(&package("=1.0.229"), &[]).1.failures, Vec::<String>::new());
        assert!(is_exact("=2.0.0-rc.1"));
        for range in ["^1.0.229", "1", "=1", "=1.0", "*", "=1.*", ">=1.0.0, <2"] {
            assert_eq!(check(&package(range), &[]).1.failures.len(), 1, "{range}");
        }
    }

    #[test]
    fn versions_stand_in_the_workspace_table_only() {
        let none = Metadata::default();
        let good =
            "[workspace.dependencies]\nserde = { version = \"=1.0.0\" }\nours = { path = \"crates/ours\" }\n";
        assert_eq!(check(&none, &manifest(good)).1.failures, Vec::<String>::new());
        let unpinned = "[workspace.dependencies]\nserde = \"1.0\"\n";
        assert!(check(&none, &manifest(unpinned)).1.failures[0].contains("serde is not pinned"));
        let own = "[dependencies]\nserde = \"=1.0.0\"\ntoml.workspace = true\n\n[lints]\nworkspace = true\n";
        assert_eq!(check(&none, &manifest(own)).1.failures.len(), 1);
        let target = "[target.'cfg(unix)'.dependencies]\nrustix = \"=1.0.0\"\n";
        assert_eq!(check(&none, &manifest(target)).1.failures.len(), 1);
    }
}
